//! What counting one request on four levels costs: on one thread, on two that count other callers, and on two that count
//! one hot application.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that cannot start says so"
)]

use std::num::NonZeroU64;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use portcullis::limiter::counters::{Claim, Counters};
use portcullis::limiter::key::KeySpace;
use portcullis::limiter::limit::Limit;
use portcullis::limiter::time::{CountingTime, TimeScale};
use portcullis::model::policy::{Burst, ExcessRule, Quota, QuotaUnit, Window};

const START: u64 = 1_795_737_600_000;

fn main() {
    // `cargo test` runs benches too, to see that they start
    let measured = std::env::args().any(|argument| argument == "--bench");
    let rounds: u64 = if measured { 3_000_000 } else { 1_000 };
    let table = Counters::new(1_000_000, keys(), TimeScale::default());
    let limits = ["operation", "subscription", "application", "custom"].map(limit);
    let others = if measured { 100_000 } else { 100 };
    for caller in 0..others {
        let claims = claims(&limits, caller);
        table.admit(&claims, at(0)).expect("room");
    }
    println!("one thread: {:.0} ns a request on four levels", run(&table, &limits, &[7], rounds));
    println!("two threads, two callers: {:.0} ns", run(&table, &limits, &[7, 8], rounds));
    println!("two threads, one caller: {:.0} ns", run(&table, &limits, &[7, 7], rounds));
}

/// Nanoseconds of one request, for threads that each count one caller.
fn run(table: &Counters, limits: &[Arc<Limit>], callers: &[u32], rounds: u64) -> f64 {
    let barrier = Barrier::new(callers.len());
    let times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter()
            .map(|caller| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let claims = claims(limits, *caller);
                    barrier.wait();
                    let began = Instant::now();
                    for round in 0..rounds {
                        // a millisecond for every ten requests: sub-windows and bursts move on
                        let _ = table.admit(&claims, at(round / 10));
                    }
                    began.elapsed()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("counted")).collect()
    });
    let total: f64 = times.iter().map(Duration::as_secs_f64).sum();
    total * 1e9 / (rounds as f64 * callers.len() as f64)
}

fn keys() -> KeySpace {
    KeySpace::from_bytes([7; 32])
}

fn at(milliseconds: u64) -> CountingTime {
    CountingTime { steady: START + milliseconds, wall: START + milliseconds }
}

fn limit(name: &str) -> Arc<Limit> {
    let most = NonZeroU64::new(4_000_000_000).expect("not zero");
    let window = Window::Sliding(Duration::from_mins(1));
    let quota = Quota { unit: QuotaUnit::Requests, most, window };
    let burst = Some(Burst { requests: most, per: Duration::from_secs(1) });
    Limit::new(keys(), &[name], [quota], burst, ExcessRule::Refuse)
}

fn claims(limits: &[Arc<Limit>], caller: u32) -> Vec<Claim<'_>> {
    let part = keys().fingerprint([caller.to_le_bytes().as_slice()]);
    limits.iter().map(|limit| Claim { limit, key: limit.base().of(part) }).collect()
}
