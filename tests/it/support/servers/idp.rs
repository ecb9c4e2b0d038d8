//! [`Idp`]: real authorization servers in a process of their own, as `tests/idp` runs them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::client::{Client, Protocol};
use crate::support::credentials::basic;

/// All key pairs of all presets on a busy machine.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// The presets that issue tokens as a product does.
pub(crate) const PRODUCTS: [&str; 10] = [
    "wso2is",
    "wso2is7",
    "cognito",
    "auth0",
    "okta",
    "entra-v1",
    "entra-v2",
    "keycloak",
    "pingfederate",
    "generic",
];

/// One process with some of the presets. It ends with this value, and also when the test process dies.
pub(crate) struct Idp {
    process: Child,
    presets: HashMap<String, Preset>,
}

/// Where one preset is, as its ready line says.
#[derive(Debug, Deserialize)]
struct Preset {
    name: String,
    issuer: String,
    base: String,
    well_known: String,
    jwks: String,
    token: String,
    introspection: Option<String>,
    registration: Option<String>,
    client: MainClient,
    ca: Option<String>,
}

#[derive(Debug, Deserialize)]
struct MainClient {
    id: String,
    secret: String,
    scope: Option<String>,
    method: String,
}

impl Idp {
    /// A process of its own, for tests that rotate keys or break endpoints.
    pub(crate) async fn start(presets: &[&str]) -> Idp {
        let names = presets.join(",");
        tokio::task::spawn_blocking(move || launch(&["--presets", &names]))
            .await
            .expect("the authorization server starts")
    }

    /// All presets, started once for the whole test binary. Ask it for tokens only: what one test breaks, all see.
    pub(crate) async fn shared() -> &'static Idp {
        static SHARED: OnceLock<Idp> = OnceLock::new();
        tokio::task::spawn_blocking(|| SHARED.get_or_init(|| launch(&[])))
            .await
            .expect("the authorization server starts")
    }

    pub(crate) fn issuer(&self, preset: &str) -> &str {
        &self.preset(preset).issuer
    }

    pub(crate) fn well_known(&self, preset: &str) -> &str {
        &self.preset(preset).well_known
    }

    pub(crate) fn jwks(&self, preset: &str) -> &str {
        &self.preset(preset).jwks
    }

    /// Where tokens can be asked about, as the client `gateway` with the secret `gateway-secret`.
    pub(crate) fn introspection(&self, preset: &str) -> &str {
        self.preset(preset).introspection.as_deref().expect("a server that can be asked")
    }

    /// The token endpoint.
    pub(crate) fn token_endpoint(&self, preset: &str) -> &str {
        &self.preset(preset).token
    }

    /// Where clients are made.
    pub(crate) fn registration(&self, preset: &str) -> &str {
        self.preset(preset).registration.as_deref().expect("a server that makes clients")
    }

    /// The client that [`Idp::token`] uses: what the gateway knows as the consumer key.
    pub(crate) fn consumer_key(&self, preset: &str) -> &str {
        &self.preset(preset).client.id
    }

    /// PEM of the authority behind a preset that speaks TLS.
    pub(crate) fn ca(&self, preset: &str) -> &str {
        self.preset(preset).ca.as_deref().expect("a preset with TLS")
    }

    /// An access token for the preset's own client with all the scopes that it may have.
    pub(crate) async fn token(&self, preset: &str) -> String {
        let client = &self.preset(preset).client;
        let scope = client.scope.clone().unwrap_or_default();
        self.grant(
            preset,
            (&client.id, &client.secret),
            &[("grant_type", "client_credentials"), ("scope", &scope)],
        )
        .await
    }

    /// An access token for `client` (id and secret) with these scopes, separated by spaces.
    pub(crate) async fn token_for(
        &self,
        preset: &str,
        client: (&str, &str),
        scopes: &str,
    ) -> String {
        self.grant(preset, client, &[("grant_type", "client_credentials"), ("scope", scopes)]).await
    }

    /// An access token by any grant: `form` goes to the token endpoint.
    pub(crate) async fn grant(
        &self,
        preset: &str,
        (id, secret): (&str, &str),
        form: &[(&str, &str)],
    ) -> String {
        let Preset { token, client, .. } = self.preset(preset);
        let mut form: Vec<(&str, &str)> =
            form.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        let mut request =
            Request::post(token).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if client.id == id && client.method == "client_secret_post" {
            form.extend([("client_id", id), ("client_secret", secret)]);
        } else {
            request = request.header(AUTHORIZATION, basic(id, secret));
        }
        let request = request.body(Bytes::from(urlencoded(&form))).expect("a request");
        let answer = self.ask(preset, request).await;
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token from {preset}: {answer}"))
            .to_owned()
    }

    /// Changes the preset's keys: `overlap`, `replace`, `same-kid`, `prepublish`, `promote` or `retire`.
    pub(crate) async fn rotate(&self, preset: &str, mode: &str) {
        self.control(Method::POST, preset, &format!("rotate?mode={mode}"), Value::Null).await;
    }

    /// Breaks an endpoint as `tests/idp/README.md` tells, for example `{"route": "jwks", "status": 503, "times": 1}`.
    pub(crate) async fn fault(&self, preset: &str, fault: Value) {
        self.control(Method::POST, preset, "fault", fault).await;
    }

    /// Heals an endpoint.
    pub(crate) async fn heal(&self, preset: &str, route: &str) {
        self.fault(preset, json!({ "route": route, "clear": true })).await;
    }

    /// Requests seen per endpoint since the start.
    pub(crate) async fn stats(&self, preset: &str) -> BTreeMap<String, u64> {
        let mut all = self.control(Method::GET, preset, "stats", Value::Null).await;
        serde_json::from_value(all[preset].take()).expect("counts")
    }

    fn preset(&self, name: &str) -> &Preset {
        self.presets.get(name).unwrap_or_else(|| panic!("preset {name} was not started"))
    }

    async fn control(&self, method: Method, preset: &str, call: &str, body: Value) -> Value {
        let separator = if call.contains('?') { '&' } else { '?' };
        let url = format!("{}/__{call}{separator}instance={preset}", self.preset(preset).base);
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.ask(preset, Request::builder().method(method).uri(url).body(body).expect("a request"))
            .await
    }

    async fn ask(&self, preset: &str, request: Request<Bytes>) -> Value {
        let client = match &self.preset(preset).ca {
            Some(ca) => Client::tls(Protocol::Http1, ca),
            None => Client::plain(Protocol::Http1),
        };
        let response = client.send(request).await.expect("the authorization server answers");
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert!(response.status().is_success(), "{preset}: {} {body}", response.status());
        serde_json::from_str(&body).expect("JSON")
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        // already gone is as good
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(arguments: &[&str]) -> Idp {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idp");
    install(&folder);
    let mut process = Command::new("node")
        .arg("server.mjs")
        .args(arguments)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs; tests/run installs it");
    let lines = lines_of(process.stdout.take().expect("a piped output"));
    let mut idp = Idp { process, presets: HashMap::new() };
    loop {
        let line = lines
            .recv_timeout(START_DEADLINE)
            .expect("the authorization server gets ready; its errors are above");
        let said: Value = serde_json::from_str(&line).expect("a JSON line");
        if said["event"] == "all_ready" {
            return idp;
        }
        let preset: Preset = serde_json::from_value(said).expect("a ready line");
        idp.presets.insert(preset.name.clone(), preset);
    }
}

fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

/// Once per checkout, whichever of several test processes comes first.
fn install(folder: &Path) {
    // npm writes it when everything else is in place
    let finished = folder.join("node_modules/.package-lock.json");
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("idp-install.lock"))
        .expect("a lock file");
    lock.lock().expect("the lock");
    if finished.exists() {
        return;
    }
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .status()
        .expect("npm runs; tests/run installs it");
    assert!(status.success(), "npm ci failed in tests/idp");
}

pub(crate) fn urlencoded(form: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    form.iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}
