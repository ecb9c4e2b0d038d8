//! What is revoked stays so until it would have expired, and nothing else is.

use std::io::Write;

use super::*;

fn marks(token: &str, id: &str, client: &str, issued_at: u64) -> Marks {
    Marks {
        token: Mark::of_token(token.as_bytes()),
        id: Some(Mark::of_id("km", id)),
        client: Some(Mark::of_client("km", client)),
        subject: None,
        issued_at: Some(UnixSeconds(issued_at)),
    }
}

fn token(mark: Mark, until: u64) -> Record {
    Record { mark, kind: Kind::Token, until: UnixSeconds(until) }
}

#[test]
fn one_token_is_revoked_by_itself_or_by_its_id() {
    let revocations = Revocations::in_memory();
    let (now, other) = (UnixSeconds(100), marks("b", "2", "c", 50));
    revocations.revoke(&token(Mark::of_token(b"a"), 200)).unwrap();
    assert!(revocations.is_revoked(&marks("a", "1", "c", 50), now) && !revocations.is_revoked(&other, now));
    revocations.revoke(&token(Mark::of_id("km", "2"), 200)).unwrap();
    assert!(revocations.is_revoked(&other, now));
    revocations.revoke(&token(Mark::of_id("another", "3"), 200)).unwrap();
    assert!(!revocations.is_revoked(&marks("c", "3", "c", 50), now), "the same id of another key manager");
    assert!(!revocations.is_revoked(&other, UnixSeconds(201)));
    revocations.forget_expired(UnixSeconds(201));
    assert_eq!(revocations.count(), 0);
}

#[test]
fn all_that_a_client_got_before_a_moment_is_revoked() {
    let revocations = Revocations::in_memory();
    let kind = Kind::Holder { before: UnixSeconds(60) };
    revocations.revoke(&Record { mark: Mark::of_client("km", "c"), kind, until: UnixSeconds(1000) }).unwrap();
    let now = UnixSeconds(100);
    assert!(revocations.is_revoked(&marks("a", "1", "c", 60), now));
    assert!(!revocations.is_revoked(&marks("a", "1", "c", 61), now) && !revocations.is_revoked(&marks("a", "1", "d", 60), now));
    let unknown = Marks { issued_at: None, ..marks("a", "1", "c", 0) };
    assert!(revocations.is_revoked(&unknown, now), "it may be from before");
}

#[test]
fn it_outlives_a_restart_and_a_torn_write() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, records) = Journal::open(folder.path(), UnixSeconds(0)).unwrap();
    let path = journal.path().to_owned();
    let revocations = Revocations::kept(journal, &records);
    revocations.revoke(&token(Mark::of_token(b"a"), 200)).unwrap();
    revocations.revoke(&token(Mark::of_token(b"old"), 50)).unwrap();
    drop(revocations);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[1, 2, 3]).unwrap();
    for _ in 0..2 {
        let (journal, records) = Journal::open(folder.path(), UnixSeconds(100)).unwrap();
        assert_eq!(records.len(), 1, "what has expired is forgotten");
        assert!(Revocations::kept(journal, &records).is_revoked(&marks("a", "1", "c", 0), UnixSeconds(100)));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), RECORD_BYTES_U64);
}

const RECORD_BYTES_U64: u64 = record::RECORD_BYTES as u64;

#[test]
fn a_million_cost_less_than_64_mebibytes() {
    let bytes = allocation_counter::measure(|| {
        let revocations = Revocations::in_memory();
        for number in 0_u32..1_000_000 {
            revocations.enter(&token(Mark::of_token(&number.to_le_bytes()), 200));
        }
        assert_eq!(revocations.count(), 1_000_000);
        std::mem::forget(revocations);
    });
    assert!(bytes.bytes_current < 64 << 20, "{} MiB", bytes.bytes_current >> 20);
}
