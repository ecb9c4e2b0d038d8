//! [`Redis`]: a real server on a free port, which can be killed, started again and paused.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use redis::{Client, Connection, RedisResult, cmd};

use crate::support::DEADLINE;
use crate::support::free_port::free_port;

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

    /// A copy of another server.
    pub(crate) fn replica_of(primary: &Redis) -> Redis {
        let port = primary.port.to_string();
        Redis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"], "")
    }

    /// A sentinel that knows a primary server as "main", and alone decides on failovers.
    pub(crate) fn sentinel_of(primary: &Redis) -> Redis {
        let port = primary.port;
        let mut sentinel = Redis::prepared(&["--sentinel"], "");
        let lines = [
            format!("port {}", sentinel.port),
            "bind 127.0.0.1".to_owned(),
            format!("sentinel monitor main 127.0.0.1 {port} 1"),
            "sentinel down-after-milliseconds main 500".to_owned(),
            "sentinel failover-timeout main 5000".to_owned(),
        ];
        std::fs::write(sentinel.folder.path().join("sentinel.conf"), lines.join("\n"))
            .expect("written");
        sentinel.run();
        sentinel
    }

    /// A server of a cluster that has no slots yet.
    pub(crate) fn of_cluster() -> Redis {
        let bus = free_port().to_string();
        let options =
            ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
        Redis::with(&options, "")
    }

    /// With more options, and `user:password@` for the tests' own calls.
    pub(crate) fn with(options: &[&str], login: &str) -> Redis {
        let mut redis = Redis::prepared(options, login);
        redis.run();
        redis
    }

    fn prepared(options: &[&str], login: &str) -> Redis {
        let port = free_port();
        let options = options.iter().map(ToString::to_string).collect();
        Redis {
            child: None,
            port,
            folder: tempfile::tempdir().expect("a folder"),
            options,
            login: login.to_owned(),
        }
    }

    /// Runs it, with nothing in it: it keeps no data on the disk.
    pub(crate) fn run(&mut self) {
        let tls = self.options.iter().any(|option| option == "--tls-port");
        let port = if tls { "0".to_owned() } else { self.port.to_string() };
        let mut command = Command::new("redis-server");
        if self.options.iter().any(|option| option == "--sentinel") {
            command.arg(self.folder.path().join("sentinel.conf"));
        } else {
            let options =
                ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
            command.args(options).arg("--dir").arg(self.folder.path());
        }
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
