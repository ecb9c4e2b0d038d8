//! A flood of tokens whose random `kid` nobody knows: what each costs, and how often the server is asked for keys.
//!
//! The key set is fetched from a server on loopback by a task on a thread of its own, as it is in the gateway; a token is
//! judged, the key manager is asked for newer keys, and the refusal stands.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench that cannot start says so"
)]
#![allow(
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    reason = "shared with other benches"
)]

#[path = "support/crowd.rs"]
mod crowd;
#[path = "../src/jwt/tests/signer.rs"]
mod signer;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portcullis::authenticate::{Question, Unproven};
use portcullis::jwks::Refetched;

use crate::crowd::{Crowd, Random, key_set};
use crate::signer::Signer;

/// Longer than the flood takes, and than a request would wait.
const MIN_REFETCH: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(200);

/// Fetches that a flood may cause in a row.
const BURST: usize = 3;

fn main() {
    let tokens = if std::env::args().any(|argument| argument == "--bench") { 100_000 } else { 100 };
    let signer = Signer::new("ES256");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let document = key_set(&signer);
    let count = Arc::clone(&asked);
    // ends with the process
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            count.fetch_add(1, Ordering::SeqCst);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                document.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &document].concat());
        }
    });
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let guard = control.enter();
    let keys = format!(
        "certificates = {{ jwks = \"http://{address}/jwks\" }}\njwks_min_refetch = \"{}s\"\nrequest_timeout = \"{}ms\"",
        MIN_REFETCH.as_secs(),
        REQUEST_TIMEOUT.as_millis()
    );
    let crowd = Crowd::new(signer, &keys);
    drop(guard);
    let worker =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let keys = Arc::clone(&crowd.snapshot.key_managers.first().expect("a key manager").keys);
    worker.block_on(keys.settled());
    let mut random = Random(1);
    let flood: Vec<String> =
        (0..tokens).map(|_| crowd.forged(&format!("{:016x}", random.next()))).collect();
    for round in 1..=3 {
        thread::sleep(MIN_REFETCH * 3 + Duration::from_millis(200));
        let before = asked.load(Ordering::SeqCst);
        let (begun, used) = (Instant::now(), crowd::used());
        let looked = worker.block_on(flooded(&crowd, &flood));
        let (used, passed) = (crowd::used() - used, begun.elapsed().as_secs_f64());
        let each = |seconds: f64| seconds * 1e6 / flood.len() as f64;
        let fetches = asked.load(Ordering::SeqCst) - before;
        println!(
            "round {round}: {} tokens: {:.2} us of a core each, {:.2} us passed, {fetches} fetch",
            flood.len(),
            each(used),
            each(passed)
        );
        assert_eq!((fetches, looked), (BURST, BURST), "three looks for all of them");
    }
}

/// How many tokens were told that somebody looked for them.
async fn flooded(crowd: &Crowd, flood: &[String]) -> usize {
    let (cache, routed) = (crowd.cache(0, 1024 * 1024), crowd.routed());
    let mut looked = 0;
    for token in flood {
        let unproven =
            crowd.judge(&routed, token.as_bytes(), &cache).expect_err("nobody knows its key");
        let Unproven::Needs(Question::RefreshKeys { stale, .. }) = unproven else { continue };
        for (keys, cause) in stale {
            looked += usize::from(keys.refetch(cause).await == Refetched::Unchanged);
        }
    }
    looked
}
