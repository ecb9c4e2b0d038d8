//! The gateway as a process, and callers of its REST API.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::processors;

pub(crate) const ISSUER: &str = "https://is.example";

pub(crate) const ADMINISTRATOR: &str = "admin";

/// The real binary in a process of its own.
pub(crate) struct Running {
    process: Child,
    pub(crate) port: u16,
    pub(crate) management: u16,
    pub(crate) ready_after: f64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a gateway is started with.
#[derive(Clone)]
pub(crate) struct Starting<'s> {
    pub(crate) folder: PathBuf,
    pub(crate) applications: Applications<'s>,
    /// The key set of its key manager.
    pub(crate) keys: &'s str,
    /// The port of the API's backend.
    pub(crate) backend: u16,
    /// The number of applications that it must have.
    pub(crate) count: u32,
    pub(crate) cores: Cores,
}

/// The processors that a gateway runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    All,
    /// The first one, with one worker; see [`crate::processors`].
    First,
}

/// The place of the applications.
#[derive(Clone, Copy)]
pub(crate) enum Applications<'s> {
    File,
    Sqlite,
    /// Lines of `[store]`.
    Postgres(&'s str),
}

impl Starting<'_> {
    pub(crate) async fn start(self) -> Running {
        let (port, management) = (free_port(), free_port());
        let Self { folder, keys, count, .. } = &self;
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("keys.json"), keys).expect("written");
        fs::write(folder.join("gateway.toml"), self.file(port, management)).expect("written");
        let began = Instant::now();
        let process = match self.cores {
            Cores::All => Command::new(env!("CARGO_BIN_EXE_portcullis")),
            Cores::First => processors::on_the_first(env!("CARGO_BIN_EXE_portcullis")),
        }
        .current_dir(folder)
        .arg("run")
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).expect("a log"))
        .spawn()
        .expect("the gateway starts");
        let mut running = Running { process, port, management, ready_after: 0.0 };
        let wanted = format!("portcullis_applications {count}");
        while !is_ready(management).await {
            assert!(began.elapsed() < Duration::from_mins(5), "{}", log(folder));
            assert!(running.process.try_wait().expect("a process").is_none(), "{}", log(folder));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running.ready_after = began.elapsed().as_secs_f64();
        assert!(running.metrics().await.contains(&wanted), "{wanted}: {}", log(folder));
        running
    }

    fn file(&self, port: u16, management: u16) -> String {
        let Self { folder, applications, backend, .. } = self;
        let workers = if self.cores == Cores::First { "workers = 1" } else { "" };
        let name = folder.file_name().unwrap_or_default().display();
        let hash = hash();
        let users = format!(
            "users = [{{ name = \"dev-0\", password_hash = \"{hash}\", roles = [\"developer\"] }},
                {{ name = \"admin\", password_hash = \"{hash}\", roles = [\"admin\"] }}]"
        );
        let (files, users, store) = match applications {
            Applications::File => ("application_files = [\"applications.jsonl\"]", "", ""),
            Applications::Sqlite => ("", users.as_str(), ""),
            Applications::Postgres(store) => ("", users.as_str(), *store),
        };
        format!(
            r#"{files}
[gateway]
name = "{name}"
state_dir = "state"
{workers}
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
[management]
address = "127.0.0.1:{management}"
{users}
{store}
[[key_managers]]
name = "is"
issuer = "{ISSUER}"
certificates = {{ jwks_file = "keys.json" }}
consumer_key_claim = "client_id"
[[apis]]
name = "orders"
version = "1.0.0"
context = "/orders"
production = {{ urls = ["http://127.0.0.1:{backend}"] }}
operations = [{{ method = "GET", path = "/*" }}]
"#
        )
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

async fn is_ready(management: u16) -> bool {
    match Caller::open(management, ADMINISTRATOR).await {
        Some(mut caller) => caller.call("GET /readyz", &Value::Null).await.0 == 200,
        None => false,
    }
}

/// The hash of "secret", with little work.
fn hash() -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let params = argon2::Params::new(8, 1, 1, None).expect("parameters");
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt = SaltString::encode_b64(b"somesaltsomesalt").expect("a salt");
    hasher.hash_password(b"secret", &salt).expect("a hash").to_string()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Running {
    pub(crate) async fn metrics(&self) -> String {
        self.caller(ADMINISTRATOR).await.call("GET /metrics", &Value::Null).await.1
    }

    /// The revision of the store that is in force.
    pub(crate) async fn revision(&self) -> u64 {
        let metrics = self.metrics().await;
        let mut lines = metrics.lines();
        let revision = lines.find_map(|line| line.strip_prefix("portcullis_store_revision "));
        revision.and_then(|text| text.trim().parse().ok()).expect("a revision")
    }

    /// MiB in memory.
    pub(crate) fn resident(&self) -> u64 {
        const PAGES_IN_MIB: u64 = 256;
        let path = format!("/proc/{}/statm", self.process.id());
        let pages = fs::read_to_string(path).expect("Linux");
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("a number") / PAGES_IN_MIB
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) async fn caller(&self, user: &'static str) -> Caller {
        Caller::open(self.management, user).await.expect("the gateway listens")
    }
}

/// A user with one connection.
pub(crate) struct Caller {
    pub(crate) user: &'static str,
    sender: SendRequest<Full<Bytes>>,
}

impl Caller {
    async fn open(management: u16, user: &'static str) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", management)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
        #[allow(clippy::disallowed_methods, reason = "ends with its connection")]
        tokio::spawn(connection);
        Some(Self { user, sender })
    }

    pub(crate) async fn call(&mut self, line: &str, body: &Value) -> (u16, String) {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let mut request =
            Request::builder().method(method).uri(path).header("host", "localhost").header(
                "authorization",
                format!("Basic {}", STANDARD.encode(format!("{}:secret", self.user))),
            );
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = request.body(Full::new(body)).expect("a request");
        self.sender.ready().await.expect("a connection");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A call that must succeed, with its time in milliseconds.
    pub(crate) async fn timed(&mut self, line: &str, body: &Value) -> (f64, Value) {
        let began = Instant::now();
        let (status, said) = self.call(line, body).await;
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert!((200..300).contains(&status), "{line}: {status} {said}");
        (took, serde_json::from_str(&said).unwrap_or(Value::Null))
    }
}
