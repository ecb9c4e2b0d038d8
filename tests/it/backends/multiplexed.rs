//! Backends of HTTP/2: connections that requests share, streams that are refused, windows, and pings.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol};
use crate::support::config::{Api, api};
use crate::support::frames::{END_HEADERS, frame, kind};
use crate::support::http2_origin::{
    ENHANCE_YOUR_CALM, Http2Origin, MAX_CONCURRENT_STREAMS, NO_ERROR, OK, REFUSED_STREAM, tls,
};
use crate::support::peers::Peers;
use crate::support::{DEADLINE, within};

fn shared(backend: &str, production: &str) -> Api {
    api("shared:1").open().to(backend).production(production)
}

/// A gateway of one worker, so that one pool has all connections.
async fn alone(backend: SocketAddr, more: &str) -> Bank {
    let api = shared(&format!("http://{backend}"), "http2 = \"always\"").production(more);
    Bank::of(|config| config.gateway("workers = 1").api(api)).await
}

async fn send(bank: &Bank, method: &str, body: Bytes) -> Response<Bytes> {
    let request =
        Request::builder().method(method).uri(bank.gateway.url("/shared/1/a")).body(body).unwrap();
    within("an answer", Client::plain(Protocol::Http1).send(request)).await.unwrap()
}

/// Statuses of so many requests at a time.
async fn at_once(bank: &Bank, count: usize) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let url = bank.gateway.url("/shared/1/a");
        asking.spawn(async move {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            let client = Client::plain(Protocol::Http1);
            within("an answer", client.send(request)).await.unwrap().status().as_u16()
        });
    }
    asking.join_all().await
}

#[tokio::test]
async fn connections_are_shared_where_tls_agrees_on_http2() {
    let folder = tempfile::tempdir().unwrap();
    let (config, ca) = tls(folder.path());
    let origin = Http2Origin::start(Some(config), &[], |mut served| async move {
        while let Some(came) = served.next().await {
            if came.ends() {
                served.answer(came.stream).await;
            }
        }
    })
    .await;
    let backend = format!("https://{}", origin.address);
    let more = format!("tls = {{ ca = \"{ca}\", server_name = \"localhost\" }}");
    let bank = Bank::beside(shared(&backend, &more)).await;
    assert_eq!(at_once(&bank, 20).await, [200; 20]);
    for _ in 0..10 {
        assert_eq!(send(&bank, "POST", Bytes::from_static(b"x")).await.status(), 200);
    }
    // one for each worker
    assert!(origin.connections() <= 2, "{} connections", origin.connections());
    let reused = bank.gateway.metric("portcullis_backend_connection_reuses_total").await;
    assert!(reused >= 28, "{reused}");
}

/// The answers are larger than all buffers on the way, so that the windows fill.
#[tokio::test]
async fn clients_that_read_nothing_freeze_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let large = Bytes::from(vec![b'x'; 24 * 1024 * 1024]);
    let mut tasks = JoinSet::new();
    let count = Arc::clone(&connections);
    tasks.spawn(async move {
        let mut serving = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let large = large.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let body = match request.uri().path() {
                    "/large" => large.clone(),
                    _ => Bytes::from(vec![b'y'; 600 * 1024]),
                };
                async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            serving.spawn(async move {
                let _ = builder.serve_connection(TokioIo::new(tcp), service).await;
            });
        }
    });
    let bank = alone(address, "").await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let mut stream = socket.connect(bank.gateway.address()).await.unwrap();
        stream.write_all(b"GET /shared/1/large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        within("the first byte", stream.readable()).await.unwrap();
        silent.push(stream);
    }
    // as long as the five windows fill, answers pass; then they must go on passing
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) {
        let answer = send(&bank, "GET", Bytes::new()).await;
        assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 600 * 1024));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "on the same connection");
    drop(silent);
}

/// The bodies that came with each request, in the order of their ends.
type Bodies = mpsc::UnboundedReceiver<(usize, Vec<u8>)>;

/// Refuses the first `refusals` streams as `refuse` does, and answers the others.
async fn refusing(refusals: usize, how: Refusal) -> (Http2Origin, Bodies) {
    let (seen, saw) = mpsc::unbounded_channel();
    let left = Arc::new(AtomicUsize::new(refusals));
    let origin = Http2Origin::start(None, &[], move |mut served| {
        let (seen, left) = (seen.clone(), Arc::clone(&left));
        async move {
            let (mut body, mut refused) = (Vec::new(), BTreeSet::new());
            while let Some(came) = served.next().await {
                let next = |left: usize| left.checked_sub(1);
                if came.kind == kind::HEADERS
                    && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_ok()
                {
                    refused.insert(came.stream);
                    match how {
                        Refusal::Stream => served.reset(came.stream, REFUSED_STREAM).await,
                        Refusal::Beyond => served.go_away(0, NO_ERROR, "").await,
                        Refusal::Within => {
                            let _ = seen.send((served.number, Vec::new()));
                            served.go_away(came.stream, NO_ERROR, "").await;
                            return;
                        }
                    }
                }
                if refused.contains(&came.stream) {
                    continue;
                }
                if came.kind == kind::DATA {
                    body.extend(&came.payload);
                    served.takes(&came).await;
                }
                if came.ends() {
                    let _ = seen.send((served.number, std::mem::take(&mut body)));
                    served.answer(came.stream).await;
                }
            }
        }
    })
    .await;
    (origin, saw)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// RST_STREAM with REFUSED_STREAM.
    Stream,
    /// A GOAWAY that leaves the stream behind.
    Beyond,
    /// A GOAWAY that includes the stream, and the end of the connection.
    Within,
}

#[tokio::test]
async fn what_a_backend_did_not_process_is_sent_again_whatever_its_method() {
    for how in [Refusal::Stream, Refusal::Beyond] {
        let (origin, mut saw) = refusing(2, how).await;
        let bank = alone(origin.address, "retries = { attempts = 0 }").await;
        // the larger one fills the windows that the backend gives before it refuses
        for body in [Bytes::new(), Bytes::from(vec![b'x'; 1_000_000])] {
            let answer = send(&bank, "POST", body.clone()).await;
            assert_eq!(answer.status(), 200, "{how:?}");
            let (_, came) = within("a request", saw.recv()).await.unwrap();
            assert_eq!(came, body, "{how:?}");
        }
        assert_eq!(origin.connections() > 1, how == Refusal::Beyond);
        let lines = bank.gateway.log(2).await;
        assert_eq!(
            (&lines[1]["request_bytes"], &lines[1]["status"]),
            (&1_000_000.into(), &200.into())
        );
    }
}

#[tokio::test]
async fn a_backend_that_refuses_for_ever_is_not_asked_for_ever() {
    let (origin, _saw) = refusing(usize::MAX, Refusal::Stream).await;
    let bank = alone(origin.address, "retries = { attempts = 0 }").await;
    let answer = send(&bank, "POST", Bytes::from_static(b"x")).await;
    assert_eq!(answer.status(), 502);
    let lines = bank.gateway.log(1).await;
    assert_eq!(lines[0]["reason"], "backend_reset");
    assert!(lines[0]["message"].as_str().unwrap().contains("did not process"), "{lines:?}");
}

#[tokio::test]
async fn what_a_backend_may_have_processed_is_sent_once() {
    let (origin, mut saw) = refusing(1, Refusal::Within).await;
    let bank = alone(origin.address, "").await;
    assert_eq!(send(&bank, "POST", Bytes::from_static(b"x")).await.status(), 502);
    assert!(within("a request", saw.recv()).await.is_some());
    assert!(saw.try_recv().is_err(), "no other");
}

/// Counts streams that are open against the limit, and answers when `hold` are open or nothing came for a moment.
async fn limited(limit: usize, hold: usize) -> (Http2Origin, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (violations, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let total = Arc::new(AtomicUsize::new(0));
    let (wrong, peak) = (Arc::clone(&violations), Arc::clone(&most));
    let settings = [(MAX_CONCURRENT_STREAMS, u32::try_from(limit).unwrap())];
    let origin = Http2Origin::start(None, &settings, move |mut served| {
        let (wrong, peak, total) = (Arc::clone(&wrong), Arc::clone(&peak), Arc::clone(&total));
        async move {
            let mut open = BTreeSet::new();
            let mut held = true;
            loop {
                let came = tokio::time::timeout(Duration::from_millis(20), served.next()).await;
                match came {
                    Ok(None) => return,
                    Ok(Some(came)) if came.kind == kind::HEADERS => {
                        open.insert(came.stream);
                        let now = total.fetch_add(1, Ordering::SeqCst) + 1;
                        peak.fetch_max(now, Ordering::SeqCst);
                        if open.len() > limit {
                            wrong.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    _ => {}
                }
                held &= peak.load(Ordering::SeqCst) < hold;
                if !held {
                    for stream in std::mem::take(&mut open) {
                        total.fetch_sub(1, Ordering::SeqCst);
                        served.answer(stream).await;
                    }
                }
            }
        }
    })
    .await;
    (origin, violations, most)
}

#[tokio::test]
async fn a_backend_is_sent_no_more_streams_than_it_allows() {
    // eight connections of thirteen streams: the others wait for their turn
    for (limit, hold, requests) in [(1, 20, 20), (13, 104, 150)] {
        let (origin, violations, most) = limited(limit, hold).await;
        let bank = alone(origin.address, "retries = { attempts = 0 }").await;
        let statuses = at_once(&bank, requests).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert_eq!(violations.load(Ordering::SeqCst), 0, "of a limit of {limit}");
        assert_eq!(most.load(Ordering::SeqCst), hold, "with a limit of {limit}");
        assert!(origin.connections() <= hold.div_ceil(limit));
        let waited = bank.gateway.metric("portcullis_backend_stream_waits_total").await;
        assert!(requests == hold || waited >= 1, "{waited}");
    }
}

#[tokio::test]
async fn pings_come_only_while_something_waits() {
    let (pinged, mut pings) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let origin = Http2Origin::start(None, &[], move |mut served| {
        let (pinged, mut released) = (pinged.clone(), released.clone());
        async move {
            let mut held = None;
            loop {
                tokio::select! {
                    came = served.next() => match came {
                        None => return,
                        Some(came) if came.kind == kind::PING => {
                            let _ = pinged.send(());
                        }
                        Some(came) if came.ends() && came.stream == 1 => served.answer(1).await,
                        Some(came) if came.ends() => held = Some(came.stream),
                        Some(_) => {}
                    },
                    Ok(()) = released.changed() => {
                        if let Some(stream) = held.take() {
                            served.answer(stream).await;
                        }
                    }
                }
            }
        }
    })
    .await;
    let bank = alone(origin.address, "http2_ping_interval = \"100ms\"").await;
    assert_eq!(send(&bank, "GET", Bytes::new()).await.status(), 200);
    // nothing waits: none comes, however long it takes
    assert!(tokio::time::timeout(Duration::from_millis(700), pings.recv()).await.is_err());
    let (answer, ()) = tokio::join!(send(&bank, "GET", Bytes::new()), async {
        for _ in 0..2 {
            within("a ping", pings.recv()).await.unwrap();
        }
        release.send(true).unwrap();
    });
    assert_eq!(answer.status(), 200);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn the_log_names_the_backend_that_ended_a_stream() {
    let origin = Http2Origin::start(None, &[], |mut served| async move {
        while let Some(came) = served.next().await {
            if came.ends() {
                served.send(frame(kind::HEADERS, END_HEADERS, came.stream, &OK)).await;
                served.send(frame(kind::DATA, 0, came.stream, b"half")).await;
                served.reset(came.stream, ENHANCE_YOUR_CALM).await;
            }
        }
    })
    .await;
    let bank = alone(origin.address, "").await;
    let request = Request::get(bank.gateway.url("/shared/1/a")).body(Bytes::new()).unwrap();
    let broken = within("an end", Client::plain(Protocol::Http1).send(request)).await;
    assert!(broken.is_err(), "{broken:?}");
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(line["ending"], "backend_truncated", "{line}");
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with("the backend ended the stream"), "{message}");
    assert!(message.ends_with("detected excessive load generating behavior"), "{message}");
}

/// A connection on which nothing comes is given to no further request.
#[tokio::test]
async fn a_connection_that_is_dead_is_left_after_the_first_timeout() {
    let origin = Http2Origin::start(None, &[], |mut served| async move {
        let dead = served.number == 0;
        while let Some(came) = served.next().await {
            if came.ends() && !(dead && came.stream > 1) {
                served.answer(came.stream).await;
            }
        }
    })
    .await;
    let bank = alone(origin.address, "response_timeout = \"300ms\"").await;
    let started = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&bank, "GET", Bytes::new()).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 504, 200]);
    assert!(started.elapsed() < DEADLINE);
}

/// With a server of other authors: Node's, which counts streams for itself.
#[tokio::test]
async fn a_real_server_is_shared_and_never_asked_for_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ca) = tls(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let peers = Peers::start();
    let options = json!({
        "key": path("gateway.key"), "certificate": path("gateway.crt"), "streams": 5, "refuse": 3,
    });
    let port = peers.call("http2_server", options).await["port"].as_u64().unwrap();
    let more = format!("tls = {{ ca = \"{ca}\", server_name = \"localhost\" }}");
    let bank = Bank::beside(shared(&format!("https://127.0.0.1:{port}"), &more)).await;
    let body = Bytes::from(vec![b'x'; 50_000]);
    for _ in 0..5 {
        let answer = send(&bank, "POST", body.clone()).await;
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"POST 50000"[..]));
    }
    assert_eq!(at_once(&bank, 60).await, [200; 60]);
    assert_eq!(peers.saw("refused").await.len(), 3);
    // for each worker, at most as many as sixty requests need
    let sessions = peers.saw("session").await.len();
    assert!(sessions <= 14, "{sessions}");
}
