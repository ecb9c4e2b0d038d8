//! [`Program`]: the real binary in a process of its own, on fixed ports, with a file of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use crate::support::DEADLINE;
use crate::support::bank;
use crate::support::client::{Client, Protocol};
use crate::support::config::Config;
use crate::support::free_port::free_port;
use crate::support::signer::{Signer, claims};

/// A command of the binary in this folder, without what the environment of the tests may say.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder).args(arguments);
    for name in ["CONFIG", "TOKEN", "CLIENT_SECRET"] {
        command.env_remove(format!("PORTCULLIS_{name}"));
    }
    command
}

/// Runs that command to its end.
pub(crate) async fn portcullis(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(folder, arguments);
    let run = move || command.output().expect("the program runs");
    tokio::task::spawn_blocking(run).await.expect("an output")
}

/// A folder with a `gateway.toml` of one listener, management and the bank's APIs.
pub(crate) struct Program {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) management: u16,
    pub(crate) port: u16,
    signer: Signer,
    child: Option<Child>,
}

impl Program {
    /// A program that is not started yet; `more` are lines below those of its management.
    pub(crate) fn new(production: &str, more: &str) -> Program {
        Program::of(production, more, |config| config)
    }

    /// With other tables of what the gateway serves.
    pub(crate) fn of(
        production: &str,
        more: &str,
        change: impl FnOnce(Config) -> Config,
    ) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::new("key-1");
        let config = change(bank::config(production, production, &signer));
        config.write_to(folder.path());
        let (port, management) = (free_port(), free_port());
        let text = format!(
            "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:{port}\"\n\
             [management]\naddress = \"127.0.0.1:{management}\"\n{more}\n{}",
            config.served()
        );
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        Program { folder, management, port, signer, child: None }
    }

    /// A good token that may read and write accounts.
    pub(crate) fn token(&self) -> String {
        self.signer.sign(&claims(bank::ISSUER, "good", "accounts:read accounts:write"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the file.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path().join("gateway.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in the file");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Starts `portcullis run`; its standard error goes to `stderr.log`.
    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.path().join("stderr.log")).unwrap();
        self.start_with(Stdio::from(log));
    }

    pub(crate) fn start_with(&mut self, stderr: Stdio) {
        self.start_as(Path::new(env!("CARGO_BIN_EXE_portcullis")), stderr);
    }

    /// Starts it by another name of the binary.
    pub(crate) fn start_as(&mut self, binary: &Path, stderr: Stdio) {
        let mut command = Command::new(binary);
        command.current_dir(self.path()).arg("run").env_remove("PORTCULLIS_CONFIG");
        command.stdout(Stdio::null()).stderr(stderr);
        self.child = Some(command.spawn().unwrap());
    }

    /// Starts it with these limits of open files.
    pub(crate) fn start_limited(&mut self, soft: u32, hard: u32) {
        let log = fs::File::create(self.path().join("stderr.log")).unwrap();
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={soft}:{hard}")).arg(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(self.path()).arg("run").env_remove("PORTCULLIS_CONFIG");
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// What a scrape of it says.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.management);
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let answer = Client::plain(Protocol::Http1).send(request).await.expect("a scrape");
        String::from_utf8(answer.body().to_vec()).expect("text")
    }

    /// Runs another command of the binary in the same folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        command(self.path(), arguments).output().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("stderr.log")).unwrap_or_default()
    }

    /// Waits until the log holds this.
    pub(crate) fn wait_for_log(&self, words: &str) {
        wait_until(&format!("{words:?} in the log"), || self.log().contains(words));
    }

    /// Waits until the gateway answers on its management listener.
    pub(crate) fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while self.command(&["healthcheck"]).status.code() != Some(0) {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.log());
            }
            assert!(started.elapsed() < DEADLINE, "never ready: {}", self.log());
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().unwrap().try_wait().unwrap()
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the process", || {
            status = self.child.as_mut().unwrap().try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is so, at most [`DEADLINE`].
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
