use std::fs;
use std::time::Instant;

use super::*;

fn record<'a>(path: &'a str, user_agent: &'a str) -> AccessRecord<'a> {
    AccessRecord {
        request_id: "id-1",
        denial: None,
        remote: ([127, 0, 0, 1], 4000).into(),
        client: [127, 0, 0, 1].into(),
        listener: "http",
        protocol: "HTTP/1.1",
        tls: false,
        method: "GET",
        host: "a",
        path,
        api: Some("accounts"),
        version: None,
        operation: None,
        application: None,
        key_manager: None,
        key_type: None,
        consumer_key: None,
        token: None,
        status: 200,
        reason: "forwarded",
        message: None,
        backend: None,
        duration: Duration::from_micros(1500),
        backend_duration: None,
        request_bytes: 0,
        response_bytes: 5,
        user_agent: Some(user_agent),
        ending: "complete",
    }
}

fn settings(target: AccessLogTarget, format: LogFormat, sample: f64) -> gateway::AccessLog {
    gateway::AccessLog { target, format, sample }
}

#[test]
fn a_line_is_json_whatever_clients_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(&settings(AccessLogTarget::File(path.clone()), LogFormat::Json, 1.0), &Metrics::new(1, 10)).unwrap();
    let writer = log.writer();
    writer.write(&record("/a\n{\"status\":200}\u{1b}[31m", &"x".repeat(1000)));
    writer.flush();
    drop(writer);
    log.shutdown();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains('\u{1b}'));
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["user_agent"].as_str().unwrap().len(), MOST_USER_AGENT);
    assert_eq!(line["duration_ms"], 1.5);
    assert!(line.get("version").is_none() && line["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_text_form_keeps_a_line_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(&settings(AccessLogTarget::File(path.clone()), LogFormat::Text, 1.0), &Metrics::new(1, 10)).unwrap();
    let writer = log.writer();
    writer.write(&record("/a\nb", "agent"));
    writer.flush();
    drop(writer);
    log.shutdown();
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
}

#[test]
fn a_sample_keeps_its_share_and_every_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(&settings(AccessLogTarget::File(path.clone()), LogFormat::Json, 0.25), &Metrics::new(1, 10)).unwrap();
    let writer = log.writer();
    for _ in 0..100 {
        writer.write(&record("/sampled", "agent"));
        writer.write(&AccessRecord { denial: Some("id-1"), ..record("/refused", "agent") });
    }
    writer.flush();
    drop(writer);
    log.shutdown();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches("/refused").count(), 100);
    assert_eq!(text.matches("/sampled").count(), 25);
}

#[test]
fn a_rotated_file_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(&settings(AccessLogTarget::File(path.clone()), LogFormat::Json, 1.0), &Metrics::new(1, 10)).unwrap();
    let writer = log.writer();
    writer.write(&record("/before", "agent"));
    writer.flush();
    let started = Instant::now();
    while fs::read_to_string(&path).unwrap_or_default().is_empty() && started.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(5));
    }
    let rotated = folder.path().join("access.log.1");
    fs::rename(&path, &rotated).unwrap();
    writer.write(&record("/after", "agent"));
    writer.flush();
    drop(writer);
    log.shutdown();
    assert!(fs::read_to_string(rotated).unwrap().contains("/before"));
    assert!(fs::read_to_string(path).unwrap().contains("/after"));
}

#[test]
fn what_nobody_takes_is_dropped_and_counted() {
    let metrics = Metrics::new(1, 10);
    let (sender, receiver) = sync_channel(1);
    let writer = AccessWriter {
        format: LogFormat::Json,
        sample: 1.0,
        sender: Some(sender),
        buffer: RefCell::default(),
        share: Cell::new(0.0),
        dropped: metrics.dropped_lines(),
    };
    for _ in 0..3 {
        writer.write(&record("/a", "agent"));
        writer.flush();
    }
    drop(receiver);
    assert!(metrics.render().contains("portcullis_access_log_dropped_total 2"));
}
