//! The REST API over a store with a million applications: start, memory, lists, and how soon a new client may call. Prints
//! what docs/performance.md shows. `cargo bench --bench provisioning` takes some ten minutes and 4 GiB of disk.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a bench that cannot start says so"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use portcullis::store::{Author, Change, Kind, Record, SqliteStore, Store, Write};
use portcullis::supervise::clock::SystemClock;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;

/// Each with one key and one subscription. The environment's `APPLICATIONS` takes another number.
const APPLICATIONS: u32 = 1_000_000;

const OWNERS: u32 = 1_000;

/// Applications of one transaction while the store is filled.
const AT_ONCE: u32 = 1_000;

/// The key of RFC 7517, appendix A.1: nobody is called with a token here.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

const ADMINISTRATOR: &str = "admin";

/// Owns what [`owner`] gives it.
const DEVELOPER: &str = "dev-0";

const PORTAL: &str = "/api/am/devportal/v3";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test` runs benches too, to see that they start
    let measured = std::env::args().any(|argument| argument == "--bench");
    let wanted = std::env::var("APPLICATIONS").ok().and_then(|text| text.parse().ok());
    let (applications, rounds) =
        if measured { (wanted.unwrap_or(APPLICATIONS), 300) } else { (200, 3) };
    let folder = tempfile::tempdir().expect("a folder");
    let filling = Instant::now();
    fill(folder.path(), applications).await;
    println!("{applications} applications written in {:.0} s", filling.elapsed().as_secs_f64());

    let from_files = start(folder.path(), true, applications).await;
    let of_files = from_files.resident();
    println!("from a file: ready after {:.1} s, {of_files} MiB", from_files.ready_after);
    drop(from_files);
    let from_store = start(folder.path(), false, applications).await;
    let of_store = from_store.resident();
    println!("from the store: ready after {:.1} s, {of_store} MiB", from_store.ready_after);
    println!("memory: {:.2} of that from a file", of_store as f64 / of_files as f64);
    for user in [ADMINISTRATOR, DEVELOPER] {
        lists(&mut from_store.caller(user).await, applications, rounds).await;
    }
    changes(&mut from_store.caller(DEVELOPER).await, rounds).await;
}

async fn fill(folder: &Path, applications: u32) {
    let began = Instant::now();
    fs::create_dir_all(folder.join("state")).expect("a folder");
    let path = folder.join("state/portcullis.db");
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).expect("a store");
    let mut lines = File::create(folder.join("applications.jsonl")).expect("a file");
    for first in (0..applications).step_by(AT_ONCE as usize) {
        let mut changes = Vec::new();
        let mut text = String::new();
        for number in first..(first + AT_ONCE).min(applications) {
            changes.extend(records(number).map(Change::Create));
            writeln!(
                text,
                r#"{{"name":"application-{number:07}","owner":"{}","keys":[{{"type":"production","key_manager":"is","consumer_key":"consumer-{number:07}"}}],"subscriptions":[{{"api":"orders:1.0.0"}}]}}"#,
                owner(number)
            )
            .expect("memory");
        }
        lines.write_all(text.as_bytes()).expect("written");
        let author = Author { name: "bench".to_owned(), address: None };
        let write =
            Write { author, action: "fill", changes, conditions: Vec::new(), notes: Vec::new() };
        store.write(write).await.expect("written");
        let written = (first + AT_ONCE).min(applications);
        if written.is_multiple_of(applications.div_ceil(20)) {
            println!(
                "{written} of {applications} applications written, {:.0} s",
                began.elapsed().as_secs_f64()
            );
        }
    }
}

/// Each owner has one application in a thousand.
fn owner(number: u32) -> String {
    format!("dev-{}", number % OWNERS)
}

/// An application with its key and its subscription.
fn records(number: u32) -> [Record; 3] {
    let (application, name) = (Uuid::new_v4(), format!("application-{number:07}"));
    let object = |value: Value| match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let mut own = Record::new(Kind::Application, application, name.clone());
    let owner = owner(number);
    own.declared = object(json!({ "name": name, "owner": owner, "policy": "Unlimited" }));
    own.owner = Some(owner);
    let consumer_key = format!("consumer-{number:07}");
    let mut key = Record::new(Kind::Key, Uuid::new_v4(), Record::key_name("is", &consumer_key));
    key.place = Some(Record::key_place(application, "is", "production"));
    key.parent = Some(application);
    key.target = Some("is".to_owned());
    key.declared =
        object(json!({ "type": "production", "key_manager": "is", "consumer_key": consumer_key }));
    let subscribed = Record::subscription_name(application, "orders:1.0.0");
    let mut subscription = Record::new(Kind::Subscription, Uuid::new_v4(), subscribed);
    subscription.parent = Some(application);
    subscription.target = Some("orders:1.0.0".to_owned());
    subscription.declared = object(json!({ "api": "orders:1.0.0", "policy": "Unlimited" }));
    [own, key, subscription]
}

/// The real binary in a process of its own.
struct Running {
    process: Child,
    management: u16,
    ready_after: f64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn start(folder: &Path, from_files: bool, applications: u32) -> Running {
    let (port, management) = (free_port(), free_port());
    fs::write(folder.join("keys.json"), KEYS).expect("written");
    fs::write(folder.join("gateway.toml"), file(from_files, port, management)).expect("written");
    let began = Instant::now();
    let process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(folder)
        .arg("run")
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).expect("a log"))
        .spawn()
        .expect("the gateway starts");
    let mut running = Running { process, management, ready_after: 0.0 };
    let wanted = format!("portcullis_applications {applications}");
    while !is_ready(management).await {
        assert!(began.elapsed() < Duration::from_mins(2), "{}", log(folder));
        assert!(running.process.try_wait().expect("a process").is_none(), "{}", log(folder));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.ready_after = began.elapsed().as_secs_f64();
    let (_, metrics) = running.caller(ADMINISTRATOR).await.call("GET /metrics", &Value::Null).await;
    assert!(metrics.contains(&wanted), "{wanted}: {}", log(folder));
    running
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

fn file(from_files: bool, port: u16, management: u16) -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let params = argon2::Params::new(8, 1, 1, None).expect("parameters");
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt = SaltString::encode_b64(b"somesaltsomesalt").expect("a salt");
    let hash = hasher.hash_password(b"secret", &salt).expect("a hash");
    let (applications, users) = if from_files {
        ("application_files = [\"applications.jsonl\"]", String::new())
    } else {
        let user = format!(
            "users = [{{ name = \"dev-0\", password_hash = \"{hash}\", roles = [\"developer\"] }},
                {{ name = \"admin\", password_hash = \"{hash}\", roles = [\"admin\"] }}]"
        );
        ("", user)
    };
    format!(
        r#"{applications}
[gateway]
state_dir = "state"
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
[management]
address = "127.0.0.1:{management}"
{users}
[[key_managers]]
name = "is"
issuer = "https://is.example"
certificates = {{ jwks_file = "keys.json" }}
consumer_key_claim = "client_id"
[[apis]]
name = "orders"
version = "1.0.0"
context = "/orders"
production = {{ urls = ["http://127.0.0.1:9"] }}
operations = [{{ method = "GET", path = "/*" }}]
"#
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Running {
    /// MiB in memory.
    fn resident(&self) -> u64 {
        const PAGES_IN_MIB: u64 = 256;
        let path = format!("/proc/{}/statm", self.process.id());
        let pages = fs::read_to_string(path).expect("Linux");
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("a number") / PAGES_IN_MIB
    }

    async fn caller(&self, user: &'static str) -> Caller {
        Caller::open(self.management, user).await.expect("the gateway listens")
    }
}

/// A user with one connection.
struct Caller {
    user: &'static str,
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

    async fn call(&mut self, line: &str, body: &Value) -> (u16, String) {
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
    async fn timed(&mut self, line: &str, body: &Value) -> (f64, Value) {
        let began = Instant::now();
        let (status, said) = self.call(line, body).await;
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert!((200..300).contains(&status), "{line}: {status} {said}");
        (took, serde_json::from_str(&said).unwrap_or(Value::Null))
    }
}

async fn lists(caller: &mut Caller, applications: u32, rounds: u32) {
    let own = if caller.user == ADMINISTRATOR { applications } else { applications / OWNERS };
    for (what, path) in [
        ("the first 25", "/applications?limit=25"),
        ("the first 1,000", "/applications?limit=1000"),
        ("25 from the middle", "/applications?limit=25&offset=HALF"),
        (
            "25 from the middle, newest first",
            "/applications?sortBy=createdTime&sortOrder=desc&limit=25&offset=HALF",
        ),
        (
            "25 from the end, newest first",
            "/applications?sortBy=createdTime&sortOrder=desc&limit=25&offset=LAST",
        ),
        ("by the beginning of a name", "/applications?query=application-0NUMBER"),
        ("by consumer key", "/applications?consumerKey=consumer-0NUMBER"),
        ("subscriptions of an API", "/subscriptions?apiId=API&limit=25"),
        ("a thousand subscriptions of an API", "/subscriptions?apiId=API&limit=1000"),
    ] {
        let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
        let api = apis["list"][0]["id"].as_str().expect("an API").to_owned();
        let mut times = Vec::new();
        for round in 0..rounds {
            // another one each time, as far as there are
            let number = format!("{:06}", (round * 7_919) % applications.min(1_000_000));
            let path = path
                .replace("HALF", &(own / 2).to_string())
                .replace("LAST", &own.saturating_sub(25).to_string())
                .replace("API", &api)
                .replace("NUMBER", &number);
            times.push(caller.timed(&format!("GET {PORTAL}{path}"), &Value::Null).await.0);
        }
        tell(&format!("{}: {what}", caller.user), times);
    }
}

/// Each change is answered when it is in force.
async fn changes(caller: &mut Caller, rounds: u32) {
    let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
    let (mut mapped, mut subscribed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let body = json!({ "name": format!("new-{round}"), "throttlingPolicy": "Unlimited" });
        let (_, made) = caller.timed(&format!("POST {PORTAL}/applications"), &body).await;
        let application = made["applicationId"].as_str().expect("an id").to_owned();
        let line = format!("POST {PORTAL}/applications/{application}/map-keys");
        let body = json!({ "consumerKey": format!("new-{round}"), "keyType": "PRODUCTION" });
        mapped.push(caller.timed(&line, &body).await.0);
        let body = json!({
            "applicationId": application, "apiId": apis["list"][0]["id"], "throttlingPolicy": "Unlimited",
        });
        subscribed.push(caller.timed(&format!("POST {PORTAL}/subscriptions"), &body).await.0);
    }
    tell("a mapping, from the call until it is in force", mapped);
    tell("a subscription, from the call until it is in force", subscribed);
}

fn tell(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |hundredth: usize| times.get(times.len() * hundredth / 100).copied().unwrap_or(0.0);
    println!("{what}: median {:.1} ms, p99 {:.1} ms", at(50), at(99));
}
