//! The authorization server misbehaves in each way that the manual lists: known good keys stay good, nothing unverified is
//! let in, and metrics and readiness tell.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json as body};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims, key_set};

const ISSUER: &str = "https://as.example";
const PATH: &str = "/orders/1.0.0/1";
const MANUAL: &str = include_str!("../../../docs/troubleshooting.md");

/// One API behind a key manager with these lines.
fn config(lines: &str, backend: &Origin) -> Config {
    let common =
        "jwks_min_refetch = \"100ms\"\nrequest_timeout = \"2s\"\nmax_document_bytes = \"64KiB\"";
    let lines = format!("type = \"CustomKeyManager\"\nissuer = \"{ISSUER}\"\n{lines}\n{common}");
    Config::new()
        .key_manager("as", &lines)
        .api(api("orders:1.0.0").to(&backend.url()))
        .application(application("app").key("as", "client"))
}

fn jwks(server: &Origin) -> String {
    format!("certificates = {{ jwks = \"{}/jwks\" }}", server.url())
}

fn document(content: impl Into<Vec<u8>>) -> Script {
    Script::answer(200, &[("Content-Type", "application/json")], content)
}

/// As many are announced; what comes of them is more than is read, and all that a busy machine should have to send.
fn hundred_megabytes() -> Script {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";
    Script::bytes([head.to_vec(), vec![b' '; 1024 * 1024]].concat()).then_hang()
}

fn token(signer: &Signer) -> String {
    signer.sign(&claims(ISSUER, "client", ""))
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.status(PATH, token).await
}

/// After the time in which nobody is asked again.
async fn rested() {
    tokio::time::sleep(Duration::from_millis(110)).await;
}

async fn last_reason(gateway: &Gateway, lines: usize) -> Vec<Value> {
    gateway.log(lines).await.into_iter().map(|line| line["reason"].clone()).collect()
}

fn is_in_the_manual(row: &str) {
    assert!(MANUAL.contains(&format!("| {row} |")), "docs/troubleshooting.md has no row \"{row}\"");
}

/// The metric of fetches that ended so.
fn fetches(result: &str) -> String {
    format!("portcullis_key_set_fetches_total{{key_manager=\"as\",result=\"{result}\"}}")
}

/// Answers in place of a key set: the row of the manual, the answer, and the result of the fetch.
fn misbehaviors(both: &str, location: &str) -> Vec<(&'static str, Script, &'static str)> {
    let half = &both[..both.len() / 2];
    vec![
        ("500", Script::answer(500, &[("Content-Type", "application/json")], both), "status"),
        ("a redirect to elsewhere", Script::answer(302, &[("Location", location)], ""), "redirect"),
        (
            "HTML",
            Script::answer(200, &[("Content-Type", "text/html")], "<html>sorry</html>"),
            "content_type",
        ),
        ("HTML that is called JSON", document("<html>sorry</html>"), "json"),
        (
            "another content type",
            Script::answer(200, &[("Content-Type", "image/png")], both),
            "content_type",
        ),
        ("an empty set", document(r#"{"keys":[]}"#), "no_usable_key"),
        (
            "a set of keys that verify nothing",
            document(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
            "no_usable_key",
        ),
        ("half a document", document(half), "json"),
        ("an answer that breaks off", Script::ends_early(both.len(), half), "broken_off"),
        ("100 MB", hundred_megabytes(), "size"),
        ("one byte a second", Script::drip(both, Duration::from_secs(1)), "timeout"),
        ("no answer", Script::hang(), "timeout"),
    ]
}

#[tokio::test]
async fn known_keys_stay_and_unknown_ones_are_our_trouble() {
    let (known, unknown) = (Signer::new("known"), Signer::new("unknown"));
    let both = key_set(&[&known, &unknown]);
    let server = Origin::serving(document(known.jwks()));
    let (elsewhere, backend) = (Origin::serving(document(both.clone())), Origin::start());
    let gateway = config(&jwks(&server), &backend).start().await;
    gateway.ready().await;
    let (good, other) = (token(&known), token(&unknown));
    assert_eq!(status(&gateway, &good).await, 200);

    let location = format!("{}/jwks", elsewhere.url());
    for (row, script, result) in misbehaviors(&both, &location) {
        is_in_the_manual(row);
        let before = gateway.metric_or_zero(&fetches(result)).await;
        server.always(script);
        rested().await;
        let started = Instant::now();
        let answer = gateway.get(PATH, Some(&other)).await;
        assert_eq!(
            (answer.status().as_u16(), &body(&answer)["code"]),
            (503, &json!("900900")),
            "{row}"
        );
        assert!(started.elapsed() < Duration::from_secs(8), "{row}: {:?}", started.elapsed());
        assert_eq!(status(&gateway, &good).await, 200, "{row}");
        gateway.metric_reaches(&fetches(result), before + 1).await;
        let ready = gateway.management("GET", "/readyz").await;
        assert_eq!(ready.status(), 200, "{row}: there are keys to judge with");
        assert!(
            body(&ready)["key_managers"][0]["failure"].is_string(),
            "{row}: {:?}",
            ready.body()
        );
    }
    assert!(elsewhere.received().is_empty(), "nobody goes where a key set's server points");

    server.always(document(both));
    rested().await;
    assert_eq!(status(&gateway, &other).await, 200, "healed without a restart");
}

#[tokio::test]
async fn down_at_the_start_and_down_during_a_rotation() {
    is_in_the_manual("down at the start");
    is_in_the_manual("down during a rotation");
    let (known, unknown) = (Signer::new("known"), Signer::new("unknown"));
    let (server, backend) = (Origin::serving(document(known.jwks())), Origin::start());
    let address = server.address();
    let config = config(&jwks(&server), &backend);
    drop(server);
    let gateway = config.start().await;
    assert_eq!(status(&gateway, &token(&known)).await, 503);
    let ready = gateway.management("GET", "/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(
        body(&ready)["missing"][0].as_str().unwrap().contains("cannot connect to"),
        "{:?}",
        ready.body()
    );

    let server = Origin::serving_at(address, document(known.jwks()));
    gateway.ready().await;
    assert_eq!(status(&gateway, &token(&known)).await, 200, "found again without a restart");
    drop(server);
    rested().await;
    assert_eq!(
        status(&gateway, &token(&unknown)).await,
        503,
        "it may be a new key, and nobody can say"
    );
    assert_eq!(status(&gateway, &token(&known)).await, 200);
    assert!(gateway.metric_or_zero(&fetches("connect")).await > 0);

    let _server = Origin::serving_at(address, document(key_set(&[&known, &unknown])));
    rested().await;
    assert_eq!(status(&gateway, &token(&unknown)).await, 200);
}

#[tokio::test]
async fn one_key_does_not_spoil_the_others() {
    is_in_the_manual("a key set in which one key is garbage");
    is_in_the_manual("one `kid` for two keys");
    let (good, first, second) = (Signer::new("good"), Signer::new("twice"), Signer::new("twice"));
    let mut set: Value = serde_json::from_str(&key_set(&[&good, &first, &second])).unwrap();
    for garbage in [
        json!(7),
        json!({ "kty": "RSA", "n": "!", "e": "AQAB", "kid": "bad" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
    ] {
        set["keys"].as_array_mut().unwrap().insert(0, garbage);
    }
    let (server, backend) = (Origin::serving(document(set.to_string())), Origin::start());
    let gateway = config(&jwks(&server), &backend).start().await;
    gateway.ready().await;
    assert_eq!(status(&gateway, &token(&good)).await, 200);
    for signer in [&first, &second] {
        assert_eq!(
            status(&gateway, &token(signer)).await,
            401,
            "which of the two is meant cannot be told"
        );
    }
    let reasons = last_reason(&gateway, 3).await;
    assert_eq!(reasons.iter().filter(|reason| *reason == "unknown_key").count(), 2, "{reasons:?}");
    assert!(
        gateway
            .metrics()
            .await
            .contains("portcullis_key_set_skipped_keys_total{key_manager=\"as\",")
    );
}

#[tokio::test]
async fn a_new_key_under_an_old_kid() {
    is_in_the_manual("a `kid` reused for a new key");
    let (old, new) = (Signer::new("same"), Signer::new("same"));
    let (server, backend) = (Origin::serving(document(old.jwks())), Origin::start());
    let gateway = config(&jwks(&server), &backend).start().await;
    gateway.ready().await;
    assert_eq!(status(&gateway, &token(&old)).await, 200);
    server.always(document(new.jwks()));
    rested().await;
    assert_eq!(
        status(&gateway, &token(&new)).await,
        200,
        "a bad signature asks for newer keys, once"
    );
    assert_eq!(status(&gateway, &token(&old)).await, 401, "also where its verdict was remembered");
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off() {
    is_in_the_manual("a clock ten minutes ahead");
    is_in_the_manual("a clock ten minutes behind");
    let signer = Signer::new("k");
    let (server, backend) = (Origin::serving(document(signer.jwks())), Origin::start());
    // the widest leeway that may be written
    let gateway = config(&format!("{}\nleeway = \"5m\"", jwks(&server)), &backend).start().await;
    gateway.ready().await;
    let now = jsonwebtoken::get_current_timestamp();
    let at = |clock: u64, lifetime: u64, nbf: bool| {
        let mut claims = claims(ISSUER, "client", "");
        (claims["iat"], claims["exp"]) = (json!(clock), json!(clock + lifetime));
        if nbf {
            claims["nbf"] = json!(clock);
        }
        signer.sign(&claims)
    };
    assert_eq!(status(&gateway, &at(now + 600, 3600, true)).await, 401);
    assert_eq!(status(&gateway, &at(now + 600, 3600, false)).await, 200, "iat is not a beginning");
    assert_eq!(status(&gateway, &at(now - 600, 240, true)).await, 401);
    assert_eq!(status(&gateway, &at(now - 600, 3600, true)).await, 200);
    let reasons = last_reason(&gateway, 4).await;
    assert!(
        reasons.contains(&json!("token_not_yet_valid"))
            && reasons.contains(&json!("token_expired")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer() {
    is_in_the_manual("a discovery document with another issuer");
    let (known, other) = (Signer::new("known"), Signer::new("other"));
    let (key_server, backend) = (Origin::serving(document(known.jwks())), Origin::start());
    let discovery = |issuer: &str| {
        document(
            json!({ "issuer": issuer, "jwks_uri": format!("{}/jwks", key_server.url()) })
                .to_string(),
        )
    };
    let server = Origin::serving(discovery("https://as.example/"));
    let gateway =
        config(&format!("well_known_url = \"{}/d\"", server.url()), &backend).start().await;
    assert_eq!(status(&gateway, &token(&known)).await, 503, "a slash is another issuer");
    let ready = gateway.management("GET", "/readyz").await;
    let missing = body(&ready)["missing"][0].as_str().unwrap().to_owned();
    assert!(
        ready.status() == 503
            && missing.contains("\"https://as.example/\"")
            && missing.contains("\"https://as.example\""),
        "{missing}"
    );
    server.always(discovery(ISSUER));
    gateway.ready().await;
    assert_eq!(status(&gateway, &token(&known)).await, 200);
    server.always(discovery("https://evil.example"));
    key_server.always(document(key_set(&[&known, &other])));
    rested().await;
    assert_eq!(status(&gateway, &token(&other)).await, 503, "its keys are not looked at");
    assert_eq!(status(&gateway, &token(&known)).await, 200);
    assert!(gateway.metric_or_zero(&fetches("issuer")).await > 0);
}
