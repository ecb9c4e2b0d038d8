//! Reloads under traffic: a bad file changes nothing, a good one drops nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol};
use crate::support::gateway::json;

const PATH: &str = "/accounts/1.0.0/accounts/42";
const SUCCESS: &str = "portcullis_config_last_reload_success";

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let bank = Bank::open().await;
    let report = bank.gateway.reload("[[apis]]\nnmae = \"x\"\n").await.unwrap_err();
    assert!(report.contains("nmae") && report.contains("gateway.toml"), "{report}");
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    assert_eq!(bank.gateway.metric(SUCCESS).await, 0);
    assert_eq!(bank.gateway.management("GET", "/readyz").await.status(), 200);
    bank.reload(|config| config).await.unwrap();
    assert_eq!(bank.gateway.metric(SUCCESS).await, 1);
}

#[tokio::test]
async fn a_good_file_drops_no_request_and_closes_no_connection() {
    let bank = Bank::open().await;
    let token = bank.token();
    let mut connection = Client::plain(Protocol::Http1)
        .connect(&bank.gateway.url("/").parse().unwrap())
        .await
        .unwrap();
    let started = Instant::now();
    let mut answered = 0;
    let mut reloads = 0;
    while started.elapsed() < Duration::from_secs(2) {
        let request =
            Request::get(bank.gateway.url(PATH)).header("authorization", format!("Bearer {token}"));
        let answer = connection
            .send(request.body(Bytes::new()).unwrap())
            .await
            .expect("the connection stays open");
        assert_eq!(answer.status(), 200);
        answered += 1;
        if answered % 20 == 0 {
            bank.reload(|config| config).await.unwrap();
            reloads += 1;
        }
    }
    assert!(reloads >= 2, "{reloads}");
    // counters outlive the reloads
    let metrics = bank.gateway.metrics().await;
    let counted = format!(
        "operation=\"/accounts/{{id}}\",method=\"GET\",status=\"200\",reason=\"forwarded\"}} {answered}"
    );
    assert!(metrics.contains(&counted), "{answered}: {metrics}");
    assert_eq!(bank.production.connections(), 1, "the backend's connection survives reloads");
}

#[tokio::test]
async fn what_the_new_file_says_holds_from_the_next_request() {
    let bank = Bank::open().await;
    let token = bank.token();
    assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 200);
    let whole = bank.config.to_string();
    let unsubscribed = whole.replace("{ api = \"accounts:1.0.0\" }, ", "");
    bank.gateway.reload(&unsubscribed).await.unwrap();
    let answer = bank.gateway.get(PATH, Some(&token)).await;
    assert_eq!((answer.status().as_u16(), json(&answer)["code"].as_str()), (403, Some("900908")));
    let disabled = whole.replace("name = \"bank-is\"\n", "name = \"bank-is\"\nenabled = false\n");
    bank.gateway.reload(&disabled).await.unwrap();
    assert_eq!(
        bank.gateway.get(PATH, Some(&token)).await.status(),
        401,
        "the key manager is disabled: its cached verdicts too"
    );
}

#[tokio::test]
async fn post_reload_and_a_changed_file_do_the_same() {
    let bank = Bank::open().await;
    let answer = bank.gateway.management("POST", "/reload").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(json(&answer)["generation"], 2);
    let file = bank.gateway.folder().join("gateway.toml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("context = \"/open\"", "context = \"/opened\"");
    std::fs::write(&file, text).unwrap();
    let started = Instant::now();
    while bank.gateway.get("/opened/1.0.0/x", None).await.status() == 404 {
        assert!(started.elapsed() < Duration::from_secs(10), "the change was not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_stop_answers_the_next_request_of_an_idle_connection() {
    let bank = Bank::open().await;
    let mut connection = Client::plain(Protocol::Http1)
        .connect(&bank.gateway.url("/").parse().unwrap())
        .await
        .unwrap();
    let url = bank.gateway.url("/accounts/1.0.0/status");
    let ask = || Request::get(&url).body(Bytes::new()).unwrap();
    assert_eq!(connection.send(ask()).await.unwrap().status(), 200);
    let address = bank.gateway.address();
    let stopping = tokio::task::spawn_blocking(move || drop(bank.gateway));
    let started = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(1), "connecting is refused while it stops");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = connection.send(ask()).await.expect("an answer, not a closed connection");
    assert_eq!(last.status(), 200);
    assert_eq!(last.headers()["connection"], "close");
    stopping.await.unwrap();
}
