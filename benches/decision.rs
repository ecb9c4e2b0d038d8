//! What the decision on a request costs (route, a token seen before, authorize), with 1k, 100k and 1M consumer keys.

#![allow(
    clippy::expect_used,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a bench that cannot start says so"
)]

#[path = "support/stage.rs"]
mod stage;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::stage::Stage;

fn decision(criterion: &mut Criterion) {
    for consumer_keys in [1_000, 100_000, 1_000_000] {
        let stage = Stage::new(consumer_keys);
        assert!(stage.decide(), "the first one verifies the token");
        criterion.bench_function(&format!("decision, {consumer_keys} consumer keys"), |bencher| {
            bencher.iter(|| stage.decide());
        });
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
