//! Revocations are listed with author, time and object, and lifted for good.

use std::sync::Arc;

use super::*;
use crate::revocation::record::{CallId, Note, Of, What};

const NOW: UnixSeconds = UnixSeconds(100);

fn said(value: &str, until: u64, at: u64) -> RevocationRecord {
    let mark = Mark::of_id("km", value);
    let of = Of { what: What::Id, issuer: "km".into(), value: value.into() };
    let note = Note { call: CallId::of_mark(&mark), by: "anna".into(), of };
    let mut record = token(mark, until);
    (record.at, record.note) = (at, Some(Arc::new(note)));
    record
}

fn holds(revocations: &Revocations, value: &str) -> bool {
    revocations.is_revoked(&marks("t", value, "c", 1), NOW)
}

#[test]
fn a_list_has_pages_and_the_newest_first() {
    let revocations = Revocations::in_memory();
    for number in 0..5_u64 {
        revocations.revoke(&[said(&number.to_string(), 200, number * 1000)]).unwrap();
    }
    let (page, total) = revocations.list(1, 2, NOW);
    let values: Vec<_> = page
        .iter()
        .map(|listed| listed.records[0].note.as_ref().unwrap().of.value.to_string())
        .collect();
    assert_eq!((values, total), (vec!["3".to_owned(), "2".to_owned()], 5));
    assert_eq!(revocations.list(9, 2, NOW).0.len(), 0);
}

#[test]
fn what_was_taken_back_stays_so_after_a_restart_and_can_be_revoked_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Revocations::kept(Journal::open(folder.path(), NOW).unwrap());
    let revocations = open();
    let record = said("one", 200, 5000);
    revocations.revoke(&[record.clone(), said("two", 200, 5000)]).unwrap();
    let generation = revocations.generation();
    assert_eq!(revocations.take_back(record.call(), "otto", 5000).unwrap(), 1);
    assert!(!holds(&revocations, "one") && holds(&revocations, "two"));
    assert!(revocations.generation() > generation, "streams look again");
    assert_eq!(revocations.take_back(record.call(), "otto", 5000).unwrap(), 0, "once");
    drop(revocations);
    for _ in 0..2 {
        let revocations = open();
        assert!(!holds(&revocations, "one") && holds(&revocations, "two"));
    }
    let revocations = open();
    // another gateway that was away offers its revocations
    revocations.take(std::slice::from_ref(&record), NOW).unwrap();
    assert!(!holds(&revocations, "one"), "older than the taking back");
    // the clock of this gateway is behind
    revocations.revoke(&[said("one", 200, 4000)]).unwrap();
    assert!(holds(&revocations, "one"), "who revokes is obeyed");
    drop(revocations);
    let revocations = open();
    assert!(holds(&revocations, "one"));
    assert_eq!(revocations.list(0, 9, NOW).0.len(), 2);
    revocations.forget_expired(UnixSeconds(1000)).unwrap();
    assert_eq!(revocations.facts().lifted, 1, "told by the journal");
}

#[test]
fn gateways_agree_in_whatever_order_they_hear() {
    let first = said("one", 200, 5000);
    let lift = RevocationRecord { kind: RevocationKind::Lifted, at: 6000, ..first.clone() };
    let again = said("one", 150, 7000);
    let orders: [[&RevocationRecord; 3]; 6] = [
        [&first, &lift, &again],
        [&first, &again, &lift],
        [&lift, &first, &again],
        [&lift, &again, &first],
        [&again, &first, &lift],
        [&again, &lift, &first],
    ];
    for order in orders {
        let revocations = Revocations::in_memory();
        for record in order {
            revocations.take(&[(*record).clone()], NOW).unwrap();
        }
        assert!(holds(&revocations, "one"));
        let revocations = Revocations::in_memory();
        for record in order.into_iter().filter(|record| **record != again) {
            revocations.take(std::slice::from_ref(record), NOW).unwrap();
        }
        assert!(!holds(&revocations, "one"));
    }
}
