//! Backends that have answered before they have read everything: nobody else pays for it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::support::bank::Bank;
use crate::support::client::RawConnection;
use crate::support::config::{Api, api};
use crate::support::frames::{ACK, END_HEADERS, END_STREAM, frame, kind};
use crate::support::script::Script;

/// `:status: 200` of the static table (RFC 7541 appendix A).
const OK: [u8; 1] = [0x88];

/// Serves each connection with `serve`, until the set is dropped.
async fn backend<F>(
    serve: impl Fn(TcpStream, usize) -> F + Send + 'static,
) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, count));
            count += 1;
        }
    });
    (address, tasks)
}

fn open(name: &str, backend: SocketAddr) -> Api {
    let backend = format!("http://{backend}");
    api(&format!("{name}:1")).open().to(&backend).production("response_timeout = \"1s\"")
}

/// Ends each stream with its answer and goes on reading the request.
async fn answers_first(mut stream: TcpStream, _: usize) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(kind::SETTINGS, 0, 0, &[])).await.unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        let answer = match head[3] {
            kind::HEADERS => frame(kind::HEADERS, END_HEADERS | END_STREAM, number, &OK),
            kind::SETTINGS if head[4] & ACK == 0 => frame(kind::SETTINGS, ACK, 0, &[]),
            kind::PING if head[4] & ACK == 0 => frame(kind::PING, ACK, 0, &payload),
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_body_is_never_a_request() {
    let (address, _tasks) = backend(answers_first).await;
    let bank = Bank::beside(open("early", address).production("http2 = \"always\"")).await;
    let smuggled = "GET /early/1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let client = async |pause: u64, chunked: bool| {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        let framing = if chunked {
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\nhalf;", smuggled.len() + 5)
        } else {
            format!("Content-Length: {}\r\n\r\nhalf;", smuggled.len() + 5)
        };
        raw.send(format!("POST /early/1/upload HTTP/1.1\r\nHost: a\r\n{framing}")).await.unwrap();
        assert_eq!(raw.answer().await.unwrap().expect("an early answer").status, 200);
        sleep(Duration::from_millis(pause)).await;
        // the connection may be closed by now, and that is right too
        let _ = raw.send(smuggled).await;
        if let Ok(Ok(Some(answer))) = timeout(Duration::from_millis(700), raw.answer()).await {
            panic!("answered after {pause} ms: {answer:?}");
        }
    };
    tokio::join!(client(50, false), client(1500, false), client(1500, true));
    let lines = bank.gateway.log(3).await;
    assert!(lines.iter().all(|line| line["path"] == "/early/1/upload"), "{lines:?}");
}

/// Reads a head, answers after a while, and reads no further; later connections are served at once.
async fn reads_no_further(mut stream: TcpStream, count: usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let first = count == 0;
    if first {
        sleep(Duration::from_millis(700)).await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    sleep(Duration::from_secs(if first { 30 } else { 1 })).await;
}

#[tokio::test]
async fn a_connection_with_bytes_that_nobody_reads_is_not_used_again() {
    let (address, _tasks) = backend(reads_no_further).await;
    let bank = Bank::of(|config| config.gateway("workers = 1").api(open("deaf", address))).await;
    let mut upload = RawConnection::open(bank.gateway.address()).await.unwrap();
    // more than the kernel takes and less than with the library's buffer on top: all of it is handed over
    let body = vec![b'x'; 4_375_000];
    upload
        .send(format!(
            "POST /deaf/1/x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
        .await
        .unwrap();
    let _ = timeout(Duration::from_millis(500), upload.send(&body)).await;
    let _ = upload.answer().await;
    let mut other = RawConnection::open(bank.gateway.address()).await.unwrap();
    other.send("GET /deaf/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = timeout(Duration::from_secs(3), other.answer())
        .await
        .expect("in time")
        .unwrap()
        .expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_answer_with_trailers_is_whole_and_its_connection_used_again() {
    let bank = Bank::open().await;
    bank.production.always(Script::chunked(&["one", "two"], &[("x-checksum", "7")]));
    for _ in 0..2 {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        let token = bank.token();
        let request = format!(
            "GET /accounts/1.0.0/accounts/1 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        raw.send(request).await.unwrap();
        let answer = raw.answer().await.unwrap().expect("an answer");
        assert_eq!((answer.body.as_slice(), answer.complete), (&b"onetwo"[..], true));
    }
    for line in bank.gateway.log(2).await {
        assert_eq!(line["ending"], "completed", "{line}");
    }
}
