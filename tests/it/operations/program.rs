//! The binary as an operator uses it: commands, exit codes, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::bank;
use crate::support::gateway::FRONT;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

fn portcullis(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("PORTCULLIS_CONFIG")
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the bank's file on fixed ports, its key set and a signer.
fn folder(production: &Origin, front: &str) -> (tempfile::TempDir, Signer) {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::new("key-1");
    std::fs::write(folder.path().join("keys.json"), signer.jwks()).unwrap();
    std::fs::write(
        folder.path().join("gateway.toml"),
        format!("{front}{}", bank::file(&production.url(), &production.url())),
    )
    .unwrap();
    (folder, signer)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A started program that is ended by its id, whatever the test comes to.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Started {
    fn run(folder: &Path) -> Started {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(folder).arg("run").stdout(Stdio::null()).stderr(Stdio::piped());
        Started(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Stops the whole process for longer than its loop may lag, and lets it run for less than one of its ticks.
    fn hold_up(&self) {
        self.signal("STOP");
        std::thread::sleep(Duration::from_millis(300));
        self.signal("CONT");
        std::thread::sleep(Duration::from_millis(20));
    }

    fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let started = Instant::now();
    loop {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            return stream;
        }
        assert!(started.elapsed() < DEADLINE, "nobody listens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn check_says_what_is_wrong_and_exits_2() {
    let origin = Origin::start();
    let (folder, _) = folder(&origin, FRONT);
    let good = portcullis(folder.path(), &["check"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("no errors"));
    std::fs::write(
        folder.path().join("bad.toml"),
        "[throttling]\ncounters = \"local\"\n[limits]\nidle_timout = \"5s\"\n",
    )
    .unwrap();
    for arguments in [&["check", "bad.toml"][..], &["--config", "bad.toml", "check"]] {
        let bad = portcullis(folder.path(), arguments);
        assert_eq!(bad.status.code(), Some(2));
        let report = text(&bad.stderr);
        assert!(
            report.contains("`throttling.counters` is not supported yet")
                && report.contains("did you mean `idle_timeout`"),
            "{report}"
        );
        assert!(report.contains("bad.toml:4:1"), "{report}");
    }
    let missing = portcullis(folder.path(), &["--config", "nowhere.toml", "check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("--config"));
}

#[test]
fn explain_tells_the_decision_with_its_places() {
    let origin = Origin::start();
    let (folder, signer) = folder(&origin, FRONT);
    let good = signer.sign(&claims(bank::ISSUER, "good", "accounts:read"));
    let allowed = portcullis(
        folder.path(),
        &["explain", "--token", &good, "GET https://localhost/accounts/1.0.0/accounts/42"],
    );
    let told = text(&allowed.stdout);
    assert_eq!(allowed.status.code(), Some(0), "{told}{}", text(&allowed.stderr));
    assert!(told.ends_with("allowed\n") && told.contains("gateway.toml:"), "{told}");
    assert!(!told.contains(&good), "a token is never shown");

    for (issuer, client, scope, path, reason, hint) in [
        (
            "https://issuer.example/oauth2/token/",
            "good",
            "accounts:read",
            "/accounts/1.0.0/accounts/42",
            "unknown_issuer",
            "only by a slash",
        ),
        (
            bank::ISSUER,
            "elsewhere",
            "accounts:read",
            "/accounts/1.0.0/accounts/42",
            "consumer_key_unknown",
            "under key manager \"other-is\"",
        ),
        (
            bank::ISSUER,
            "unsubscribed",
            "accounts:read",
            "/accounts/1.0.0/accounts/42",
            "not_subscribed",
            "accounts:1.0.0",
        ),
        (
            bank::ISSUER,
            "good",
            "other",
            "/accounts/1.0.0/accounts/42",
            "insufficient_scope",
            "other",
        ),
        (
            bank::ISSUER,
            "good",
            "accounts:read",
            "/accounts/1.0.0/nothing",
            "operation_not_found",
            "/accounts/{id}",
        ),
        (
            bank::ISSUER,
            "good",
            "accounts:read",
            "/accounts/2.0.0/accounts/42",
            "api_not_found",
            "/accounts/1.0.0",
        ),
    ] {
        let token = signer.sign(&claims(issuer, client, scope));
        let refused =
            portcullis(folder.path(), &["explain", "--token", &token, &format!("GET {path}")]);
        let told = text(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{told}{}", text(&refused.stderr));
        assert!(
            told.contains(&format!("refused: {reason}")) && told.contains(hint),
            "{reason}: {told}"
        );
    }
    let missing = portcullis(folder.path(), &["explain", "GET /accounts/1.0.0/accounts/42"]);
    assert!(text(&missing.stdout).contains("missing_credentials"));
}

#[test]
fn schema_and_completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let schema = portcullis(folder.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(
        schema["properties"]["key_managers"]["items"]["properties"]["consumer_key_claim"]
            .is_object()
    );
    assert!(
        text(&portcullis(folder.path(), &["completions", "bash"]).stdout).contains("portcullis")
    );
    let help = text(&portcullis(folder.path(), &["--help"]).stdout);
    assert!(help.contains("Examples:") && help.contains("PORTCULLIS_CONFIG"), "{help}");
}

#[test]
fn a_port_in_use_is_told_and_exits_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = Origin::start();
    let front =
        format!("[[listeners]]\nname = \"http\"\naddress = \"{}\"\n", taken.local_addr().unwrap());
    let (folder, _) = folder(&origin, &front);
    let run = portcullis(folder.path(), &["run"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("is taken by another process"), "{}", text(&run.stderr));
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_0() {
    let origin = Origin::serving(
        crate::support::script::Script::answer(200, &[], "late").after(Duration::from_millis(800)),
    );
    let (port, management) = (free_port(), free_port());
    let front = format!(
        "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\n[management]\naddress = \"127.0.0.1:{management}\"\n[telemetry]\n\
         access_log = {{ path = \"access.log\" }}\n"
    );
    let (folder, _) = folder(&origin, &front);
    let mut program = Started::run(folder.path());
    let mut stream = connect(port);
    let health = portcullis(folder.path(), &["healthcheck"]);
    assert_eq!(health.status.code(), Some(0), "{}{}", text(&health.stdout), text(&health.stderr));
    let idle = connect(port);
    // longer than the backend's response_timeout of the accounts API: an API without one
    stream.write_all(b"GET /open/1.0.0/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut refused = String::new();
    BufReader::new(&mut stream).read_line(&mut refused).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let mut stream = connect(port);
    stream.write_all(b"GET /accounts/1.0.0/status HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    program.signal("TERM");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 504"),
        "the request in flight is answered: {answer}"
    );
    assert_eq!(program.exit_code(), Some(0));
    drop(idle);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let log = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn sighup_reloads() {
    let origin = Origin::start();
    let port = free_port();
    let (folder, _) = folder(
        &origin,
        &format!("[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\n"),
    );
    let mut program = Started::run(folder.path());
    let ask = |path: &str| {
        let mut stream = connect(port);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/opened/1.0.0/x").starts_with("HTTP/1.1 404"));
    let file = folder.path().join("gateway.toml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("context = \"/open\"", "context = \"/opened\"");
    std::fs::write(&file, text).unwrap();
    program.signal("HUP");
    let started = Instant::now();
    while ask("/opened/1.0.0/x").starts_with("HTTP/1.1 404") {
        assert!(started.elapsed() < DEADLINE, "not reloaded");
    }
    program.signal("QUIT");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn another_process_takes_the_sockets_over_and_no_connection_is_refused() {
    let origin = Origin::serving(
        crate::support::script::Script::answer(200, &[], "fine").after(Duration::from_millis(20)),
    );
    let (port, management) = (free_port(), free_port());
    let front = format!(
        "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\n[management]\naddress = \"127.0.0.1:{management}\"\n[telemetry]\n\
         access_log = {{ path = \"access.log\" }}\n"
    );
    let (folder, _) = folder(&origin, &front);
    let mut program = Started::run(folder.path());
    drop(connect(port));
    let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let end = std::sync::Arc::clone(&end);
            std::thread::spawn(move || {
                let (mut good, mut bad) = (0, Vec::new());
                while !end.load(std::sync::atomic::Ordering::Relaxed) && good < 10_000 {
                    match ask_once(port) {
                        Ok(answer) if answer.starts_with("HTTP/1.1 200") => good += 1,
                        other => bad.push(other),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    program.signal("USR2");
    let code = program.exit_code();
    std::thread::sleep(Duration::from_millis(500));
    end.store(true, std::sync::atomic::Ordering::Relaxed);
    // the other process writes to the same place, so its end is not waited for
    let log = BufReader::new(program.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut read = log.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let successor = read
        .find_map(|line| line["process"].as_u64())
        .expect("a process that took over")
        .to_string();
    assert_eq!(code, Some(0));
    for client in clients {
        let (good, bad) = client.join().unwrap();
        assert!(bad.is_empty() && good > 5, "{good} answered, not {bad:?}");
    }
    assert!(ask_once(port).unwrap().starts_with("HTTP/1.1 200"), "the other process serves");
    assert!(ask_of(management, "/readyz").is_ok(), "and answers on the management listener");
    assert!(Command::new("kill").args(["-TERM", &successor]).status().unwrap().success());
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(started.elapsed() < DEADLINE, "the other process does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_worker_that_lags_behind_sheds_new_requests_until_it_has_caught_up() {
    let origin = Origin::start();
    let (port, management) = (free_port(), free_port());
    let front = format!(
        "[gateway]\nworkers = 1\n[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\n[limits]\nmax_loop_delay = \"100ms\"\n\
         [management]\naddress = \"127.0.0.1:{management}\"\n[telemetry]\naccess_log = {{ path = \"access.log\" }}\n"
    );
    let (folder, _) = folder(&origin, &front);
    let program = Started::run(folder.path());
    drop(connect(port));
    assert!(ask_once(port).unwrap().starts_with("HTTP/1.1 200"));
    // one long tick is the machine's fault, not the load's
    let after_one = (0..5).any(|_| {
        program.hold_up();
        let served = ask_once(port).unwrap().starts_with("HTTP/1.1 200");
        std::thread::sleep(Duration::from_millis(200));
        served
    });
    assert!(after_one, "once is not lagging");
    let asking = std::thread::spawn(move || {
        (0..500)
            .find_map(|_| ask_once(port).ok().filter(|answer| !answer.starts_with("HTTP/1.1 200")))
    });
    let started = Instant::now();
    while !asking.is_finished() {
        program.hold_up();
        assert!(started.elapsed() < DEADLINE, "nothing is shed");
    }
    let shed = asking.join().unwrap().expect("an answer that is not the backend's");
    assert!(
        shed.starts_with("HTTP/1.1 503") && shed.to_lowercase().contains("\r\nretry-after: "),
        "{shed}"
    );
    assert!(shed.contains("\"code\":\"503\""), "{shed}");
    let started = Instant::now();
    while !ask_once(port).unwrap().starts_with("HTTP/1.1 200") {
        assert!(started.elapsed() < DEADLINE, "sheds for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ask_of(management, "/metrics").unwrap().contains("reason=\"overloaded\""));
    let started = Instant::now();
    while !std::fs::read_to_string(folder.path().join("access.log"))
        .unwrap()
        .contains("\"reason\":\"overloaded\"")
    {
        assert!(started.elapsed() < DEADLINE, "not in the access log");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ask_once(port: u16) -> std::io::Result<String> {
    ask_of(port, "/accounts/1.0.0/status")
}

fn ask_of(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn curl_speaks_both_protocols() {
    let origin = Origin::start();
    let port = free_port();
    let front = format!(
        "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\nprotocols = [\"h2\", \"http/1.1\"]\n"
    );
    let (folder, signer) = folder(&origin, &front);
    let _program = Started::run(folder.path());
    drop(connect(port));
    let token = signer.sign(&claims(bank::ISSUER, "good", "accounts:read"));
    // over HTTP/2 some versions of curl hear no answer after an Expect, whoever gives it
    for (protocol, version, expect) in
        [("--http1.1", "1.1", "Expect: 100-continue"), ("--http2-prior-knowledge", "2", "Expect:")]
    {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "-m",
            "10",
            protocol,
            "-w",
            "\n%{http_code} %{http_version}",
            "-H",
            &format!("Authorization: Bearer {token}"),
        ]);
        command.args([
            "-H",
            expect,
            "--data-binary",
            "a body",
            &format!("http://127.0.0.1:{port}/accounts/1.0.0/accounts"),
        ]);
        let output = command.output().expect("curl is there");
        assert!(
            text(&output.stdout).ends_with(&format!("200 {version}")),
            "{protocol}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    assert_eq!(origin.received().iter().filter(|request| request.body == b"a body").count(), 2);
}
