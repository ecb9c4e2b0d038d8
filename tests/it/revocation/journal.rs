//! What was revoked survives what happens to a process and to a disk: kills in the middle of a write, and no room left.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::bank;
use crate::support::free_port::free_port;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

/// The real program, which is killed or ended by its id.
pub(crate) struct Program {
    child: Child,
    management: u16,
}

impl Program {
    /// With a limit on the size of its files, in the shell's blocks.
    fn run(folder: &Path, limit: Option<u32>, management: u16, log: Stdio) -> Program {
        let limit = limit.map_or_else(String::new, |blocks| format!("ulimit -S -f {blocks}; "));
        // without the signal, a write beyond the limit fails as on a full disk
        let line = format!("trap '' XFSZ; {limit}exec \"$0\" run");
        let mut command = Command::new("sh");
        command.current_dir(folder).args(["-c", &line, env!("CARGO_BIN_EXE_portcullis")]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut program = Program { child, management };
        let started = Instant::now();
        while program.get("/readyz").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            assert!(
                started.elapsed() < DEADLINE && program.child.try_wait().unwrap().is_none(),
                "never ready"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        program
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> Option<String> {
        exchange(
            self.management,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        )
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn exchange(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The answer's status; `None` where there was no whole answer.
pub(crate) fn revoke(management: u16, id: &str) -> Option<u16> {
    let body = format!("{{\"jti\":\"{id}\",\"key_manager\":\"bank-is\"}}");
    let head = format!(
        "POST /revocations HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(management, &format!("{head}{body}"))?.get(9..12)?.parse().ok()
}

pub(crate) fn status(port: u16, token: &str) -> u16 {
    let head = format!(
        "GET /accounts/1.0.0/accounts/42 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    exchange(port, &head).unwrap()[9..12].parse().unwrap()
}

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    signer: Signer,
    _backend: Origin,
    pub(crate) port: u16,
    pub(crate) management: u16,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let (folder, signer, backend, port, management) = (
            tempfile::tempdir().unwrap(),
            Signer::new("key-1"),
            Origin::start(),
            free_port(),
            free_port(),
        );
        bank::config(&backend.url(), &backend.url(), &signer)
            .gateway("workers = 1")
            .listener(&format!("address = \"127.0.0.1:{port}\""))
            .management(&format!("address = \"127.0.0.1:{management}\""))
            .write_to(folder.path());
        Stage { folder, signer, _backend: backend, port, management }
    }

    pub(crate) fn run(&self, limit: Option<u32>) -> Program {
        Program::run(self.folder.path(), limit, self.management, Stdio::null())
    }

    /// With the operators' log in a file.
    pub(crate) fn run_logging(&self, log: &Path) -> Program {
        let log = std::fs::File::create(log).unwrap();
        Program::run(self.folder.path(), None, self.management, log.into())
    }

    pub(crate) fn token(&self, id: &str) -> String {
        let mut claims = claims(bank::ISSUER, "good", "accounts:read");
        claims["jti"] = id.into();
        self.signer.sign(&claims)
    }

    fn length(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("state/revocations")).unwrap().len()
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered() {
    let stage = Stage::new();
    let next = AtomicUsize::new(0);
    for round in 0..3_u64 {
        let program = stage.run(None);
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let told = std::thread::scope(|scope| {
            let teller = || {
                let mut told = Vec::new();
                let began = Instant::now();
                while !stop.load(Ordering::Relaxed) && began.elapsed() < DEADLINE {
                    let id = format!("id-{}", next.fetch_add(1, Ordering::Relaxed));
                    if revoke(stage.management, &id) == Some(200) {
                        answered.fetch_add(1, Ordering::Relaxed);
                        told.push(id);
                    }
                }
                told
            };
            let tellers: Vec<_> = (0..4).map(|_| scope.spawn(teller)).collect();
            let started = Instant::now();
            while answered.load(Ordering::Relaxed) < 30 {
                assert!(started.elapsed() < DEADLINE);
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(777 * round));
            program.kill();
            stop.store(true, Ordering::Relaxed);
            tellers.into_iter().flat_map(|teller| teller.join().unwrap()).collect::<Vec<_>>()
        });
        // and what a kill in the middle of a record leaves
        let path = stage.folder.path().join("state/revocations");
        std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(&[0xA7, 0x5E, 0, 99, 0, 0])
            .unwrap();
        let program = stage.run(None);
        for id in &told {
            assert_eq!(status(stage.port, &stage.token(id)), 401, "{id} of round {round}");
        }
        assert_eq!(status(stage.port, &stage.token("another")), 200);
        let metrics = program.get("/metrics").unwrap();
        assert!(metrics.contains("portcullis_revocation_journal_damages_total 0"), "{metrics}");
        program.kill();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_written_before_is_lost() {
    let stage = Stage::new();
    let program = stage.run(Some(4));
    let mut told = Vec::new();
    let refused = loop {
        let id = format!("id-{}", told.len());
        match revoke(stage.management, &id) {
            Some(200) => told.push(id),
            Some(500) => break id,
            other => panic!("{other:?}"),
        }
        assert!(told.len() < 1000, "the disk is never full");
    };
    assert!(told.len() > 10);
    // it holds all the same, whoever was told
    assert_eq!(status(stage.port, &stage.token(&refused)), 401);
    assert_eq!(revoke(stage.management, &refused), Some(500), "told again, it is still not kept");
    assert_eq!(revoke(stage.management, "another"), Some(500));
    assert!(
        program.get("/metrics").unwrap().contains("portcullis_revocation_journal_failures_total 3")
    );
    let kept = stage.length();
    program.kill();
    // a start on a disk that has no room for even what is there
    let program = stage.run(Some(1));
    assert_eq!(stage.length(), kept);
    for id in [&told[0], &told[told.len() - 1]] {
        assert_eq!(status(stage.port, &stage.token(id)), 401);
    }
    assert_eq!(revoke(stage.management, "no room"), Some(500));
    let unlimited = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &program.child.id().to_string()])
        .status()
        .unwrap();
    assert!(unlimited.success());
    assert_eq!(revoke(stage.management, "with room"), Some(200), "there is room again");
    program.kill();
    let _program = stage.run(None);
    for id in told.iter().map(String::as_str).chain(["with room", "no room"]) {
        assert_eq!(status(stage.port, &stage.token(id)), 401, "{id}");
    }
}
