//! Floods of forged tokens: their senders pay for them, and nobody else does.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

use crate::support::bank::{Bank, ISSUER};
use crate::support::config::Config;
use crate::support::gateway::{Gateway, json};
use crate::support::signer::{Signer, claims};
use crate::support::until;

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// Loopback is a trusted proxy, so that a request can come from anywhere.
async fn bank(limits: &str) -> Bank {
    let trusted = "trusted_proxies = [\"127.0.0.1\"]";
    Bank::of(|config| config.gateway(trusted).tables(&format!("[limits]\n{limits}"))).await
}

async fn ask(gateway: &Gateway, from: &str, token: &str) -> Response<Bytes> {
    let request = Request::get(gateway.url(PATH))
        .header("authorization", format!("Bearer {token}"))
        .header("x-forwarded-for", from);
    gateway.send(request.body(Bytes::new()).unwrap()).await
}

async fn status(gateway: &Gateway, from: &str, token: &str) -> u16 {
    ask(gateway, from, token).await.status().as_u16()
}

/// Signs with a key of its own under the name of the real one.
struct Forger(Signer, u32);

impl Forger {
    fn new() -> Forger {
        Forger(Signer::new("key-1"), 0)
    }

    /// Unlike any before.
    fn token(&mut self) -> String {
        self.1 += 1;
        let mut claims = claims(ISSUER, "good", "accounts:read");
        claims["jti"] = json!(self.1.to_string());
        self.0.sign(&claims)
    }
}

#[tokio::test]
async fn who_sends_forged_tokens_is_not_listened_to_for_a_while() {
    let bank = bank("max_forged_tokens = 60").await;
    let (gateway, mut forger) = (&bank.gateway, Forger::new());
    let (known, fresh) =
        (bank.token_with(&json!({ "jti": "known" })), bank.token_with(&json!({ "jti": "fresh" })));
    let (office, home) = ("192.0.2.1", "198.51.100.7");
    // both workers know it
    for _ in 0..12 {
        assert_eq!(status(gateway, office, &known).await, 200);
    }
    let mut answers = Vec::new();
    for _ in 0..70 {
        answers.push(status(gateway, office, &forger.token()).await);
    }
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert!(
        (60..=70).contains(&(70 - refused)) && answers[..60].iter().all(|status| *status == 401),
        "{answers:?}"
    );
    assert!(refused > 0, "{answers:?}");
    let answer = ask(gateway, office, &fresh).await;
    assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (429, &json!("429")));
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(
        answer.headers().contains_key("portcullis-denial")
            && !answer.headers().contains_key("www-authenticate")
    );
    for _ in 0..12 {
        assert_eq!(
            status(gateway, office, &known).await,
            200,
            "a neighbor's token that is known goes on"
        );
    }
    assert_eq!(status(gateway, home, &fresh).await, 200, "others are not concerned");
    assert!(
        gateway
            .log(90)
            .await
            .iter()
            .any(|line| line["reason"] == "forged_tokens" && line["client"] == office)
    );
    assert!(gateway.metric("portcullis_forged_tokens_total{found=\"checked\"}").await <= 63);
    assert_eq!(gateway.metric("portcullis_forging_sources").await, 1);
    let later =
        async || status(gateway, office, &bank.token_with(&json!({ "jti": "later" }))).await;
    until("it is listened to again", later, |status| *status == 200).await;
}

#[tokio::test]
async fn a_network_of_sixty_four_bits_is_one_client() {
    let bank = bank("max_forged_tokens = 4").await;
    let mut forger = Forger::new();
    let mut answers = Vec::new();
    for host in 0..8 {
        answers
            .push(status(&bank.gateway, &format!("2001:db8:1:2::{host:x}"), &forger.token()).await);
    }
    assert_eq!(answers, [401, 401, 401, 401, 429, 429, 429, 429]);
    assert_eq!(status(&bank.gateway, "2001:db8:1:3::1", &bank.token()).await, 200);
    assert_eq!(status(&bank.gateway, "2001:db8:1:2:ffff::1", &bank.token()).await, 429);
}

#[tokio::test]
async fn a_forged_token_seen_again_costs_its_sender_nothing() {
    let bank = bank("max_forged_tokens = 4").await;
    let forged = Forger::new().token();
    for _ in 0..40 {
        assert_eq!(status(&bank.gateway, "192.0.2.1", &forged).await, 401);
    }
    assert_eq!(status(&bank.gateway, "192.0.2.1", &bank.token()).await, 200);
    let checked = bank.gateway.metric("portcullis_forged_tokens_total{found=\"checked\"}").await;
    assert!(checked <= 2, "once a worker: {checked}");
    assert_eq!(
        bank.gateway.metric("portcullis_forged_tokens_total{found=\"known\"}").await,
        40 - checked
    );
}

#[tokio::test]
async fn it_can_be_turned_off_and_only_written_right() {
    let bank = bank("max_forged_tokens = \"none\"").await;
    let mut forger = Forger::new();
    for _ in 0..100 {
        assert_eq!(status(&bank.gateway, "192.0.2.1", &forger.token()).await, 401);
    }
    assert_eq!(bank.gateway.metric("portcullis_forging_sources").await, 0);
    for wrong in ["0", "-1", "\"off\"", "5000000"] {
        let limits = format!("[limits]\nmax_forged_tokens = {wrong}");
        let report = bank.gateway.change(&Config::new().tables(&limits)).await.unwrap_err();
        assert!(report.contains("limits.max_forged_tokens"), "{wrong}: {report}");
    }
}

#[tokio::test]
async fn ten_forged_tokens_for_each_good_one_cost_few_signature_checks() {
    let bank = bank("").await;
    let (gateway, mut forger) = (&bank.gateway, Forger::new());
    let mut good = 0;
    for round in 0..40 {
        for _ in 0..10 {
            let status = status(gateway, "192.0.2.1", &forger.token()).await;
            assert!(matches!(status, 401 | 429), "{status}");
        }
        let token = bank.token_with(&json!({ "jti": format!("good-{round}") }));
        good += u32::from(status(gateway, "198.51.100.7", &token).await == 200);
    }
    assert_eq!(good, 40);
    let checked = gateway.metric("portcullis_forged_tokens_total{found=\"checked\"}").await;
    assert!((60..200).contains(&checked), "{checked} of 400: the allowance, and one a second");
}
