//! A damaged journal is reported and kept aside, and its readable records hold.

use std::fs;
use std::path::Path;

use super::*;
use crate::revocation::journal::follower::JournalFollower;
use crate::revocation::journal::{Damage, Opened};

const NOW: UnixSeconds = UnixSeconds(10);

/// A name, a change of bytes, and the number of records that stay readable.
type ByteChange<'c> = (&'c str, &'c dyn Fn(&mut Vec<u8>), usize);

/// A change of the file, and the number of files that are kept aside.
type FileChange<'c> = (&'c dyn Fn(&Path), usize);

fn mark(number: u8) -> Mark {
    Mark::of_token(&[number])
}

/// A journal with these records, closed.
fn written(folder: &Path, count: u8) -> Vec<u8> {
    let revocations = Revocations::kept(Journal::open(folder, NOW).unwrap());
    for number in 0..count {
        revocations.revoke(&[token(mark(number), 200)]).unwrap();
    }
    fs::read(folder.join("revocations")).unwrap()
}

fn opened(folder: &Path) -> Opened {
    Journal::open(folder, NOW).unwrap()
}

fn kept_aside(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().contains(".damaged-")).collect()
}

#[test]
fn each_kind_of_damage_is_noticed_and_the_rest_holds() {
    let (header, record) = (usize::try_from(EMPTY).unwrap(), usize::try_from(RECORD).unwrap());
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    let changes: [ByteChange<'_>; 12] = [
        ("a byte flipped in a record", &|bytes| flip(bytes, header + 3 * record + 20), 9),
        ("a byte flipped in the last record", &|bytes| flip(bytes, header + 9 * record + 20), 9),
        ("a byte flipped in a length", &|bytes| flip(bytes, header + 3 * record + 3), 9),
        ("a byte missing", &|bytes| _ = bytes.remove(header + 4 * record + 9), 9),
        ("a byte added", &|bytes| bytes.insert(header + 2 * record + 30, b'x'), 9),
        ("a byte added at the end", &|bytes| bytes.push(b'x'), 10),
        (
            "a whole record missing",
            &|bytes| drop(bytes.drain(header + record..header + 2 * record)),
            9,
        ),
        ("the last record missing", &|bytes| bytes.truncate(header + 9 * record), 9),
        ("the last record cut", &|bytes| bytes.truncate(header + 10 * record - 1), 9),
        ("a hole", &|bytes| bytes[header + record..header + 3 * record].fill(0), 8),
        ("the header flipped", &|bytes| flip(bytes, 3), 10),
        ("emptied", &|bytes| bytes.clear(), 0),
    ];
    for (name, change, readable) in changes {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = written(folder.path(), 10);
        change(&mut bytes);
        fs::write(folder.path().join("revocations"), &bytes).unwrap();
        assert_eq!(Journal::look(folder.path(), NOW).unwrap().len(), readable, "{name}");
        let found = opened(folder.path());
        assert_eq!(found.records.len(), readable, "{name}");
        let (damage, aside) = found.damage.clone().unwrap_or_else(|| panic!("{name} is missed"));
        assert_eq!(fs::read(aside.unwrap()).unwrap(), bytes, "{name}: {damage}");
        let revocations = Revocations::kept(found);
        assert_eq!(revocations.facts().journal_damages, 1);
        drop(revocations);
        let again = opened(folder.path());
        assert_eq!((again.damage, again.records.len()), (None, readable), "{name}, written anew");
        assert_eq!(kept_aside(folder.path()).len(), 1, "{name}");
    }
}

#[test]
fn what_a_crash_leaves_is_no_damage() {
    for tail in [&[0xA7][..], &[0xA7, 0x5E, 0, 49, 0, 0, 0, 10, 1, 2, 3], &[0; 700]] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 10);
        append(&folder.path().join("revocations"), tail);
        let found = opened(folder.path());
        assert_eq!((found.records.len(), found.damage), (10, None), "{tail:?}");
    }
}

#[test]
fn a_fresh_start_is_told_from_a_journal_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(opened(folder.path()).damage, None);
    fs::remove_file(folder.path().join("revocations")).unwrap();
    assert!(matches!(opened(folder.path()).damage, Some((Damage::Gone, None))));
    assert_eq!(opened(folder.path()).damage, None);
}

#[test]
fn a_journal_that_is_taken_away_or_replaced_while_running_is_written_anew() {
    let changes: [FileChange<'_>; 4] = [
        (&|path| fs::remove_file(path).unwrap(), 0),
        (&|path| fs::write(path, "").unwrap(), 1),
        (&|path| append(path, b"more"), 1),
        (
            &|path| {
                fs::remove_file(path).unwrap();
                fs::write(path, "another").unwrap();
            },
            1,
        ),
    ];
    for (number, (change, aside)) in changes.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let revocations = Revocations::kept(opened(folder.path()));
        revocations.revoke(&[token(mark(1), 200)]).unwrap();
        change(&folder.path().join("revocations"));
        revocations.revoke(&[token(mark(2), 200)]).unwrap();
        assert_eq!(revocations.facts().journal_damages, 1, "change {number}");
        assert_eq!(kept_aside(folder.path()).len(), aside, "change {number}");
        drop(revocations);
        let found = opened(folder.path());
        assert_eq!((found.records.len(), found.damage), (2, None), "change {number}");
        // without a write, the minute's look finds it
        let revocations = Revocations::kept(opened(folder.path()));
        change(&folder.path().join("revocations"));
        revocations.forget_expired(NOW).unwrap();
        assert_eq!(revocations.facts().journal_damages, 1, "change {number}");
        assert_eq!(Journal::look(folder.path(), NOW).unwrap().len(), 2, "change {number}");
    }
}

/// A record as builds before the header wrote it.
fn old_record(mark: Mark, kind: u8, before: u64) -> Vec<u8> {
    [&[kind][..], &mark.0, &200_u64.to_be_bytes(), &before.to_be_bytes()].concat()
}

#[test]
fn the_journal_of_an_earlier_build_is_taken_over_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations");
    let records = [
        old_record(Mark::of_token(b"a"), 1, 0),
        old_record(Mark::of_client("km", "c"), 2, 60),
        vec![1; 20],
    ];
    fs::write(&path, records.concat()).unwrap();
    for _ in 0..2 {
        let found = opened(folder.path());
        assert_eq!((found.records.len(), &found.damage), (2, &None));
        let revocations = Revocations::kept(found);
        assert!(revocations.has_named());
        assert!(revocations.is_revoked(&marks("x", "1", "c", 60), NOW));
        assert!(revocations.is_revoked(&marks("a", "1", "d", 60), NOW));
    }
    let bytes = [old_record(Mark::of_token(b"a"), 1, 0), vec![7; 33]].concat();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("revocations"), bytes).unwrap();
    let found = opened(folder.path());
    assert_eq!(found.records.len(), 1);
    assert!(found.damage.is_some() && kept_aside(folder.path()).len() == 1);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("revocations"), "").unwrap();
    assert_eq!(opened(folder.path()).damage, None, "an earlier build that revoked nothing");
}

#[test]
fn no_bytes_and_no_links_do_harm() {
    for garbage in
        [vec![0; 33], vec![255; 66], vec![7; 34], vec![0xA7; 5000], [0xA7, 0x5E].repeat(9000)]
    {
        for known in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            if known {
                fs::write(folder.path().join("format"), "2\n").unwrap();
            }
            fs::write(folder.path().join("revocations"), &garbage).unwrap();
            assert_eq!(opened(folder.path()).records, []);
            assert_eq!(opened(folder.path()).damage, None, "written anew");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "kept").unwrap();
    std::os::unix::fs::symlink(&target, folder.path().join("revocations")).unwrap();
    let refused = Journal::open(folder.path(), NOW).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");
    assert_eq!(fs::read(&target).unwrap(), b"kept");
}

#[test]
fn a_follower_sees_what_is_appended_and_what_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Revocations::kept(opened(folder.path()));
    writer.revoke(&[token(mark(1), 200)]).unwrap();
    let mut follower = JournalFollower::new(folder.path());
    assert_eq!(follower.read(NOW).unwrap().len(), 1);
    assert_eq!(follower.read(NOW).unwrap(), []);
    writer.revoke(&[token(mark(2), 200), token(mark(3), 200)]).unwrap();
    assert_eq!(follower.read(NOW).unwrap().len(), 2);
    drop(writer);
    let writer = Revocations::kept(opened(folder.path()));
    writer.revoke(&[token(mark(4), 200)]).unwrap();
    assert_eq!(follower.read(NOW).unwrap().len(), 4, "another process wrote it anew");
    writer.revoke(&[token(mark(5), 200)]).unwrap();
    assert_eq!(follower.read(NOW).unwrap().len(), 1);
}

#[test]
fn who_handed_the_journal_over_writes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let first = Revocations::kept(opened(folder.path()));
    first.revoke(&[token(mark(1), 200)]).unwrap();
    first.hand_over().unwrap();
    let second = Revocations::kept(opened(folder.path()));
    assert!(matches!(first.revoke(&[token(mark(2), 200)]), Err(RevocationError::HandedOver)));
    first.forget_expired(NOW).unwrap();
    second.revoke(&[token(mark(3), 200)]).unwrap();
    let marks: Vec<_> =
        Journal::look(folder.path(), NOW).unwrap().iter().map(|record| record.mark).collect();
    assert_eq!(marks, [mark(1), mark(3)]);
    first.own(opened(folder.path()));
    first.revoke(&[token(mark(4), 200)]).unwrap();
    assert_eq!(first.count(), 4, "what the other one was told holds here too");
}
