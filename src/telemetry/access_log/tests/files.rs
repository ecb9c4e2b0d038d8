//! Files that are renamed, or that cannot be opened.

use super::*;

/// A log with a line "before" in a file that was renamed to `access.log.1`.
fn renamed(path: &Path) -> (AccessLog, AccessWriter) {
    let log = to_file(path, 1.0);
    let writer = log.writer();
    writer.write(&AccessRecord { request_id: "before", ..refused() });
    writer.flush();
    wait_for(path, "before");
    std::fs::rename(path, path.with_extension("log.1")).unwrap();
    (log, writer)
}

#[test]
fn a_renamed_file_is_left_at_once_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (log, writer) = renamed(&path);
    log.reopen();
    writer.write(&AccessRecord { request_id: "after", ..refused() });
    writer.flush();
    log.shutdown(Duration::from_secs(10)).unwrap();
    let rotated = path.with_extension("log.1");
    assert_eq!(request_ids(&std::fs::read_to_string(&rotated).unwrap()), ["before"]);
    assert_eq!(request_ids(&std::fs::read_to_string(&path).unwrap()), ["after"]);
}

#[test]
fn a_renamed_file_is_noticed_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (log, writer) = renamed(&path);
    let begun = Instant::now();
    while !path.exists() && begun.elapsed() < Duration::from_secs(10) {
        writer.write(&AccessRecord { request_id: "after", ..refused() });
        writer.flush();
        std::thread::sleep(Duration::from_millis(50));
    }
    log.shutdown(Duration::from_secs(10)).unwrap();
    assert!(request_ids(&std::fs::read_to_string(&path).unwrap()).iter().all(|id| id == "after"));
    assert_eq!(log.dropped().load(Ordering::Relaxed), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/access.log");
    let settings = AccessLogSettings {
        target: AccessLogTarget::File(path.clone()),
        format: LogFormat::Json,
        sample: 1.0,
    };
    let error = AccessLog::open(&settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the access log \"{}\" cannot be opened", path.display())
    );
    assert!(std::error::Error::source(&error).is_some());
}
