//! Several servers that may know an opaque token: who is asked, and what the trouble of one does to the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::gateway::{FRONT, Gateway};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// A key manager `km-N` that is asked at this address; `more` may hold a pattern.
fn key_manager(number: usize, server: &str, more: &str) -> String {
    format!(
        r#"
[[key_managers]]
name = "km-{number}"
token_validation = "introspection"
introspection_endpoint = "{server}/introspect"
credentials = {{ username = "gateway", password = "secret" }}
consumer_key_claim = "client_id"
request_timeout = "2s"
{more}
[[applications]]
name = "app-{number}"
keys = [{{ type = "production", key_manager = "km-{number}", consumer_key = "app-key" }}]
subscriptions = [{{ api = "any:1" }}]
"#
    )
}

fn api(backend: &str, more: &str) -> String {
    format!(
        r#"
[[apis]]
name = "any"
version = "1"
context = "/any"
production = {{ urls = ["{backend}"] }}
operations = [{{ method = "GET", path = "/*" }}]
{more}
"#
    )
}

fn claims_pattern(pattern: &str) -> String {
    format!("token_handling = [{{ type = \"reference\", pattern = \"{pattern}\" }}]")
}

fn answer(body: &Value) -> Script {
    Script::answer(200, &[("Content-Type", "application/json")], body.to_string())
}

fn active() -> Script {
    answer(&json!({ "active": true, "client_id": "app-key" }))
}

fn inactive() -> Script {
    answer(&json!({ "active": false }))
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.get("/any/1/x", Some(token)).await.status().as_u16()
}

fn dead() -> String {
    format!("http://{}", Origin::refusing_address())
}

#[tokio::test]
async fn a_server_that_is_down_harms_no_token_of_another() {
    let (backend, second) = (Origin::start(), Origin::serving(active()));
    let file = |first: &str, second_more: &str| {
        [
            api(&backend.url(), ""),
            key_manager(1, first, ""),
            key_manager(2, &second.url(), second_more),
        ]
        .concat()
    };
    let hanging = Origin::serving(Script::hang());
    for first in [dead(), hanging.url()] {
        let gateway = Gateway::start(&file(&first, "")).await;
        assert_eq!(status(&gateway, "any-form").await, 200, "the second one knows it");
        let gateway = Gateway::start(&file(&first, &claims_pattern("^two-"))).await;
        assert_eq!(status(&gateway, "two-1").await, 200, "claimed");
    }
    // nobody knows it, and somebody could not be asked
    second.always(inactive());
    let gateway = Gateway::start(&file(&dead(), "")).await;
    assert_eq!(status(&gateway, "unknown").await, 503);
    let line = &gateway.log(1).await[0];
    assert!(line["message"].as_str().unwrap().contains("km-1"), "{line}");
    // claimed by a pattern: the other one's trouble is not asked for
    let gateway = Gateway::start(&file(&dead(), &claims_pattern("^two-"))).await;
    assert_eq!(status(&gateway, "two-unknown").await, 401);
}

#[tokio::test]
async fn the_tenth_is_found_and_all_are_asked_at_once() {
    let backend = Origin::start();
    let slow = |script: Script| Origin::serving(script.after(Duration::from_millis(400)));
    let servers: Vec<Origin> =
        (1..=10).map(|number| slow(if number == 10 { active() } else { inactive() })).collect();
    let mut file = api(&backend.url(), "");
    for (number, server) in servers.iter().enumerate() {
        file.push_str(&key_manager(number + 1, &server.url(), "introspection_cache = \"0s\""));
    }
    let gateway = Gateway::start(&file).await;
    // one after the other would take twice `request_timeout`
    assert_eq!(status(&gateway, "of-the-tenth").await, 200);
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(server.received().len(), 1, "km-{}", number + 1);
    }
}

#[tokio::test]
async fn a_claimed_token_is_shown_to_nobody_else() {
    let backend = Origin::start();
    let (stranger, owner) = (Origin::serving(inactive()), Origin::serving(active()));
    let keys = key_manager(1, &stranger.url(), "")
        + &key_manager(2, &owner.url(), &claims_pattern("^own[.]"));
    let gateway = Gateway::start(&(api(&backend.url(), "") + &keys)).await;
    // with dots, and in the form of a JWS that says nothing
    for token in ["own.1", "own.a.b", "own.a.b.c.d"] {
        assert_eq!(status(&gateway, token).await, 200, "{token}");
    }
    assert_eq!(stranger.received().len(), 0);
    owner.always(inactive());
    assert_eq!(status(&gateway, "own.2").await, 401);
    assert_eq!(stranger.received().len(), 0, "not even where the owner does not know it");
    assert_eq!(status(&gateway, "another").await, 401);
    assert_eq!((stranger.received().len(), owner.received().len()), (1, 4));
    // an API that does not take the owner's tokens shows them to nobody
    let only = api(&backend.url(), "key_managers = [\"km-1\"]");
    gateway.reload(&(only + &keys)).await.unwrap();
    assert_eq!(status(&gateway, "own.3").await, 401);
    assert_eq!((stranger.received().len(), owner.received().len()), (1, 4));
}

#[tokio::test]
async fn whatever_is_no_jws_of_a_known_issuer_is_opaque() {
    let (backend, server, signer) = (Origin::start(), Origin::serving(active()), Signer::new("k"));
    let elsewhere = signer.sign(&claims("https://unlisted.example", "app-key", ""));
    let tokens = [
        // an encrypted token, as zitadel and OpenIddict issue them
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a2V5.aXY.Y2lwaGVy.dGFn",
        "v4.public.eyJzdWIiOiJ4In0",
        "v4.local.AAAA",
        "two.parts",
        "a.b.c",
        "a.b.c.d",
        "..",
        "eyJhbGciOiJub25lIn0..",
        "plain/text+with=signs~",
        &elsewhere,
    ];
    let gateway =
        Gateway::start(&(api(&backend.url(), "") + &key_manager(1, &server.url(), ""))).await;
    for token in tokens {
        assert_eq!(status(&gateway, token).await, 200, "{token}");
    }
    assert_eq!(server.received().len(), tokens.len());
    // where nobody can be asked they are refused as they were, with the reason that fits
    let fixed = format!(
        "{}\n[[key_managers]]\nname = \"jwt\"\nissuer = \"https://as.example\"\ncertificates = {{ jwks_file = \"keys.json\" }}\n",
        api(&backend.url(), "")
    );
    std::fs::write(gateway.folder().join("keys.json"), signer.jwks()).unwrap();
    gateway.reload(&fixed).await.unwrap();
    for token in tokens {
        assert_eq!(status(&gateway, token).await, 401, "{token}");
    }
    let lines = gateway.log(2 * tokens.len()).await;
    let refused: Vec<_> = lines.iter().filter(|line| line["status"] == 401).collect();
    let reasons = |reason: &str| refused.iter().filter(|line| line["reason"] == reason).count();
    assert_eq!(
        (reasons("token_malformed"), reasons("unknown_issuer")),
        (tokens.len() - 1, 1),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_jws_of_a_known_issuer_is_shown_to_no_other_server() {
    let (backend, server, signer) = (Origin::start(), Origin::serving(active()), Signer::new("k"));
    let jwt = |name: &str, more: &str| {
        format!(
            "\n[[key_managers]]\nname = \"{name}\"\nissuer = \"https://{name}.example\"\ncertificates = {{ jwks_file = \"keys.json\" }}\n{more}\n"
        )
    };
    let gateway = Gateway::start("").await;
    std::fs::write(gateway.folder().join("keys.json"), Signer::new("k").jwks()).unwrap();
    let file = [
        api(&backend.url(), ""),
        key_manager(1, &server.url(), ""),
        jwt("known", ""),
        jwt("disabled", "enabled = false"),
    ];
    gateway.reload(&file.concat()).await.unwrap();
    for issuer in ["https://known.example", "https://disabled.example"] {
        let token = signer.sign(&claims(issuer, "app-key", ""));
        assert_eq!(status(&gateway, &token).await, 401, "{issuer}");
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_question_outlives_the_one_who_began_it() {
    let backend = Origin::start();
    let server = Origin::serving(active().after(Duration::from_millis(700)));
    let gateway =
        Gateway::start(&(api(&backend.url(), "") + &key_manager(1, &server.url(), ""))).await;
    let mut first = TcpStream::connect(gateway.address()).await.unwrap();
    first
        .write_all(b"GET /any/1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer shared\r\n\r\n")
        .await
        .unwrap();
    server.wait_for(1).await;
    let others = async {
        tokio::join!(
            status(&gateway, "shared"),
            status(&gateway, "shared"),
            status(&gateway, "shared")
        )
    };
    let leaving = async {
        // reset, so that the gateway notices at once
        first.set_zero_linger().unwrap();
        drop(first);
    };
    let (answers, ()) = tokio::join!(others, leaving);
    assert_eq!(answers, (200, 200, 200));
    assert_eq!(server.received().len(), 1, "one question for all");
}

#[tokio::test]
async fn a_question_takes_no_longer_than_its_time_whoever_else_waits() {
    let (backend, server) = (Origin::start(), Origin::serving(Script::hang()));
    let file = api(&backend.url(), "") + &key_manager(1, &server.url(), "");
    let file = file.replace("request_timeout = \"2s\"", "request_timeout = \"1s\"");
    // a client has its own limit: these come from many
    let front = FRONT.replace("workers = 2", "workers = 2\ntrusted_proxies = [\"127.0.0.1\"]");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.toml"), format!("{front}{file}")).unwrap();
    let path = folder.path().to_owned();
    let gateway = Arc::new(Gateway::start_in(&path, Some(folder)).await);
    let ask = |from: usize, token: String| {
        let gateway = Arc::clone(&gateway);
        async move {
            let request = Request::get(gateway.url("/any/1/x"))
                .header("authorization", format!("Bearer {token}"))
                .header("x-forwarded-for", format!("192.0.2.{from}"));
            gateway.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
        }
    };
    let mut noise = JoinSet::new();
    for number in 0..100 {
        noise.spawn(ask(number / 10, format!("noise-{number}")));
    }
    // as many as are asked at a time
    server.wait_for(64).await;
    let began = Instant::now();
    assert_eq!(ask(200, "late".to_owned()).await, 503);
    assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
    noise.abort_all();
}
