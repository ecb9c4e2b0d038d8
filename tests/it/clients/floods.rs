//! HTTP/2 on raw sockets: what a client may not do for ever ends, and meanwhile others are answered.
//!
//! One worker serves all of them, so that the flood and the others share a thread.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol};
use crate::support::frames::{
    END_STREAM, Flood, Frames, INITIAL_WINDOW_SIZE, block, frame, kind, long_request, request,
};
use crate::support::script::Script;

const OPEN: &str = "/accounts/1.0.0/status";

/// Far more than any limit lets through.
const MOST: usize = 300_000;

/// How long others may wait for an answer during a flood; without one it is about a millisecond.
const LONGEST_ANSWER: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(5);

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const PROTOCOL_ERROR: u32 = 1;
/// The digits 431 as RFC 7541 appendix B codes them.
const HUFFMAN_431: [u8; 3] = [0x69, 0x90, 0xff];
const ENHANCE_YOUR_CALM: u32 = 11;

async fn bank(more: &str) -> Bank {
    Bank::of(|config| config.gateway("workers = 1").tables(more)).await
}

fn stream(count: usize) -> u32 {
    u32::try_from(count * 2 + 1).unwrap()
}

/// Floods on a connection that began with `first`, while another client asks all the time.
async fn flood(bank: &Bank, first: &[u8], pattern: impl Fn(usize) -> Vec<u8>) -> Flood {
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    frames.send(first).await.unwrap();
    let mut flooding = std::pin::pin!(frames.flood(MOST, PATIENCE, pattern));
    loop {
        tokio::select! {
            flood = &mut flooding => return flood,
            () = another_is_answered(bank) => {}
        }
    }
}

async fn another_is_answered(bank: &Bank) {
    let (started, client) = (Instant::now(), Client::plain(Protocol::Http1));
    let answer = client
        .send(Request::get(bank.gateway.url(OPEN)).body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(started.elapsed() < LONGEST_ANSWER, "{:?}", started.elapsed());
}

#[tokio::test]
async fn rapid_reset_ends_the_connection() {
    let bank = bank("").await;
    let flood = flood(&bank, &[], |count| {
        let id = stream(count);
        [request(id, END_STREAM, "GET", OPEN, &[]), frame(kind::RST_STREAM, 0, id, &CANCEL)]
            .concat()
    })
    .await;
    assert!(flood.ended && flood.sent < MOST, "{flood:?}");
    assert!(matches!(flood.goaway, None | Some(ENHANCE_YOUR_CALM)), "{flood:?}");
    another_is_answered(&bank).await;
}

/// Each costs a backend its connection; that the gateway is given the time to open it makes no difference.
#[tokio::test]
async fn resets_of_requests_that_were_forwarded_end_the_connection() {
    const AT_ONCE: usize = 20;
    let bank = bank("").await;
    bank.production.always(Script::hang());
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    let (started, mut sent, mut ended) = (Instant::now(), 0, false);
    // a machine that is held up may send less than a client may at length
    while !ended && started.elapsed() < PATIENCE {
        let ids: Vec<u32> = (sent..sent + AT_ONCE).map(stream).collect();
        let requests = ids.iter().flat_map(|id| request(*id, END_STREAM, "GET", OPEN, &[]));
        let asked: Vec<u8> = requests.chain(frame(kind::PING, 0, 0, &[1; 8])).collect();
        let resets = ids.iter().flat_map(|id| frame(kind::RST_STREAM, 0, *id, &CANCEL));
        ended = frames.send(asked).await.is_err()
            || frames.next_of(kind::PING).await.is_none()
            || frames.send(resets.collect::<Vec<u8>>()).await.is_err();
        sent += AT_ONCE;
    }
    let allowed = 1024.0 + 400.0 * (started.elapsed().as_secs_f64() + 0.5);
    let sent = f64::from(u32::try_from(sent).unwrap());
    assert!(sent <= allowed && (!ended || sent >= 500.0), "{sent} of {allowed}, ended: {ended}");
    bank.production.always(Script::echo());
    another_is_answered(&bank).await;
}

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let bank = bank("").await;
    let head = frame(kind::HEADERS, 0, 1, &block("GET", OPEN, &[]));
    for part in [&[][..], &[0, 1, b'a', 1, b'b']] {
        let flood = flood(&bank, &head, |_| frame(kind::CONTINUATION, 0, 1, part)).await;
        assert!(flood.ended && flood.sent < MOST, "{part:?}: {flood:?}");
        assert!(matches!(flood.goaway, None | Some(ENHANCE_YOUR_CALM)), "{part:?}: {flood:?}");
    }
    another_is_answered(&bank).await;
    assert!(
        bank.gateway.log(1).await.iter().all(|line| line["status"] == 200),
        "no request came of it"
    );
}

#[tokio::test]
async fn frames_that_ask_for_nothing_end_the_connection() {
    const PRIORITY_OF_FIRST: [u8; 5] = [0, 0, 0, 0, 1];
    let bank = bank("").await;
    let upload = request(1, 0, "GET", OPEN, &[]);
    for (what, first, bytes) in [
        ("SETTINGS", &[][..], frame(kind::SETTINGS, 0, 0, &[])),
        ("PING", &[], frame(kind::PING, 0, 0, &[1; 8])),
        ("PRIORITY", &[], frame(kind::PRIORITY, 0, 3, &PRIORITY_OF_FIRST)),
        ("unknown", &[], frame(200, 0, 0, &[])),
        ("empty DATA", &upload, frame(kind::DATA, 0, 1, &[])),
        ("WINDOW_UPDATE", &[], frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("WINDOW_UPDATE of zero", &[], frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE of zero on a stream", &upload, frame(kind::WINDOW_UPDATE, 0, 1, &[0; 4])),
    ] {
        let started = Instant::now();
        let flood = flood(&bank, first, |_| bytes.clone()).await;
        assert!(flood.ended, "{what}: {flood:?}");
        assert!(
            matches!(flood.goaway, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)),
            "{what}: {flood:?}"
        );
        assert!(started.elapsed() < PATIENCE, "{what}: {:?}", started.elapsed());
        another_is_answered(&bank).await;
    }
}

/// What it sends it is owed an answer for, and takes none: nothing more is read from it, and then it is cut off.
#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let bank = bank("[limits]\nbody_stall_timeout = \"1s\"\n").await;
    bank.production.always(Script::answer(200, &[], vec![b'x'; 1 << 20]));
    let mut frames =
        Frames::open(bank.gateway.address(), &[(INITIAL_WINDOW_SIZE, 1 << 30)]).await.unwrap();
    frames.send(frame(kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await.unwrap();
    let requests: Vec<u8> =
        (0..50).flat_map(|count| request(stream(count), END_STREAM, "GET", OPEN, &[])).collect();
    frames.send(requests).await.unwrap();
    // the gateway's place is free again: the connection is gone, though its end is behind megabytes that nobody reads
    let started = Instant::now();
    while !bank
        .gateway
        .metrics()
        .await
        .lines()
        .any(|line| line.starts_with("portcullis_connections{") && line.ends_with(" 0"))
    {
        assert!(started.elapsed() < PATIENCE, "{}", bank.gateway.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_client_without_requests_is_told_to_go_and_then_cut_off() {
    let bank = bank("[limits]\nheader_timeout = \"1s\"\nidle_timeout = \"3s\"\n").await;
    let client = async |asks: bool| {
        let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
        if asks {
            frames.send(request(1, END_STREAM, "GET", OPEN, &[])).await.unwrap();
            frames.next_of(kind::DATA).await.unwrap();
        }
        // no request, and no head that could be late
        frames.send(frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).await.unwrap();
        let started = Instant::now();
        let goaway = frames.next_of(kind::GOAWAY).await.expect("told to go");
        assert_eq!(goaway.payload[4..], [0; 4], "without an error");
        assert!(
            started.elapsed() > Duration::from_secs(2),
            "not before its time: {:?}",
            started.elapsed()
        );
        // it does not answer the ping by which a graceful end is agreed on
        assert!(frames.next_of(kind::GOAWAY).await.is_none());
    };
    tokio::join!(client(true), client(false));
}

#[tokio::test]
async fn a_head_that_stops_half_way_is_cut_off() {
    let bank = bank("[limits]\nheader_timeout = \"1s\"\n").await;
    let begun = frame(kind::HEADERS, END_STREAM, 1, &block("GET", OPEN, &[]));
    let whole = request(1, END_STREAM, "GET", OPEN, &[]);
    let client = async |half: &[u8]| {
        let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
        frames.send(half).await.unwrap();
        let started = Instant::now();
        while frames.next().await.is_some() {}
        assert!(started.elapsed() < PATIENCE, "{half:?}: {:?}", started.elapsed());
    };
    tokio::join!(client(&begun), client(&whole[..whole.len() - 1]));
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let bank = bank("").await;
    let long = "x".repeat(30_000);
    let fields =
        [("a", &*long), ("b", &*long), ("c", &*long), ("d", &*long), ("e", &*long), ("f", &*long)];
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    frames.send(long_request(1, END_STREAM, "GET", OPEN, &fields[..2])).await.unwrap();
    let answer = frames.next_of(kind::HEADERS).await.expect("an answer");
    assert!(answer.payload.windows(3).any(|bytes| bytes == HUFFMAN_431), "{answer:?}");
    // that was one stream; the others go on
    frames.send(request(3, END_STREAM, "GET", OPEN, &[])).await.unwrap();
    assert!(frames.next_of(kind::DATA).await.is_some());
    // one so large that it is not even read to its end
    let _ = frames.send(long_request(5, END_STREAM, "GET", OPEN, &fields)).await;
    while let Some(frame) = frames.next().await {
        assert!(frame.kind != kind::HEADERS, "{frame:?}");
    }
    assert_eq!(bank.production.received().len(), 1);
}

#[tokio::test]
async fn more_fields_than_the_limit_are_refused() {
    let bank = bank("").await;
    let names: Vec<String> = (0..101).map(|count| format!("x-{count}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "1")).collect();
    let crumbs = [("cookie", "a=1"); 200];
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    for (at, (fields, answers)) in
        [(&fields[..], 0), (&fields[..100], 1), (&crumbs[..], 2)].into_iter().enumerate()
    {
        frames.send(request(stream(at), END_STREAM, "GET", OPEN, fields)).await.unwrap();
        frames.next_of(kind::DATA).await.expect("an answer");
        assert_eq!(bank.production.received().len(), answers, "{}", fields.len());
    }
    assert_eq!(bank.gateway.log(1).await[0]["reason"], "head_too_large");
}

#[tokio::test]
async fn a_stream_without_a_window_is_reset_and_the_others_go_on() {
    let bank = bank("[limits]\nbody_stall_timeout = \"1s\"\n").await;
    bank.production.always(Script::answer(200, &[], vec![b'x'; 1000]));
    let mut frames =
        Frames::open(bank.gateway.address(), &[(INITIAL_WINDOW_SIZE, 0)]).await.unwrap();
    let started = Instant::now();
    for count in 0..3 {
        frames.send(request(stream(count), END_STREAM, "GET", OPEN, &[])).await.unwrap();
    }
    for _ in 0..3 {
        let reset = frames.next_of(kind::RST_STREAM).await.expect("a reset");
        assert_eq!(reset.payload, CANCEL);
    }
    assert!(
        started.elapsed() > Duration::from_secs(1) && started.elapsed() < PATIENCE,
        "{:?}",
        started.elapsed()
    );
    let window = frame(kind::WINDOW_UPDATE, 0, stream(3), &1000_u32.to_be_bytes());
    frames.send([request(stream(3), END_STREAM, "GET", OPEN, &[]), window].concat()).await.unwrap();
    assert_eq!(frames.next_of(kind::DATA).await.expect("an answer").payload.len(), 1000);
}

/// It takes longer for the whole than a client may take nothing.
#[tokio::test]
async fn a_slow_client_gets_everything() {
    const STEP: u32 = 8_000;
    const STEPS: u32 = 25;
    let bank = bank("[limits]\nbody_stall_timeout = \"1s\"\n").await;
    bank.production.always(Script::answer(200, &[], vec![b'x'; (STEP * STEPS) as usize]));
    let mut frames =
        Frames::open(bank.gateway.address(), &[(INITIAL_WINDOW_SIZE, 0)]).await.unwrap();
    frames.send(frame(kind::WINDOW_UPDATE, 0, 0, &(STEP * STEPS).to_be_bytes())).await.unwrap();
    frames.send(request(1, END_STREAM, "GET", OPEN, &[])).await.unwrap();
    for step in 0..STEPS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        frames.send(frame(kind::WINDOW_UPDATE, 0, 1, &STEP.to_be_bytes())).await.unwrap();
        let mut came = 0;
        while came < STEP as usize {
            came += frames
                .next_of(kind::DATA)
                .await
                .unwrap_or_else(|| panic!("ended at {step}"))
                .payload
                .len();
        }
    }
}

/// A busy client's pings and windows are paid for by what it is answered.
#[tokio::test]
async fn a_client_that_is_being_served_may_ping_and_cancel() {
    const REQUESTS: usize = 2500;
    let bank = bank("").await;
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    for count in 0..REQUESTS {
        let id = stream(count);
        let window = frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]);
        let asked = [
            request(id, END_STREAM, "GET", OPEN, &[]),
            frame(kind::PING, 0, 0, &[1; 8]),
            window.clone(),
            window,
        ]
        .concat();
        frames.send(asked).await.unwrap();
        frames.next_of(kind::DATA).await.unwrap_or_else(|| panic!("ended at {count}"));
        frames.send(frame(kind::RST_STREAM, 0, id, &CANCEL)).await.unwrap();
    }
}
