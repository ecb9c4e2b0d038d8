//! What limits cost: the levels of a whole request beside the decision alone, counting on four levels on one thread and on
//! two (which count one hot application, or two callers), and the memory of a million counters.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a bench that cannot start says so"
)]

#[path = "support/stage.rs"]
mod stage;

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use http::HeaderMap;
use portcullis::limiter::counters::{CounterClaim, Counters, LockOrder, PlaceHint, PlacedClaim};
use portcullis::limiter::key::KeySpace;
use portcullis::limiter::limit::Limit;
use portcullis::limiter::time::{CountingTime, TimeScale};
use portcullis::model::policy::{Burst, ExcessRule, Quota, QuotaUnit, Window};

use crate::stage::Stage;

const START: u64 = 1_795_737_600_000;

/// Each figure is the least of so many: other work on the machine only adds.
const REPEATS: usize = 5;

fn main() {
    // `cargo test` runs benches too, to see that they start
    let measured = std::env::args().any(|argument| argument == "--bench");
    let time = Duration::from_millis(if measured { 1000 } else { 1 });
    requests(time);
    table(time, if measured { 100_000 } else { 100 });
    memory(if measured { 1_000_000 } else { 1_000 });
}

/// A request of a subscribed application with all levels: operation, subscription, application, custom and hard limit.
fn requests(time: Duration) {
    let (bare, limited) = (Stage::new(1_000), Stage::limited(1_000));
    let (lent, mut answer) = (limited.lend(), HeaderMap::new());
    assert!(bare.decide() && limited.decide(), "the first one verifies the token");
    let decided = least(|| timed(time, |_| assert!(black_box(bare.decide()))));
    let whole = least(|| {
        timed(time, |round| {
            answer.clear();
            assert!(limited.admit(at(round / 10), &lent, &mut answer));
        })
    });
    println!("the decision without limits: {decided:.0} ns");
    println!("the decision with five levels found, counted and told: {whole:.0} ns");
    println!("all levels together: {:.0} ns a request", whole - decided);
}

fn table(time: Duration, others: u32) {
    let table = Counters::new(1_000_000, keys(), TimeScale::default());
    let limits = ["operation", "subscription", "application", "custom"].map(limit);
    for caller in 0..others {
        table.admit(&claims(&limits, caller), at(0)).expect("room");
    }
    let of = |callers: &[u32]| least(|| run(&table, &limits, callers, time));
    println!("counting on four levels, one thread: {:.0} ns", of(&[7]));
    println!("counting on four levels, two threads, two callers: {:.0} ns", of(&[7, 8]));
    println!("counting on four levels, two threads, one caller: {:.0} ns", of(&[7, 7]));
    let anew = claims(&limits, 7);
    let anew = least(|| timed(time, |round| assert!(table.admit(&anew, at(round / 10)).is_ok())));
    println!("counting on four levels, one thread, found for each request: {anew:.0} ns");
}

/// What a million callers of one policy take.
fn memory(callers: u32) {
    let before = resident();
    let table = Counters::new(callers as usize, keys(), TimeScale::default());
    let limit = limit("application");
    for caller in 0..callers {
        let key = limit.base().of(keys().fingerprint([caller.to_le_bytes().as_slice()]));
        table.admit(&[CounterClaim { limit: &limit, key }], at(0)).expect("room");
    }
    let mib = (resident() - before) as f64 / (1024.0 * 1024.0);
    println!("{} counters: {mib:.0} MiB resident", table.live());
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * PAGE
}

fn least(mut figure: impl FnMut() -> f64) -> f64 {
    (0..REPEATS).map(|_| figure()).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds of one round, over this time.
fn timed(time: Duration, mut round: impl FnMut(u64)) -> f64 {
    const BETWEEN_LOOKS: u64 = 256;
    let (began, mut rounds) = (Instant::now(), 0);
    while began.elapsed() < time {
        (rounds..rounds + BETWEEN_LOOKS).for_each(&mut round);
        rounds += BETWEEN_LOOKS;
    }
    began.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

/// Nanoseconds of one request, for threads that each count one caller.
fn run(table: &Counters, limits: &[Arc<Limit>], callers: &[u32], time: Duration) -> f64 {
    let barrier = Barrier::new(callers.len());
    let figures: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter()
            .map(|caller| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let claims = claims(limits, *caller);
                    // as a worker remembers them for a token
                    let order = LockOrder::of(claims.iter().map(|claim| claim.key));
                    let hints: Vec<PlaceHint> =
                        claims.iter().map(|claim| order.hint(claim.key)).collect();
                    let placed = claims.iter().zip(&hints);
                    let placed = placed.map(|(claim, hint)| PlacedClaim { claim: *claim, hint });
                    barrier.wait();
                    // a millisecond for every ten requests: sub-windows and bursts move on
                    timed(time, |round| {
                        let now = at(round / 10);
                        assert!(table.admit_placed(&order, placed.clone(), now).is_ok());
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("counted")).collect()
    });
    figures.iter().sum::<f64>() / callers.len() as f64
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

/// The claims of a subscribed application: its counters lie in one part of the table, those of the API and of the custom
/// policy in others.
fn claims(limits: &[Arc<Limit>], caller: u32) -> Vec<CounterClaim<'_>> {
    let part = |kind: &str| keys().fingerprint([kind.as_bytes(), caller.to_le_bytes().as_slice()]);
    let homes = ["api", "application", "application", "user"];
    let all = limits.iter().zip(homes);
    all.map(|(limit, home)| CounterClaim {
        limit,
        key: limit.base().of(part(home)).beside(part(home)),
    })
    .collect()
}
