//! [`Canaille`]: a second authorization server, of other authors, in another language, on other libraries.
//!
//! Applications have a client each: `app-rsa` and `app-eddsa` get signed tokens by password, whose only client is their
//! `aud`; `app-opaque` gets opaque ones, about which the client `gateway` may ask.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::sync::OnceCell;

use crate::support::client::{Client, Protocol};
use crate::support::credentials::basic;
use crate::support::idp::urlencoded;

/// One process; it ends with this value, and also when the test process dies.
pub(crate) struct Canaille {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
    /// Keeps the port while the server is away.
    _held: Socket,
    /// An initial access token, with which one client can be registered.
    pub(crate) initial: String,
}

/// The question for a signed token of Alice's.
const SIGNED: [(&str, &str); 4] = [
    ("grant_type", "password"),
    ("username", "alice"),
    ("password", "correct horse battery"),
    ("scope", "openid read"),
];

/// One key of each kind: RSA in PEM, Ed25519 as a JWK.
pub(crate) struct Keys([Value; 2]);

impl Keys {
    pub(crate) fn new() -> Keys {
        let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key").serialize_pem();
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).expect("randomness");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
        let (x, d) = (URL_SAFE_NO_PAD.encode(pair.public_key()), URL_SAFE_NO_PAD.encode(seed));
        Keys([json!(rsa), json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": d })])
    }
}

impl Canaille {
    pub(crate) async fn start(active: &Keys) -> Canaille {
        let folder = tempfile::tempdir().expect("a folder");
        let (held, port) = held_port();
        let settings = settings(&folder, port, &[active], &[]);
        let (process, initial) =
            tokio::task::spawn_blocking(move || launch(&settings)).await.expect("Canaille starts");
        Canaille { folder, process, port, _held: held, initial }
    }

    /// One for all tests that change nothing of it.
    pub(crate) async fn shared() -> &'static Canaille {
        static SHARED: OnceCell<Canaille> = OnceCell::const_new();
        SHARED.get_or_init(async || Canaille::start(&Keys::new()).await).await
    }

    /// The same server with other keys: operators change its configuration and start it anew.
    pub(crate) async fn rotate(&mut self, active: &[&Keys], inactive: &[&Keys]) {
        self.stop();
        let settings = settings(&self.folder, self.port, active, inactive);
        (self.process, self.initial) = tokio::task::spawn_blocking(move || launch(&settings))
            .await
            .expect("Canaille starts again");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn well_known(&self) -> String {
        self.url("/.well-known/openid-configuration")
    }

    /// A signed token of Alice's for this client.
    pub(crate) async fn signed(&self, client: &str) -> String {
        self.token(client, &SIGNED).await
    }

    /// The same for a client with this secret: the status and what the server says.
    pub(crate) async fn signed_for(&self, client: &str, secret: &str) -> (u16, Value) {
        // registered clients can have standard scopes only
        let form = SIGNED.map(|(name, value)| match name {
            "scope" => (name, "openid"),
            _ => (name, value),
        });
        let answer = self.ask((client, secret), "/oauth/token", &form).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    pub(crate) async fn opaque(&self) -> String {
        self.token("app-opaque", &[("grant_type", "client_credentials"), ("scope", "read")]).await
    }

    pub(crate) async fn revoke(&self, client: &str, token: &str) {
        self.post(client, "/oauth/revoke", &[("token", token)]).await;
    }

    async fn token(&self, client: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(client, "/oauth/token", form).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    async fn post(&self, client: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let response = self.ask((client, "app-secret"), path, form).await;
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert!(response.status().is_success(), "{path}: {} {body}", response.status());
        serde_json::from_str(&body).unwrap_or_default()
    }

    async fn ask(
        &self,
        (client, secret): (&str, &str),
        path: &str,
        form: &[(&str, &str)],
    ) -> Response<Bytes> {
        let request = Request::post(self.url(path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, basic(client, secret))
            .body(Bytes::from(urlencoded(form)))
            .expect("a request");
        Client::plain(Protocol::Http1).send(request).await.expect("Canaille answers")
    }

    fn stop(&mut self) {
        // already gone is as good
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Canaille {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port at which another socket can listen, while nobody else is given it.
fn held_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    (socket, address.expect("an address").port())
}

fn settings(folder: &tempfile::TempDir, port: u16, active: &[&Keys], inactive: &[&Keys]) -> Value {
    let list =
        |keys: &[&Keys]| keys.iter().flat_map(|keys| keys.0.iter().cloned()).collect::<Vec<_>>();
    json!({ "port": port, "database": folder.path().join("canaille.sqlite"), "active": list(active), "inactive": list(inactive) })
}

fn launch(settings: &Value) -> (Child, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    install(root);
    let log = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("canaille.log"))
        .expect("a log file");
    let mut process = Command::new(root.join("target/canaille/bin/python"))
        .arg(root.join("tests/canaille/serve.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("Python runs");
    writeln!(process.stdin.as_mut().expect("a piped input"), "{settings}").expect("it listens");
    let mut ready = String::new();
    BufReader::new(process.stdout.take().expect("a piped output"))
        .read_line(&mut ready)
        .expect("a line");
    let ready: Value =
        serde_json::from_str(&ready).expect("Canaille gets ready; its errors are in canaille.log");
    let initial = ready["initial"].as_str().expect("an initial access token").to_owned();
    (process, initial)
}

/// Once per checkout, whichever of several test processes comes first.
fn install(root: &Path) {
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("canaille-install.lock"))
        .expect("a lock file");
    lock.lock().expect("the lock");
    let status = Command::new("bash")
        .arg(root.join("tests/canaille/install"))
        .stdin(Stdio::null())
        .status()
        .expect("bash runs");
    assert!(status.success(), "tests/canaille/install failed");
}
