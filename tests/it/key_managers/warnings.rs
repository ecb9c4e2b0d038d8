//! What the gateway tells of a key manager before its tokens are refused, or once they suddenly are.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::support::client::{Client, Protocol};
use crate::support::config::{Config, api, application};
use crate::support::gateway::json as body;
use crate::support::origin::Origin;
use crate::support::program::Program;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims, key_set};

const PATH: &str = "/orders/1.0.0/1";
const ISSUER: &str = "https://as.example";

fn keys(signers: &[&Signer]) -> Script {
    Script::answer(200, &[("Content-Type", "application/jwk-set+json")], key_set(signers))
}

/// Claims with some that are others.
fn with(client: &str, changes: &Value) -> Value {
    let mut claims = claims(ISSUER, client, "");
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn config(jwks: &Origin, backend: &Origin) -> Config {
    let source = format!("issuer = \"{ISSUER}\"\ncertificates = {{ jwks = \"{}\" }}", jwks.url());
    Config::new()
        .key_manager("as", &source)
        .api(api("orders:1.0.0").to(&backend.url()))
        .application(application("app").key("as", "client"))
}

fn rotation(state: &str) -> String {
    format!("portcullis_key_set_rotation_keys{{key_manager=\"as\",state=\"{state}\"}}")
}

#[tokio::test]
async fn a_rotation_is_told_ahead_and_a_key_that_goes_too_early_is_missed() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let gateway = config(&server, &backend).start().await;
    gateway.ready().await;
    let token = |signer: &Signer| signer.sign(&claims(ISSUER, "client", ""));
    let status = async |token: String| gateway.get(PATH, Some(&token)).await.status().as_u16();
    let refresh = async || gateway.management("POST", "/key-managers/as/refresh").await.status();
    let states = async || {
        [
            gateway.metric(&rotation("announced")).await,
            gateway.metric(&rotation("retiring")).await,
            gateway.metric(&rotation("withdrawn")).await,
        ]
    };
    assert_eq!(status(token(&old)).await, 200);
    assert_eq!(states().await, [0, 0, 0], "the first keys announce nothing");

    server.always(keys(&[&old, &new]));
    assert_eq!(refresh().await, 200);
    assert_eq!(states().await, [1, 0, 0], "no token needs the new key yet");
    // the change is not due to how keys are fetched, and outlives a change of that
    let other = config(&server, &backend).top("# nothing else");
    gateway.change(&other).await.unwrap();
    assert_eq!(states().await, [1, 0, 0]);

    assert_eq!(status(token(&new)).await, 200);
    assert_eq!(states().await, [0, 1, 0], "tokens of the old key are still good");

    server.always(keys(&[&new]));
    assert_eq!(refresh().await, 200);
    assert_eq!(states().await, [0, 0, 1], "it is gone too early");
    assert_eq!(status(token(&old)).await, 401);

    server.always(keys(&[&old, &new]));
    assert_eq!(refresh().await, 200);
    assert_eq!(status(token(&old)).await, 200);
    assert_eq!(states().await, [0, 1, 0], "repaired");
}

/// The lead of the issuer's clock that the gateway knows of.
fn lead(metrics: &str) -> Option<i64> {
    let name = "portcullis_issuer_clock_lead_seconds{key_manager=\"as\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn an_issuer_whose_clock_is_ahead_is_told_of_before_its_tokens_are_refused() {
    let (signer, forger) = (Signer::new("one"), Signer::new("one"));
    let (server, backend) = (Origin::serving(keys(&[&signer])), Origin::start());
    let gateway = config(&server, &backend).start().await;
    gateway.ready().await;
    assert_eq!(lead(&gateway.metrics().await), None, "no token was seen");
    let status = async |signer: &Signer, changes: Value| {
        let token = signer.sign(&with("client", &changes));
        gateway.get(PATH, Some(&token)).await.status().as_u16()
    };
    // no test may depend on how long a request takes: a minute is never lost
    let seen = async |seconds: i64| {
        let lead = lead(&gateway.metrics().await);
        assert!(lead.is_some_and(|lead| (seconds - 60..=seconds).contains(&lead)), "{lead:?}");
    };
    let now = jsonwebtoken::get_current_timestamp();
    assert_eq!(status(&signer, json!({ "iat": now - 600 })).await, 200);
    seen(-600).await;
    assert_eq!(status(&forger, json!({ "iat": now + 80_000 })).await, 401);
    seen(-600).await;
    assert_eq!(status(&signer, json!({ "iat": now + 300 })).await, 200, "only the clock is wrong");
    seen(300).await;
    let late = json!({ "iat": now + 900, "nbf": now + 900 });
    assert_eq!(status(&signer, late).await, 401, "beyond the leeway it is refused");
    seen(900).await;
    // an older token does not hide it, and a remembered one is not looked at
    assert_eq!(status(&signer, json!({ "iat": now - 900 })).await, 200);
    seen(900).await;
}

fn judged(reason: &str) -> String {
    format!("portcullis_key_manager_requests_total{{key_manager=\"as\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn refusals_are_counted_by_key_manager_and_reason() {
    let (signer, stranger) = (Signer::new("one"), Signer::new("one"));
    let (server, backend) = (Origin::serving(keys(&[&signer])), Origin::start());
    let orders = api("orders:1.0.0").to(&backend.url());
    let orders = orders.operation("method = \"GET\", path = \"/scoped\", scopes = [\"write\"]");
    let orders = orders.operation("method = \"GET\", path = \"/*\"");
    let source = format!("issuer = \"{ISSUER}\"\ncertificates = {{ jwks = \"{}\" }}", server.url());
    let config = Config::new()
        .key_manager("as", &source)
        .api(orders)
        .application(application("app").key("as", "client"));
    let gateway = config.start().await;
    gateway.ready().await;
    let good = signer.sign(&claims(ISSUER, "client", ""));
    for _ in 0..3 {
        assert_eq!(gateway.get(PATH, Some(&good)).await.status(), 200);
    }
    assert_eq!(gateway.get("/orders/1.0.0/scoped", Some(&good)).await.status(), 403);
    let forged = stranger.sign(&claims(ISSUER, "client", ""));
    assert_eq!(gateway.get(PATH, Some(&forged)).await.status(), 401);
    // nobody's tokens are nobody's refusals
    let foreign = signer.sign(&claims("https://nobody.example", "client", ""));
    assert_eq!(gateway.get(PATH, Some(&foreign)).await.status(), 401);
    assert_eq!(gateway.get(PATH, None).await.status(), 401);
    gateway.metric_becomes(&judged("forwarded"), 3).await;
    gateway.metric_becomes(&judged("insufficient_scope"), 1).await;
    gateway.metric_becomes(&judged("bad_signature"), 1).await;
    let all = "portcullis_key_manager_requests_total{key_manager=\"as\"}";
    assert_eq!(gateway.metric(all).await, 5);
    // the counts outlive a reload
    gateway
        .change(
            &config
                .key_manager(
                    "other",
                    "issuer = \"https://o\"\ncertificates = { jwks_file = \"keys.json\" }",
                )
                .beside("keys.json", signer.jwks()),
        )
        .await
        .unwrap();
    assert_eq!(gateway.metric(all).await, 5);
}

#[tokio::test]
async fn a_consumer_key_of_another_key_manager_is_counted_and_explained() {
    let (signer, other) = (Signer::new("one"), Signer::new("two"));
    let (server, others) = (Origin::serving(keys(&[&signer])), Origin::serving(keys(&[&other])));
    let backend = Origin::start();
    let second =
        format!("issuer = \"https://old\"\ncertificates = {{ jwks = \"{}\" }}", others.url());
    let observed = api("observed:1.0.0").lines("observe = true").to(&backend.url());
    let gateway = config(&server, &backend)
        .key_manager("old server", &second)
        .api(observed)
        .application(application("moved").key("old server", "moved-client"))
        .start()
        .await;
    gateway.ready().await;
    let foreign = "portcullis_foreign_consumer_keys_total{key_manager=\"as\"}";
    assert_eq!(gateway.metric(foreign).await, 0);
    let refused = async |client: &str| -> Response<_> {
        let answer = gateway.get(PATH, Some(&signer.sign(&claims(ISSUER, client, "")))).await;
        assert_eq!(answer.status(), 403, "{:?}", answer.body());
        answer
    };
    refused("nobody").await;
    assert_eq!(gateway.metric(foreign).await, 0, "a key that nobody has is no foreign one");
    let answer = refused("moved-client").await;
    assert_eq!(gateway.metric(foreign).await, 1);
    assert!(!body(&answer).to_string().contains("old server"), "clients hear nothing of it");
    refused("moved-client").await;
    assert_eq!(gateway.metric(foreign).await, 2, "a remembered token counts too");
    // one that is let through all the same
    let token = signer.sign(&claims(ISSUER, "moved-client", ""));
    assert_eq!(gateway.get("/observed/1.0.0/1", Some(&token)).await.status(), 200);
    assert_eq!(gateway.metric(foreign).await, 3);
    let own = "portcullis_foreign_consumer_keys_total{key_manager=\"old server\"}";
    assert_eq!(gateway.metric(own).await, 0);
}

/// The same moment as `date_time_ymd(2090, 1, 1)`.
const NEW_YEAR_2090: u64 = 3_786_912_000;

#[tokio::test]
async fn the_certificate_of_a_server_that_introspects_is_known() {
    let now = jsonwebtoken::get_current_timestamp();
    let answer = json!({ "active": true, "client_id": "client", "exp": now + 600 }).to_string();
    let script = Script::answer(200, &[("Content-Type", "application/json")], answer);
    let (server, backend) = (Origin::serving(script), Origin::start());
    // the authorization server's TLS is that of another gateway in front of it
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    let front = Config::new()
        .tls_listener("https", "")
        .api(api("introspect:1").to(&server.url()).open())
        .beside("certs/gateway.crt", &certificate)
        .beside("certs/gateway.key", key.serialize_pem())
        .start()
        .await;
    let port = front.at("https").port();
    let endpoint = format!("https://localhost:{port}/introspect/1/x");
    let gateway = Config::new()
        .asking("opaque", &endpoint, "ca = \"own.crt\"")
        .beside("own.crt", &certificate)
        .api(api("orders:1.0.0").to(&backend.url()))
        .application(application("app").key("opaque", "client"))
        .start()
        .await;
    let until = "portcullis_server_certificate_not_after_timestamp_seconds\
                 {role=\"key_manager\",server=\"opaque\"}";
    assert_eq!(gateway.metric_or_zero(until).await, 0, "nobody was asked");
    assert_eq!(gateway.status(PATH, "opaque-token").await, 200);
    assert_eq!(gateway.metric(until).await, NEW_YEAR_2090);
}

#[tokio::test]
async fn the_log_tells_of_each_once() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let lines = format!("issuer = \"{ISSUER}\"\ncertificates = {{ jwks = \"{}\" }}", server.url());
    let mut program = Program::of(&backend.url(), "", |config| config.key_manager("as", &lines));
    program.start();
    program.wait_until_ready();
    let url = format!("http://127.0.0.1:{}/production-only/1.0.0/x", program.port);
    let get = async |signer: &Signer| {
        // the bank's own consumer key, from another key manager
        let token = signer.sign(&claims(ISSUER, "good", "accounts:read"));
        let request = http::Request::get(&url).header("authorization", format!("Bearer {token}"));
        let client = Client::plain(Protocol::Http1);
        client.send(request.body(Bytes::new()).unwrap()).await.unwrap().status().as_u16()
    };
    let refresh = async || {
        let url = format!("http://127.0.0.1:{}/key-managers/as/refresh", program.management);
        let request = http::Request::post(url).body(Bytes::new()).unwrap();
        let answer = Client::plain(Protocol::Http1).send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
    };
    assert_eq!(get(&old).await, 403);
    assert_eq!(get(&old).await, 403);
    let foreign = "known only under another key manager";
    program.wait_for_log(foreign);
    server.always(keys(&[&old, &new]));
    refresh().await;
    program.wait_for_log("a rotation is ahead");
    assert_eq!(get(&new).await, 403);
    program.wait_for_log("the rotation has begun");
    server.always(keys(&[&new]));
    refresh().await;
    program.wait_for_log("the server has withdrawn a key while tokens of it are valid");
    let log = program.log();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("a rotation is ahead"), 1, "{log}");
    assert_eq!(lines("the rotation has begun"), 1, "{log}");
    assert_eq!(lines("has withdrawn a key"), 1, "{log}");
    let line = log.lines().find(|line| line.contains(foreign)).unwrap();
    for word in ["as", "good", "bank"] {
        assert!(line.contains(word), "{word} in {line}");
    }
}
