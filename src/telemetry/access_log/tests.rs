//! Log lines: their content, and that each arrives whole or is counted.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http::{Method, Version};
use serde_json::Value;

use super::*;
use crate::model::application::KeyType;
use crate::model::gateway::AccessLogTarget;

mod documented;
mod files;

/// 2026-03-04T05:06:07.089Z
const TIME: UnixMillis = UnixMillis(1_772_600_767_089);

fn refused() -> AccessRecord<'static> {
    AccessRecord {
        time: TIME,
        request_id: "req-1",
        trace_id: None,
        denial: Some("d-17"),
        remote: "192.0.2.7:4711".parse().unwrap(),
        listener: "https",
        tls: true,
        kept_connection: None,
        client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9)),
        protocol: Version::HTTP_2,
        method: &Method::GET,
        host: "api.bank.example",
        path: "/accounts/1.0.0/accounts/7",
        api: Some("accounts"),
        version: Some("1.0.0"),
        operation: Some("/accounts/{id}"),
        kept_route: None,
        application: Some("tpp-mobile"),
        owner: Some(""),
        key_manager: Some("is7"),
        key_type: Some(KeyType::Sandbox),
        issuer: None,
        consumer_key: Some("7wYeybBG"),
        key_id: Some("k1"),
        token_hash: Some(TokenHash([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff])),
        kept_caller: None,
        status: 403,
        reason: Reason::InsufficientScope,
        observed: None,
        message: None,
        policy: None,
        policy_level: None,
        backend: None,
        duration: Duration::from_nanos(1_234_567),
        backend_duration: None,
        request_bytes: 0,
        response_bytes: 120,
        user_agent: Some("curl/8"),
        ending: ExchangeEnding::Completed,
    }
}

fn forwarded() -> AccessRecord<'static> {
    AccessRecord {
        denial: None,
        status: 200,
        reason: Reason::Forwarded,
        backend_duration: Some(Duration::from_millis(2)),
        ..refused()
    }
}

fn line(format: LogFormat, record: &AccessRecord<'_>) -> String {
    let mut lines = Vec::new();
    let mut calendar = Calendar::default();
    let mut line = LogLine::begin(&mut lines, format, calendar.text(record.time));
    record.write(&mut line);
    line.end();
    String::from_utf8(lines).unwrap()
}

fn json(record: &AccessRecord<'_>) -> Value {
    serde_json::from_str(&line(LogFormat::Json, record)).unwrap()
}

fn to_file(path: &Path, sample: f64) -> AccessLog {
    AccessLog::open(&AccessLogSettings {
        target: AccessLogTarget::File(path.to_owned()),
        format: LogFormat::Json,
        sample,
    })
    .unwrap()
}

/// A log whose thread writes to this target and has room for so many buffers.
fn to_target(target: LogTarget, queue: usize) -> AccessLog {
    let dropped = Arc::new(AtomicU64::new(0));
    let thread = Some(start(target, queue, &dropped).unwrap());
    AccessLog { format: LogFormat::Json, sampling: Sampling::of(1.0), dropped, thread }
}

fn request_ids(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["request_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_line_of_json_says_what_happened_and_leaves_out_what_is_not_known() {
    let expected = serde_json::json!({
        "time": "2026-03-04T05:06:07.089Z", "request_id": "req-1", "denial": "d-17", "remote": "192.0.2.7:4711",
        "client": "198.51.100.9", "listener": "https", "protocol": "HTTP/2.0", "tls": true, "method": "GET",
        "host": "api.bank.example", "path": "/accounts/1.0.0/accounts/7", "api": "accounts", "version": "1.0.0",
        "operation": "/accounts/{id}", "application": "tpp-mobile", "key_manager": "is7", "key_type": "sandbox",
        "consumer_key": "7wYeybBG", "key_id": "k1", "token_hash": "00010203fcfdfeff", "status": 403,
        "reason": "insufficient_scope", "duration_ms": 1.234, "request_bytes": 0, "response_bytes": 120,
        "user_agent": "curl/8", "ending": "completed",
    });
    assert_eq!(json(&refused()), expected);
    assert_eq!(json(&forwarded())["backend_ms"], 2.0);
}

#[test]
fn fields_that_lines_share_are_written_alike_from_the_second_on() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let [connection, route, caller] = <[Fragment; 3]>::default();
        let sharing = AccessRecord {
            kept_connection: Some(&connection),
            kept_route: Some(&route),
            kept_caller: Some(&caller),
            ..refused()
        };
        let expected = line(format, &refused());
        for _ in 0..3 {
            assert_eq!(line(format, &sharing), expected);
        }
    }
}

#[test]
fn a_line_of_text_reads_as_pairs() {
    let text = line(LogFormat::Text, &refused());
    assert!(text.starts_with(r#"time="2026-03-04T05:06:07.089Z" request_id="req-1" denial="d-17" remote="192.0.2.7:4711" "#), "{text}");
    assert!(
        text.contains(r#" status=403 reason="insufficient_scope" duration_ms=1.234 "#),
        "{text}"
    );
    assert!(text.ends_with(" ending=\"completed\"\n"), "{text}");
}

#[test]
fn nothing_from_the_network_ends_a_line_or_commands_a_terminal() {
    let attack = "x\"}\r\n{\"status\":200}\t\u{1b}[2J\u{7f}\u{9b}31m\u{85}\u{2028}\u{202e}\\ \u{e9}\u{1f600} request_id=\"forged\" \0";
    let record = AccessRecord {
        request_id: attack,
        host: attack,
        path: attack,
        issuer: Some(attack),
        consumer_key: Some(attack),
        key_id: Some(attack),
        user_agent: Some(attack),
        ..refused()
    };
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = line(format, &record);
        assert_eq!(text.matches('\n').count(), 1);
        let body = text.strip_suffix('\n').unwrap();
        assert!(
            !body.chars().any(|character| character.is_control()
                || ('\u{2028}'..='\u{202e}').contains(&character)),
            "{body:?}"
        );
        assert!(body.contains("\u{e9}\u{1f600}"), "readable text stays readable");
    }
    let parsed = json(&record);
    for field in ["request_id", "host", "path", "issuer", "consumer_key", "key_id", "user_agent"] {
        assert_eq!(parsed[field], attack, "{field}");
    }
    assert_eq!(parsed["status"], 403);
}

#[test]
fn a_forged_pair_stays_inside_its_quotes() {
    let record = AccessRecord { user_agent: Some("a\" status=200 \"b"), ..refused() };
    let text = line(LogFormat::Text, &record);
    assert!(text.contains(r#"user_agent="a\" status=200 \"b" ending"#), "{text}");
}

#[test]
fn a_query_is_never_written() {
    let record = AccessRecord { path: "/accounts?access_token=secret#secret", ..refused() };
    assert_eq!(json(&record)["path"], "/accounts");
}

#[test]
fn what_a_client_chooses_is_cut_between_characters() {
    let long = "\u{e9}".repeat(5000);
    let method = Method::from_bytes(&b"M".repeat(1000)).unwrap();
    let record = AccessRecord {
        request_id: &long,
        host: &long,
        path: &long,
        issuer: Some(&long),
        consumer_key: Some(&long),
        key_id: Some(&long),
        user_agent: Some(&long),
        method: &method,
        ..refused()
    };
    let parsed = json(&record);
    for (field, bytes) in [
        ("request_id", 128),
        ("host", 256),
        ("path", 2048),
        ("issuer", 256),
        ("key_id", 128),
        ("user_agent", 256),
    ] {
        let text = parsed[field].as_str().unwrap();
        assert_eq!(text.strip_suffix('\u{2026}').unwrap().len(), bytes, "{field}");
    }
    assert_eq!(parsed["method"].as_str().unwrap().chars().count(), 33);
    assert!(line(LogFormat::Json, &record).len() < 8 * 1024);
}

#[test]
fn every_worker_and_every_line_arrives_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = to_file(&path, 1.0);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let writer = log.writer();
            scope.spawn(move || {
                for number in 0..500 {
                    let request_id = format!("{worker}-{number}");
                    writer.write(&AccessRecord { request_id: &request_id, ..forwarded() });
                }
            });
        }
    });
    log.shutdown(Duration::from_secs(10)).unwrap();
    let mut written = request_ids(&std::fs::read_to_string(&path).unwrap());
    written.sort_unstable();
    let mut expected: Vec<_> = (0..3)
        .flat_map(|worker| (0..500).map(move |number| format!("{worker}-{number}")))
        .collect();
    expected.sort_unstable();
    assert_eq!(written, expected);
    assert_eq!(log.dropped().load(Ordering::Relaxed), 0);
}

#[test]
fn a_worker_keeps_lines_until_it_flushes_or_has_many() {
    let log = to_target(LogTarget::of(tempfile::tempfile().unwrap()), 8);
    let writer = log.writer();
    writer.write(&forwarded());
    assert_eq!(writer.pending.borrow().count, 1);
    writer.flush();
    assert_eq!(writer.pending.borrow().count, 0);
    let line_bytes = line(LogFormat::Json, &forwarded()).len();
    let until_full = FULL_BUFFER / line_bytes + 1;
    for _ in 0..until_full - 1 {
        writer.write(&forwarded());
    }
    assert_eq!(writer.pending.borrow().count, u64::try_from(until_full - 1).unwrap());
    writer.write(&forwarded());
    assert_eq!(writer.pending.borrow().count, 0);
}

#[test]
fn the_file_is_appended_to_and_not_for_everyone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    for _ in 0..2 {
        let log = to_file(&path, 1.0);
        log.writer().write(&refused());
        log.shutdown(Duration::from_secs(10)).unwrap();
    }
    assert_eq!(request_ids(&std::fs::read_to_string(&path).unwrap()), ["req-1", "req-1"]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
}

#[test]
fn a_sample_takes_its_share_of_successes_and_every_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = to_file(&path, 0.25);
    let writer = log.writer();
    for _ in 0..100 {
        writer.write(&forwarded());
        writer.write(&refused());
        writer.write(&AccessRecord { ending: ExchangeEnding::ClientAborted, ..forwarded() });
        writer.write(&AccessRecord { ending: ExchangeEnding::BackendTruncated, ..forwarded() });
    }
    drop(writer);
    log.shutdown(Duration::from_secs(10)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("insufficient_scope"), 100);
    assert_eq!(count("client_aborted"), 100);
    assert_eq!(count("backend_truncated"), 100);
    assert_eq!(text.lines().count(), 325);
}

#[test]
fn a_share_of_nothing_and_of_everything() {
    let mut none = Sampling::of(0.0);
    let mut all = Sampling::of(1.0);
    let mut odd = Sampling::of(f64::NAN);
    assert!((0..1000).all(|_| !none.is_due() && all.is_due() && !odd.is_due()));
    let mut third = Sampling::of(1.0 / 3.0);
    assert_eq!((0..3000).filter(|_| third.is_due()).count(), 999);
}

#[test]
fn switched_off_it_costs_nothing() {
    let log = AccessLog::open(&AccessLogSettings {
        target: AccessLogTarget::Off,
        format: LogFormat::Json,
        sample: 1.0,
    })
    .unwrap();
    let writer = log.writer();
    writer.write(&refused());
    assert!(writer.pending.borrow().lines.is_empty());
    log.shutdown(Duration::ZERO).unwrap();
}

#[test]
fn a_stuck_target_blocks_no_worker_and_the_loss_is_counted() {
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let log = to_target(LogTarget::of(pipe), 2);
    let writer = log.writer();
    let begun = Instant::now();
    for _ in 0..4000 {
        writer.write(&forwarded());
    }
    writer.flush();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let lost = log.dropped().load(Ordering::Relaxed);
    assert!(lost > 0 && lost < 4000, "{lost}");
    assert!(matches!(log.shutdown(Duration::from_millis(50)), Err(AccessLogError::Unfinished)));
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().count()
    });
    log.shutdown(Duration::from_secs(10)).unwrap();
    drop((writer, log));
    assert_eq!(u64::try_from(reading.join().unwrap()).unwrap() + lost, 4000);
}

#[test]
fn a_full_disk_is_survived_and_counted() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let log = to_target(LogTarget::of(full), 8);
    let writer = log.writer();
    for _ in 0..7 {
        writer.write(&refused());
        writer.flush();
    }
    log.shutdown(Duration::from_secs(10)).unwrap();
    assert_eq!(log.dropped().load(Ordering::Relaxed), 7);
}

#[test]
fn lines_after_the_end_are_counted_as_lost() {
    let log = to_target(LogTarget::of(tempfile::tempfile().unwrap()), 8);
    let writer = log.writer();
    log.shutdown(Duration::from_secs(10)).unwrap();
    log.shutdown(Duration::from_secs(10)).unwrap();
    // the thread has confirmed its end; its queue closes a moment later
    let begun = Instant::now();
    let mut written = 0;
    while log.dropped().load(Ordering::Relaxed) == 0 && begun.elapsed() < Duration::from_secs(10) {
        writer.write(&refused());
        writer.flush();
        written += 1;
    }
    assert!(written >= 1 && log.dropped().load(Ordering::Relaxed) >= 1);
}

fn wait_for(path: &Path, part: &str) {
    let begun = Instant::now();
    while !std::fs::read_to_string(path).unwrap_or_default().contains(part) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{part} was not written");
        std::thread::sleep(Duration::from_millis(2));
    }
}
