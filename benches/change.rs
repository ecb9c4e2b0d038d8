//! What one changed subscription costs among 1k, 100k and 1M applications: until it is in force, and for each request after.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a bench that cannot start says so, and prints what it found"
)]

#[path = "support/stage.rs"]
mod stage;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use portcullis::model::application::{
    Application, ApplicationName, ConsumerKey, KeyMapping, KeyMappings, KeyType, Owner,
    Subscription, SubscriptionState, Subscriptions,
};
use portcullis::model::directory::ApplicationChange;
use portcullis::model::policy::PolicyIndex;
use portcullis::model::provenance::Provenance;
use portcullis::snapshot::local::LocalSnapshots;
use portcullis::snapshot::{Snapshot, SnapshotChange, Snapshots};

use crate::stage::Stage;

/// The most that a change may take until it is in force, in milliseconds.
const AIM: f64 = 5.0;

const ROUNDS: usize = 101;

/// Recent changes beside the one that is measured: as many as there can be before they are folded.
const RECENT: usize = 1_000;

fn main() {
    println!("applications  recent  in force [ms]: median, worst  a decision [ns]: before, after");
    for applications in [1_000, 100_000, 1_000_000] {
        for recent in [1, RECENT.min(applications)] {
            measure(applications, recent);
        }
    }
}

fn measure(applications: usize, recent: usize) {
    let mut stage = Stage::new(applications);
    let before = decision(&stage);
    let snapshots = Arc::new(Snapshots::new(stage.snapshot.clone()));
    let worker = LocalSnapshots::new(Arc::clone(&snapshots));
    for at in 1..recent {
        change(&mut stage, &snapshots, at, SubscriptionState::Unblocked);
    }
    // the application that no decision here is about
    let changed = applications.div_euclid(3);
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let states = [SubscriptionState::Blocked, SubscriptionState::Unblocked];
        let state = states[round.rem_euclid(2)];
        let begun = Instant::now();
        change(&mut stage, &snapshots, changed, state);
        assert_eq!(state_of(&worker.load(), changed), state, "in force for the next request");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    stage.snapshot = Snapshot::clone(&snapshots.load());
    assert!(stage.snapshot.directory.recent_count() >= recent.min(2) - 1);
    let after = decision(&stage);
    took.sort_by(f64::total_cmp);
    let (median, worst) = (took[ROUNDS / 2], took[ROUNDS - 1]);
    println!(
        "{applications:>12}  {recent:>6}  {median:>21.3}, {worst:.3}  {before:>23.0}, {after:.0}"
    );
    assert!(median < AIM, "a change has to be in force within {AIM} ms");
}

/// As the publisher does it.
fn change(stage: &mut Stage, snapshots: &Snapshots, at: usize, state: SubscriptionState) {
    let current = snapshots.load();
    let (name, consumer_key) = (format!("application-{at}"), format!("consumer-{at}"));
    let key_manager = current.key_managers.first().expect("a key manager").slot;
    let api = current.routes.apis.first().expect("an API").slot;
    let policy = PolicyIndex::UNLIMITED;
    let consumer_key = ConsumerKey::try_from(consumer_key.as_str()).expect("a key");
    let key = KeyMapping { key_manager, key_type: KeyType::Production, consumer_key };
    let application = Application {
        name: ApplicationName::try_from(name.as_str()).expect("a name"),
        owner: Owner::try_from("").expect("nobody"),
        organization: None,
        policy,
        attributes: None,
        quota_resets: None,
        keys: KeyMappings::try_from(vec![key]).expect("one key"),
        subscriptions: Subscriptions::try_from(vec![Subscription { api, state, policy }])
            .expect("one"),
        place: Provenance::default(),
    };
    let directory =
        current.directory.with(&[ApplicationChange::Put(application)]).expect("no conflict");
    let next = stage
        .compiler
        .apply(&current, vec![SnapshotChange::Directory(directory)])
        .expect("a snapshot");
    snapshots.publish(next);
}

fn state_of(snapshot: &Snapshot, at: usize) -> SubscriptionState {
    let key_manager = snapshot.key_managers.first().expect("a key manager");
    let owner = key_manager.find(&snapshot.directory, &format!("consumer-{at}")).expect("a key");
    let api = snapshot.routes.apis.first().expect("an API").slot;
    snapshot.directory.subscription(owner.application, api).expect("a subscription").state
}

/// The median of what one decision takes, in nanoseconds.
fn decision(stage: &Stage) -> f64 {
    const DECISIONS: u32 = 10_000;
    assert!(stage.decide(), "the first one verifies the token");
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..DECISIONS {
                black_box(stage.decide());
            }
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
