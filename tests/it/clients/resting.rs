//! Connections that wait for their next request for longer than a moment give their buffers up, and go on as if nothing had
//! been.

use std::time::Duration;

use crate::support::bank::Bank;
use crate::support::client::RawConnection;

const OPEN: &str = "GET /accounts/1.0.0/status HTTP/1.1\r\nHost: a\r\n\r\n";

/// Several times as long as a connection stays awake for nothing.
const LONG: Duration = Duration::from_millis(400);

async fn asks(connection: &mut RawConnection, bytes: &str) {
    connection.send(bytes).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().expect("an answer").status, 200);
}

#[tokio::test]
async fn a_connection_wakes_for_its_next_request() {
    let bank = Bank::open().await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    for _ in 0..3 {
        asks(&mut connection, OPEN).await;
        tokio::time::sleep(LONG).await;
    }
    // byte by byte, the first of which wakes it
    for byte in OPEN.bytes() {
        connection.send([byte]).await.unwrap();
    }
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn half_a_head_that_came_with_the_request_before_is_not_lost() {
    let bank = Bank::open().await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    let (half, rest) = OPEN.split_at(OPEN.len() / 2);
    asks(&mut connection, &format!("{OPEN}{half}")).await;
    tokio::time::sleep(LONG).await;
    asks(&mut connection, &format!("{rest}{OPEN}")).await;
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
    // what was read once is not taken for a second head: the framing is still watched
    connection
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 400);
}

#[tokio::test]
async fn a_client_that_leaves_and_an_idle_timeout_end_it() {
    let bank = Bank::with("[limits]\nidle_timeout = \"1s\"\n").await;
    let mut leaves = RawConnection::open(bank.gateway.address()).await.unwrap();
    let mut stays = RawConnection::open(bank.gateway.address()).await.unwrap();
    asks(&mut leaves, OPEN).await;
    asks(&mut stays, OPEN).await;
    tokio::time::sleep(LONG).await;
    leaves.finish().await.unwrap();
    assert!(leaves.rest().await.unwrap().is_empty());
    assert!(stays.rest().await.unwrap().is_empty(), "closed without a word once its time was over");
}
