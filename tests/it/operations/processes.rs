//! The process: what it does on signals, beside its successor, and while its machine holds it up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::origin::Origin;
use crate::support::program::{Program, wait_until};
use crate::support::script::Script;

const STATUS: &str = "/accounts/1.0.0/status";
const ACCESS_LOG: &str = "[telemetry]\naccess_log = { path = \"access.log\" }\n";

fn started(origin: &Origin, more: &str) -> Program {
    let mut program = Program::new(&origin.url(), &format!("{ACCESS_LOG}{more}"));
    program.start();
    program.wait_until_ready();
    program
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn ask(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_served(port: u16) -> bool {
    ask(port, STATUS).unwrap().starts_with("HTTP/1.1 200")
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_0() {
    let late = Script::answer(200, &[], "late").after(Duration::from_millis(300));
    let origin = Origin::serving(late);
    let mut program = started(&origin, "");
    let idle = connect(program.port);
    let mut refused = connect(program.port);
    refused.write_all(b"GET /open/1.0.0/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(&mut refused).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 401"), "{line}");

    let mut stream = connect(program.port);
    write!(stream, "GET {STATUS} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_until("the request at the backend", || !origin.received().is_empty());
    program.signal("TERM");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "the request in flight is answered: {answer}");
    assert_eq!(program.wait().code(), Some(0));
    drop(idle);
    assert!(TcpStream::connect(("127.0.0.1", program.port)).is_err());
    let log = std::fs::read_to_string(program.path().join("access.log")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn sighup_reloads() {
    let mut program = started(&Origin::start(), "");
    let is_there = || !ask(program.port, "/opened/1.0.0/x").unwrap().starts_with("HTTP/1.1 404");
    assert!(!is_there());
    program.edit("context = \"/open\"", "context = \"/opened\"");
    program.signal("HUP");
    wait_until("the reload", is_there);
    program.signal("QUIT");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn another_process_takes_the_sockets_over_and_no_connection_is_refused() {
    let fine = Script::answer(200, &[], "fine").after(Duration::from_millis(20));
    let origin = Origin::serving(fine);
    let mut program = started(&origin, "");
    let (port, management) = (program.port, program.management);
    let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        let (mut bad, began) = (Vec::new(), Instant::now());
        while !end.load(Ordering::Relaxed) && began.elapsed() < DEADLINE {
            match ask(port, STATUS) {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                other => bad.push(other),
            }
        }
        bad
    };
    let more = |what: &str, count: usize| {
        let before = answered.load(Ordering::Relaxed);
        wait_until(what, || answered.load(Ordering::Relaxed) >= before + count);
    };
    let bad: Vec<_> = std::thread::scope(|scope| {
        // whatever a test comes to, the clients end by their own deadline
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        more("answers of the first process", 20);
        program.signal("USR2");
        assert_eq!(program.wait().code(), Some(0));
        more("answers of the second one", 20);
        end.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(bad.is_empty(), "{bad:?}");
    assert!(ask(management, "/readyz").is_ok(), "it answers on the management listener");
    let successor = |log: &str| {
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| line["process"].as_u64())
    };
    let successor = successor(&program.log()).expect("a process that took over").to_string();
    assert!(Command::new("kill").args(["-TERM", &successor]).status().unwrap().success());
    wait_until("the end of the other process", || TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Stops the whole process for longer than its loop may lag, and lets it run for less than one of its ticks.
fn hold_up(program: &Program) {
    program.signal("STOP");
    std::thread::sleep(Duration::from_millis(300));
    program.signal("CONT");
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_worker_that_lags_behind_sheds_new_requests_until_it_has_caught_up() {
    let origin = Origin::start();
    let program =
        started(&origin, "[gateway]\nworkers = 1\n[limits]\nmax_loop_delay = \"100ms\"\n");
    let port = program.port;
    assert!(is_served(port));
    // one long tick is the machine's fault, not the load's
    let after_one = (0..5).any(|_| {
        hold_up(&program);
        let served = is_served(port);
        std::thread::sleep(Duration::from_millis(200));
        served
    });
    assert!(after_one, "once is not lagging");
    let asking = std::thread::spawn(move || {
        let answers = (0..500).filter_map(|_| ask(port, STATUS).ok());
        answers.into_iter().find(|answer| !answer.starts_with("HTTP/1.1 200"))
    });
    wait_until("something is shed", || {
        hold_up(&program);
        asking.is_finished()
    });
    let shed = asking.join().unwrap().expect("an answer that is not the backend's");
    assert!(shed.starts_with("HTTP/1.1 503") && shed.contains("\"code\":\"503\""), "{shed}");
    assert!(shed.to_lowercase().contains("\r\nretry-after: "), "{shed}");
    wait_until("it has caught up", || is_served(port));
    let metrics = ask(program.management, "/metrics").unwrap();
    assert!(metrics.contains("reason=\"overloaded\""), "{metrics}");
    let log = || std::fs::read_to_string(program.path().join("access.log")).unwrap();
    wait_until("a line in the access log", || log().contains("\"reason\":\"overloaded\""));
}

#[test]
fn curl_speaks_both_protocols() {
    let origin = Origin::start();
    let mut program = Program::new(&origin.url(), "");
    program.edit("name = \"http\"\n", "name = \"http\"\nprotocols = [\"h2\", \"http/1.1\"]\n");
    program.start();
    program.wait_until_ready();
    let token = program.token();
    let url = format!("http://127.0.0.1:{}/accounts/1.0.0/accounts", program.port);
    // over HTTP/2 some versions of curl hear no answer after an Expect, whoever gives it
    for (protocol, version, expect) in
        [("--http1.1", "1.1", "Expect: 100-continue"), ("--http2-prior-knowledge", "2", "Expect:")]
    {
        let output = Command::new("curl")
            .args(["-sS", "-m", "10", protocol, "-w", "\n%{http_code} %{http_version}"])
            .args(["-H", &format!("Authorization: Bearer {token}"), "-H", expect])
            .args(["--data-binary", "a body", &url])
            .output()
            .expect("curl is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.ends_with(&format!("200 {version}")), "{protocol}: {said} {output:?}");
    }
    assert_eq!(origin.received().iter().filter(|request| request.body == b"a body").count(), 2);
}
