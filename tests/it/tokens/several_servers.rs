//! Several servers that may know an opaque token: who is asked, and what the trouble of one does to the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// Key managers `km-1`, `km-2`, ..., each of which is asked at its address; their lines may hold a pattern.
fn config(backend: &Origin, servers: &[(&str, &str)]) -> Config {
    let mut config = Config::new().api(api("any:1").to(&backend.url()));
    for (number, (server, lines)) in servers.iter().enumerate() {
        let name = format!("km-{}", number + 1);
        config = config
            .asking(&name, server, lines)
            .application(application(&format!("app-{}", number + 1)).key(&name, "app-key"));
    }
    config
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
    gateway.status("/any/1/x", token).await
}

fn dead() -> String {
    format!("http://{}", Origin::refusing_address())
}

#[tokio::test]
async fn a_server_that_is_down_harms_no_token_of_another() {
    let (backend, second) = (Origin::start(), Origin::serving(active()));
    let start = async |first: &str, second_more: &str| {
        config(&backend, &[(first, ""), (&second.url(), second_more)]).start().await
    };
    let hanging = Origin::serving(Script::hang());
    for first in [dead(), hanging.url()] {
        let gateway = start(&first, "").await;
        assert_eq!(status(&gateway, "any-form").await, 200, "the second one knows it");
        let gateway = start(&first, &claims_pattern("^two-")).await;
        assert_eq!(status(&gateway, "two-1").await, 200, "claimed");
    }
    // nobody knows it, and somebody could not be asked
    second.always(inactive());
    let gateway = start(&dead(), "").await;
    assert_eq!(status(&gateway, "unknown").await, 503);
    let line = &gateway.log(1).await[0];
    assert!(line["message"].as_str().unwrap().contains("km-1"), "{line}");
    // claimed by a pattern: the other one's trouble is not asked for
    let gateway = start(&dead(), &claims_pattern("^two-")).await;
    assert_eq!(status(&gateway, "two-unknown").await, 401);
}

#[tokio::test]
async fn the_tenth_is_found_and_all_are_asked_at_once() {
    let backend = Origin::start();
    let slow = |script: Script| Origin::serving(script.after(Duration::from_millis(400)));
    let servers: Vec<Origin> =
        (1..=10).map(|number| slow(if number == 10 { active() } else { inactive() })).collect();
    let urls: Vec<String> = servers.iter().map(Origin::url).collect();
    let asked: Vec<_> = urls.iter().map(|url| (&**url, "introspection_cache = \"0s\"")).collect();
    let gateway = config(&backend, &asked).start().await;
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
    let own = claims_pattern("^own[.]");
    let config = config(&backend, &[(&stranger.url(), ""), (&owner.url(), &own)]);
    let gateway = config.start().await;
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
    gateway.change(&config.each_api("key_managers = [\"km-1\"]")).await.unwrap();
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
    let gateway = config(&backend, &[(&server.url(), "")]).start().await;
    for token in tokens {
        assert_eq!(status(&gateway, token).await, 200, "{token}");
    }
    assert_eq!(server.received().len(), tokens.len());
    // where nobody can be asked they are refused as they were, with the reason that fits
    let fixed = config(&backend, &[]).signed_by("jwt", "https://as.example", &signer, "");
    gateway.change(&fixed).await.unwrap();
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
    let gateway = config(&backend, &[(&server.url(), "")])
        .signed_by("known", "https://known.example", &Signer::new("k"), "")
        .signed_by("disabled", "https://disabled.example", &Signer::new("k"), "enabled = false")
        .start()
        .await;
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
    let gateway = config(&backend, &[(&server.url(), "")]).start().await;
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
    // a client has its own limit: these come from many
    let gateway = config(&backend, &[(&server.url(), "request_timeout = \"1s\"")])
        .gateway("trusted_proxies = [\"127.0.0.1\"]")
        .start()
        .await;
    let gateway = Arc::new(gateway);
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
