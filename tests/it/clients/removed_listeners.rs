//! Listeners that a reload removes or renames, and the connections that came from there.

use bytes::Bytes;
use http::Request;

use crate::support::bank::{self, Bank};
use crate::support::client::{Client, Connection, Protocol, RawConnection};
use crate::support::config::Config;
use crate::support::frames::{self, Frames, kind};
use crate::support::within;

const PATH: &str = "/accounts/1.0.0/status";
const MORE: &str = "[[listeners]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\", \"http/1.1\"]\n";

async fn ask(connection: &mut Connection, url: &str) -> Option<String> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let answer = connection.send(request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.headers().get("connection").map(|value| value.to_str().unwrap().to_owned())
}

fn config(bank: &Bank) -> Config {
    bank::config(&bank.production.url(), &bank.sandbox.url(), &bank.signer)
}

#[tokio::test]
async fn connections_of_a_removed_listener_are_not_served_for_ever() {
    let bank = Bank::with(MORE).await;
    let removed = bank.gateway.at("more");
    let url = format!("http://{removed}{PATH}");
    let mut kept = Client::plain(Protocol::Http1).connect(&url.parse().unwrap()).await.unwrap();
    assert_eq!(ask(&mut kept, &url).await, None);
    let mut idle = RawConnection::open(removed).await.unwrap();
    idle.send(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n")).await.unwrap();
    assert_eq!(idle.answer().await.unwrap().unwrap().status, 200);
    let mut silent = Frames::open(removed, &[]).await.unwrap();
    let flags = frames::END_STREAM | frames::END_HEADERS;
    silent.send(frames::request(1, flags, "GET", PATH, &[])).await.unwrap();
    assert!(silent.next_of(kind::HEADERS).await.is_some());
    let other = bank.gateway.url(PATH);
    let mut stays = Client::plain(Protocol::Http1).connect(&other.parse().unwrap()).await.unwrap();
    assert_eq!(ask(&mut stays, &other).await, None);

    bank.gateway.change(&config(&bank)).await.unwrap();
    assert_eq!(ask(&mut kept, &url).await.as_deref(), Some("close"), "the last answer");
    assert!(tokio::net::TcpStream::connect(removed).await.is_err());
    assert_eq!(idle.rest().await.unwrap(), b"", "it is closed");
    assert!(silent.next_of(kind::GOAWAY).await.is_some());
    within("the end of the silent one", async { while silent.next().await.is_some() {} }).await;
    assert_eq!(ask(&mut stays, &other).await, None, "the other listener's stay");
}

#[tokio::test]
async fn a_listener_may_change_its_name() {
    let bank = Bank::with(MORE).await;
    let url = bank.gateway.url(PATH);
    let mut kept = Client::plain(Protocol::Http1).connect(&url.parse().unwrap()).await.unwrap();
    assert_eq!(ask(&mut kept, &url).await, None);
    let renamed = config(&bank).to_string().replace("name = \"http\"", "name = \"public\"");
    bank.gateway.reload(&renamed).await.unwrap();
    assert_eq!(ask(&mut kept, &url).await.as_deref(), Some("close"));
    assert_eq!(bank.gateway.get(PATH, None).await.status(), 200, "at the same address");
    let metrics = bank.gateway.metrics().await;
    assert!(
        metrics.contains("portcullis_connections_accepted_total{listener=\"public\"} "),
        "{metrics}"
    );
}
