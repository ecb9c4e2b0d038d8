//! What a token seen before costs while a worker remembers a million: on one thread, then on two at a time, each with its
//! own cache of a million, as workers have them.
//!
//! Tokens are picked at random and lie in a small buffer, as they do when they were just read from a socket; what the
//! cache keeps of them is wherever it is.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
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

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::crowd::{Crowd, FROM_A_FILE, Random, median};
use crate::signer::Signer;

/// Tokens that lie in the buffer together: less than the first-level cache holds.
const AT_ONCE: usize = 32;
const ROUNDS: usize = 20_000;

/// Room for everything: nothing is pushed out while it is measured.
const CACHE_BYTES: u64 = 16 * 1024 * 1024 * 1024;

fn main() {
    // `cargo test` runs benches too, to see that they start
    let entries = if std::env::args().any(|argument| argument == "--bench") {
        [1_000, 1_000_000].as_slice()
    } else {
        &[1_000]
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    let crowd = Crowd::new(Signer::new("ES256"), FROM_A_FILE);
    for &entries in entries {
        let tokens = crowd.tokens(entries, 2);
        println!("{entries} entries of {} bytes each", tokens[0].len());
        let barrier = Barrier::new(2);
        let measured: Vec<(f64, f64)> = thread::scope(|scope| {
            let workers: Vec<_> = (0..2)
                .map(|worker| {
                    scope.spawn({
                        let (crowd, tokens, barrier) = (&crowd, &tokens, &barrier);
                        move || one_worker(crowd, tokens, barrier, worker)
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("measured")).collect()
        });
        println!("  1 thread:  {:.0} ns a hit", measured[0].0);
        println!("  2 threads: {:.0} and {:.0} ns a hit", measured[0].1, measured[1].1);
    }
}

/// Fills its cache, measures alone if it is the first, and then beside the other.
fn one_worker(crowd: &Crowd, tokens: &[String], barrier: &Barrier, worker: usize) -> (f64, f64) {
    let (cache, routed) = (crowd.cache(worker, CACHE_BYTES), crowd.routed());
    for token in tokens {
        crowd.judge(&routed, token.as_bytes(), &cache).unwrap_or_else(|error| panic!("{error:?}"));
    }
    assert!(format!("{cache:?}").contains(&tokens.len().to_string()), "{cache:?}");
    let measure = || {
        let mut random = Random(worker as u64);
        let mut buffer = String::new();
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            buffer.clear();
            let ends: Vec<usize> = (0..AT_ONCE)
                .map(|_| {
                    buffer.push_str(&tokens[random.below(tokens.len())]);
                    buffer.len()
                })
                .collect();
            let mut start = 0;
            let begun = Instant::now();
            for end in &ends {
                crowd
                    .judge(&routed, black_box(&buffer.as_bytes()[start..*end]), &cache)
                    .expect("a hit");
                start = *end;
            }
            rounds.push(begun.elapsed().as_secs_f64() * 1e9 / AT_ONCE as f64);
        }
        median(rounds)
    };
    barrier.wait();
    let alone = if worker == 0 { measure() } else { 0.0 };
    barrier.wait();
    let together = measure();
    barrier.wait();
    (alone, together)
}
