//! A clock that jumps, two hours forward and back: nothing is un-revoked, nobody is locked out, nothing lives on.
//!
//! The real binary runs under libfaketime, which moves the time of day and leaves the monotonic time alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

use crate::support::bank::{self, ISSUER};
use crate::support::client::{Client, Protocol};
use crate::support::config::{Config, api, application};
use crate::support::free_port::free_port;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};
use crate::support::{DEADLINE, within};

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// The library of the Debian package libfaketime, for programs with threads.
fn library() -> PathBuf {
    let candidates = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|name| PathBuf::from(format!("/usr/lib/{name}/faketime/libfaketimeMT.so.1")));
    let found = candidates.into_iter().find(|path| path.exists());
    found.expect("libfaketime of the package faketime")
}

/// A gateway of its own process, whose time of day is set by a file.
struct Gateway {
    folder: tempfile::TempDir,
    signer: Signer,
    _backend: Origin,
    port: u16,
    management: u16,
    child: Option<Child>,
}

impl Gateway {
    /// With a changed file of the bank, at this distance from the real time.
    async fn start(change: impl FnOnce(Config) -> Config, distance: &str) -> Gateway {
        let (port, management) = (free_port(), free_port());
        let (backend, signer) = (Origin::start(), Signer::new("key-1"));
        let folder = tempfile::tempdir().unwrap();
        change(bank::config(&backend.url(), &backend.url(), &signer))
            .listener(&format!("address = \"127.0.0.1:{port}\""))
            .management(&format!("address = \"127.0.0.1:{management}\""))
            .write_to(folder.path());
        let mut gateway =
            Gateway { folder, signer, _backend: backend, port, management, child: None };
        gateway.set_clock(distance);
        gateway.run().await;
        gateway
    }

    async fn run(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .current_dir(self.folder.path())
            .arg("run")
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", self.folder.path().join("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.path().join("log")).unwrap());
        self.child = Some(command.spawn().unwrap());
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
            || std::net::TcpStream::connect(("127.0.0.1", self.management)).is_err()
        {
            assert!(started.elapsed() < DEADLINE, "nobody listens: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn restart(&mut self) {
        let mut child = self.child.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < DEADLINE, "the program does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.run().await;
    }

    /// Sets the time of day of the process this far from the real one.
    fn set_clock(&self, distance: &str) {
        let path = self.folder.path().join("clock");
        let new = path.with_extension("new");
        std::fs::write(&new, format!("{distance}\n")).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        within("an answer", Client::plain(Protocol::Http1).send(request)).await.expect("an answer")
    }

    async fn status(&self, path: &str, token: &str) -> u16 {
        let request = Request::get(format!("http://127.0.0.1:{}{path}", self.port))
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
    }

    /// Waits until a request with a token that is made anew each time is answered so.
    async fn becomes(&self, path: &str, wanted: u16, token: impl Fn(usize) -> String) {
        let started = Instant::now();
        for turn in 0.. {
            let status = self.status(path, &token(turn)).await;
            if status == wanted {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "still {status}, not {wanted}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn revoke(&self, token: &str) {
        let call = json!({ "token": token }).to_string();
        let request = Request::post(format!("http://127.0.0.1:{}/revocations", self.management));
        assert_eq!(self.send(request.body(call.into()).unwrap()).await.status(), 200);
    }

    async fn metrics(&self) -> String {
        let request = Request::get(format!("http://127.0.0.1:{}/metrics", self.management));
        let answer = self.send(request.body(Bytes::new()).unwrap()).await;
        String::from_utf8_lossy(answer.body()).into_owned()
    }

    async fn metric_becomes(&self, line: &str) {
        let started = Instant::now();
        while !self.metrics().await.lines().any(|found| found == line) {
            assert!(started.elapsed() < DEADLINE, "never {line}: {}", self.metrics().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a jump was noticed. A reading in the midst of it makes two of one.
    async fn jumped(&self, direction: &str) {
        let none = format!("portcullis_clock_jumps_total{{direction=\"{direction}\"}} 0");
        let started = Instant::now();
        while self.metrics().await.lines().any(|found| found == none) {
            assert!(started.elapsed() < DEADLINE, "no jump {direction}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn token(&self, id: &str, seconds: u64) -> String {
        token(&self.signer, id, seconds)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn token(signer: &Signer, id: &str, seconds: u64) -> String {
    let mut claims = claims(ISSUER, "good", "accounts:read");
    claims["jti"] = json!(id);
    claims["exp"] = json!(jsonwebtoken::get_current_timestamp() + seconds);
    signer.sign(&claims)
}

#[tokio::test]
async fn a_revoked_token_stays_revoked() {
    let mut gateway = Gateway::start(|config| config, "+0s").await;
    let token = gateway.token("one", 3600);
    assert_eq!(gateway.status(PATH, &token).await, 200);
    gateway.revoke(&token).await;
    assert_eq!(gateway.status(PATH, &token).await, 401);
    gateway.set_clock("+2h");
    gateway.jumped("forward").await;
    // whatever has expired is forgotten at a start
    gateway.restart().await;
    assert_eq!(gateway.status(PATH, &token).await, 401, "expired");
    gateway.set_clock("+0s");
    gateway.jumped("back").await;
    assert_eq!(gateway.status(PATH, &token).await, 401, "revoked");
    assert_eq!(gateway.status(PATH, &gateway.token("two", 3600)).await, 200);
    let log = gateway.log();
    assert!(log.contains("the system's clock jumped") && log.contains("seconds"), "{log}");
}

#[tokio::test]
async fn budgets_recover_and_caches_end_in_time() {
    let exp = jsonwebtoken::get_current_timestamp() + 36_000;
    let answer = json!({ "active": true, "client_id": "app-key", "exp": exp }).to_string();
    let server =
        Origin::serving(Script::answer(200, &[("Content-Type", "application/json")], answer));
    let lines = "type = \"WSO2-IS-7\"\nintrospection_cache = \"1s\"";
    let asked = api("asked:1").to(&server.url()).lines("key_managers = [\"opaque\"]");
    let app = application("app-of-opaque").key("opaque", "app-key").subscribed("asked:1");
    let limits =
        "[limits]\nmax_forged_tokens = 60\nunknown_tokens = { requests = 2, per = \"1s\" }";
    let change = |config: Config| {
        let config = config.asking("opaque", &server.url(), lines).tables(limits);
        config.api(asked).application(app)
    };
    let gateway = Gateway::start(change, "+2h").await;
    assert_eq!(gateway.status("/asked/1/x", "vouched").await, 200);
    server.always(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        r#"{"active":false}"#,
    ));
    let forger = Signer::new("key-1");
    gateway.becomes(PATH, 429, |turn| token(&forger, &format!("f-{turn}"), 36_000)).await;
    gateway.becomes("/asked/1/x", 429, |turn| format!("garbage-{turn}")).await;
    gateway.set_clock("+0s");
    gateway.becomes("/asked/1/x", 401, |_| "vouched".to_owned()).await;
    gateway.becomes("/asked/1/x", 401, |turn| format!("more-{turn}")).await;
    gateway.becomes(PATH, 200, |turn| gateway.token(&format!("g-{turn}"), 36_000)).await;
}

#[tokio::test]
async fn a_quota_holds_whatever_the_clock_does() {
    let counted = |config: Config, name: &str, per: &str| {
        let policy = format!(
            "[[throttling_policies]]\nname = \"{name}\"\nlevel = \"advanced\"\n\
             requests = 2\nper = \"{per}\""
        );
        let api = api(&format!("{name}:1")).to("http://127.0.0.1:9").without_subscription();
        config.tables(&policy).api(api.lines(&format!("policy = \"{name}\"")))
    };
    let both = |config| counted(counted(config, "hour", "1h"), "day", "1d");
    let gateway = Gateway::start(both, "+0s").await;
    let mut claims = claims(ISSUER, "good", "accounts:read");
    let now = jsonwebtoken::get_current_timestamp();
    claims["iat"] = json!(now - 10_000);
    claims["exp"] = json!(now + 200_000);
    let token = gateway.signer.sign(&claims);
    let statuses =
        async |path: &str| [gateway.status(path, &token).await, gateway.status(path, &token).await];
    // nobody listens there: a request that is let through is answered 502 or 503
    let passed = |status: &u16| [502, 503].contains(status);
    for path in ["/hour/1/x", "/day/1/x"] {
        let found = statuses(path).await;
        assert!(found.iter().all(passed), "{path}: {found:?}");
        assert_eq!(statuses(path).await, [429, 429], "{path}");
    }
    gateway.set_clock("-1h");
    gateway.jumped("back").await;
    assert_eq!(statuses("/hour/1/x").await, [429, 429]);
    assert_eq!(statuses("/day/1/x").await, [429, 429]);
    gateway.set_clock("+26h");
    gateway.jumped("forward").await;
    assert_eq!(statuses("/hour/1/x").await, [429, 429], "an hour has not passed");
    let another_day = statuses("/day/1/x").await;
    assert!(another_day.iter().all(passed), "{another_day:?}");
    assert_eq!(statuses("/day/1/x").await, [429, 429]);
}

#[tokio::test]
async fn one_wrong_clock_does_not_empty_what_gateways_share() {
    let redis = Redis::start();
    let table = format!("[revocation]\nchannel = \"{}\"", redis.address(""));
    let channel = |config: Config| config.tables(&table);
    let right = Gateway::start(channel, "+0s").await;
    right.metric_becomes("portcullis_revocation_channel_up 1").await;
    let token = right.token("shared", 3600);
    right.revoke(&token).await;
    right.metric_becomes("portcullis_revocation_channel_published_total 1").await;
    let wrong = Gateway::start(channel, "+3650d").await;
    wrong.metric_becomes("portcullis_revocation_channel_up 1").await;
    let held = redis.call("ZCARD {portcullis}:revocations").unwrap();
    assert_eq!(held, redis::Value::Int(1));
    assert!(wrong.log().contains("differ by more than a minute"), "{}", wrong.log());
    // a gateway that comes later still learns of it
    let late = Gateway::start(channel, "+0s").await;
    std::fs::write(late.folder().join("keys.json"), right.signer.jwks()).unwrap();
    late.metric_becomes("portcullis_revocation_channel_up 1").await;
    late.metric_becomes("portcullis_revocations{kind=\"token\"} 1").await;
}
