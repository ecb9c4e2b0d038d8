//! A revoked token stays revoked until it would have expired, and no other token is.

use std::io::Write;

use super::*;
use crate::model::clock::UnixSeconds;
use crate::revocation::journal::Journal;
use crate::revocation::record::{Mark, RevocationKind, RevocationRecord};

fn marks(token: &str, id: &str, client: &str, issued_at: u64) -> Marks {
    let names = HolderNames { id: Some(id), client: Some(client), subject: None, entity: None };
    Marks {
        token: Mark::of_token(token.as_bytes()),
        own: Holders::of("km", names),
        family: None,
        issued_at: Some(UnixSeconds(issued_at)),
    }
}

fn token(mark: Mark, until: u64) -> RevocationRecord {
    RevocationRecord::new(mark, RevocationKind::Token, UnixSeconds(until))
}

#[test]
fn one_token_is_revoked_by_itself_or_by_its_id() {
    let revocations = Revocations::in_memory();
    let (now, other) = (UnixSeconds(100), marks("b", "2", "c", 50));
    revocations.revoke(&[token(Mark::of_token(b"a"), 200)]).unwrap();
    assert!(
        revocations.is_revoked(&marks("a", "1", "c", 50), now)
            && !revocations.is_revoked(&other, now)
    );
    revocations.revoke(&[token(Mark::of_id("km", "2"), 200)]).unwrap();
    assert!(revocations.is_revoked(&other, now));
    revocations.revoke(&[token(Mark::of_id("another", "3"), 200)]).unwrap();
    assert!(
        !revocations.is_revoked(&marks("c", "3", "c", 50), now),
        "the same id of another key manager"
    );
    assert!(!revocations.is_revoked(&other, UnixSeconds(201)));
    revocations.forget_expired(UnixSeconds(201)).unwrap();
    assert_eq!(revocations.count(), 0);
    assert_eq!(revocations.facts().expired, 3);
}

#[test]
fn all_that_a_client_got_before_a_moment_is_revoked() {
    let revocations = Revocations::in_memory();
    let kind = RevocationKind::Holder { before: UnixSeconds(60) };
    revocations
        .revoke(&[RevocationRecord::new(Mark::of_client("km", "c"), kind, UnixSeconds(1000))])
        .unwrap();
    let now = UnixSeconds(100);
    assert!(revocations.is_revoked(&marks("a", "1", "c", 60), now));
    assert!(
        !revocations.is_revoked(&marks("a", "1", "c", 61), now)
            && !revocations.is_revoked(&marks("a", "1", "d", 60), now)
    );
    let unknown = Marks { issued_at: None, ..marks("a", "1", "c", 0) };
    assert!(revocations.is_revoked(&unknown, now), "it may be from before");
}

#[test]
fn it_outlives_a_restart_and_a_torn_write() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path(), UnixSeconds(0)).unwrap();
    let path = opened.journal.path().to_owned();
    let revocations = Revocations::kept(opened);
    revocations.revoke(&[token(Mark::of_token(b"a"), 200)]).unwrap();
    revocations.revoke(&[token(Mark::of_token(b"old"), 50)]).unwrap();
    drop(revocations);
    append(&path, &[0xA7, 0x5E, 0]);
    for _ in 0..2 {
        let opened = Journal::open(folder.path(), UnixSeconds(100)).unwrap();
        assert_eq!(opened.records.len(), 1, "what has expired is forgotten");
        assert_eq!(opened.damage, None, "a crash leaves half a record");
        assert!(Revocations::kept(opened).is_revoked(&marks("a", "1", "c", 0), UnixSeconds(100)));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), EMPTY + RECORD);
}

/// The header, and a record without a note.
const EMPTY: u64 = 41;
const RECORD: u64 = 57;

fn append(path: &std::path::Path, bytes: &[u8]) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn what_is_known_already_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path(), UnixSeconds(0)).unwrap();
    let path = opened.journal.path().to_owned();
    let length = || std::fs::metadata(&path).unwrap().len();
    let revocations = Revocations::kept(opened);
    let client = |before, until| {
        let kind = RevocationKind::Holder { before: UnixSeconds(before) };
        RevocationRecord::new(Mark::of_client("km", "c"), kind, UnixSeconds(until))
    };
    for _ in 0..3 {
        revocations
            .revoke(&[token(Mark::of_token(b"a"), 200), client(50, 200), client(40, 200)])
            .unwrap();
        revocations
            .take(
                &[
                    token(Mark::of_token(b"a"), 200),
                    client(50, 150),
                    token(Mark::of_token(b"past"), 9),
                ],
                UnixSeconds(10),
            )
            .unwrap();
    }
    assert_eq!(length(), EMPTY + 2 * RECORD);
    let generation = revocations.generation();
    revocations.take(&[client(60, 200), client(60, 300)], UnixSeconds(10)).unwrap();
    assert_eq!((length(), revocations.generation()), (EMPTY + 4 * RECORD, generation + 1));
    let again = Revocations::seen(&Journal::look(folder.path(), UnixSeconds(10)).unwrap());
    assert!(
        again.is_revoked(&marks("x", "1", "c", 60), UnixSeconds(300)),
        "the later moment and the later end"
    );
    assert_eq!(again.count(), 2);
}

#[test]
fn the_journal_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path(), UnixSeconds(0)).unwrap();
    let path = opened.journal.path().to_owned();
    let revocations = Revocations::kept(opened);
    for (wave, until) in [(1_u8, 10), (2, 2000)] {
        let mark = |number: u32| Mark::of_token(&[&number.to_le_bytes()[..], &[wave]].concat());
        let records: Vec<_> = (0..11_000).map(|number| token(mark(number), until)).collect();
        revocations.revoke(&records).unwrap();
    }
    let length = || std::fs::metadata(&path).unwrap().len();
    revocations.forget_expired(UnixSeconds(5)).unwrap();
    assert_eq!(
        (revocations.count(), length()),
        (22_000, EMPTY + 22_000 * RECORD),
        "nothing to gain yet"
    );
    let before = revocations.bytes();
    revocations.forget_expired(UnixSeconds(1000)).unwrap();
    assert_eq!(
        (revocations.count(), length()),
        (11_000, EMPTY + 22_000 * RECORD),
        "half of it is of use"
    );
    revocations.forget_expired(UnixSeconds(3000)).unwrap();
    assert_eq!((revocations.count(), length()), (0, EMPTY));
    assert!(revocations.bytes() < before / 4, "{} of {before}", revocations.bytes());
    revocations.revoke(&[token(Mark::of_token(b"after"), 9000)]).unwrap();
    assert_eq!(length(), EMPTY + RECORD, "the new file is the one that is written to");
}

#[test]
fn one_kind_may_become_the_other_and_the_counts_stay_true() {
    let revocations = Revocations::in_memory();
    let mark = Mark::of_client("km", "c");
    revocations
        .take(
            &[RevocationRecord::new(
                mark,
                RevocationKind::Holder { before: UnixSeconds(1) },
                UnixSeconds(9),
            )],
            UnixSeconds(0),
        )
        .unwrap();
    revocations.take(&[token(mark, 9)], UnixSeconds(0)).unwrap();
    assert_eq!(revocations.facts().held, [("token", 1), ("holder", 0)]);
    revocations.forget_expired(UnixSeconds(10)).unwrap();
    assert_eq!(revocations.facts().held, [("token", 0), ("holder", 0)]);
}

#[test]
fn a_million_cost_less_than_64_mebibytes_and_no_time() {
    let revocations = Revocations::in_memory();
    let measured = allocation_counter::measure(|| {
        for number in 0_u32..1_000_000 {
            revocations.enter(&token(Mark::of_token(&number.to_le_bytes()), 200));
        }
    });
    assert_eq!(revocations.count(), 1_000_000);
    assert!(measured.bytes_current < 64 << 20, "{} MiB", measured.bytes_current >> 20);
    let counted = i64::try_from(revocations.bytes()).unwrap();
    assert!(
        (measured.bytes_current - counted).abs() < 1 << 20,
        "{counted} said, {} taken",
        measured.bytes_current
    );
    // a lookup allocates nothing; the best of several rounds shows its cost if nothing else runs
    let looked_for: Vec<_> = (0_u32..1000)
        .map(|number| marks(&format!("t{number}"), &format!("i{number}"), "c", 1))
        .collect();
    let each = |revocations: &Revocations| {
        let round = || {
            let began = std::time::Instant::now();
            assert!(
                !looked_for.iter().any(|marks| revocations.is_revoked(marks, UnixSeconds(100)))
            );
            began.elapsed() / 1000
        };
        (0..50).map(|_| round()).min().unwrap()
    };
    let allocated = allocation_counter::measure(|| {
        std::hint::black_box(revocations.is_revoked(&looked_for[0], UnixSeconds(100)));
    });
    assert_eq!(allocated.count_total, 0);
    let (none, million) = (each(&Revocations::in_memory()), each(&revocations));
    assert!(
        million < none + std::time::Duration::from_micros(3),
        "{none:?} without, {million:?} with, unoptimized"
    );
}

mod journal;
mod taking_back;
