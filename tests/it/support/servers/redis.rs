//! [`Redis`]: a real server on a free port, which can be killed, started again and paused.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use redis::{Client, Connection, RedisResult, cmd};

use crate::support::DEADLINE;

/// Ends with its owner, by its process id.
pub(crate) struct Redis {
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
    /// What the tests themselves log in with.
    login: String,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        Redis::with(&[], "")
    }

    /// With more options, and `user:password@` for the tests' own calls.
    pub(crate) fn with(options: &[&str], login: &str) -> Redis {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .expect("a port")
            .local_addr()
            .expect("an address")
            .port();
        let options = options.iter().map(ToString::to_string).collect();
        let mut redis = Redis {
            child: None,
            port,
            folder: tempfile::tempdir().expect("a folder"),
            options,
            login: login.to_owned(),
        };
        redis.run();
        redis
    }

    /// Runs it, with nothing in it: it keeps no data on the disk.
    pub(crate) fn run(&mut self) {
        let tls = self.options.iter().any(|option| option == "--tls-port");
        let port = if tls { "0".to_owned() } else { self.port.to_string() };
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(self.folder.path());
        command
            .args(self.options.iter().map(|option| option.replace("PORT", &self.port.to_string())));
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("redis-server of the package redis-server"));
        let started = Instant::now();
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(started.elapsed() < DEADLINE, "redis-server never listens");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// With this in front of the host.
    pub(crate) fn address(&self, login: &str) -> String {
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    pub(crate) fn connection(&self, database: u16) -> Connection {
        let address = format!("{}/{database}", self.address(&self.login));
        Client::open(address).expect("an address").get_connection().expect("a connection")
    }

    /// Runs a command, its words separated by blanks.
    pub(crate) fn call(&self, words: &str) -> RedisResult<redis::Value> {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().expect("a command"));
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connection(0))
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("a running server").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
