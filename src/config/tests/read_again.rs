//! Readings that leave out application files which are the same: they lead to what a whole reading
//! leads to.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{API, KEY_MANAGER, LISTENER};
use crate::config::{ConfigFiles, EarlierReading, Loaded, StoredApplications, StoredObjects};
use crate::model::identity::Identities;

const LINES: &str = "{\"name\":\"f1\",\"keys\":[{\"type\":\"production\",\"key_manager\":\"km\",\"consumer_key\":\"c1\"}],\"subscriptions\":[{\"api\":\"a:1\"}]}\n{\"name\":\"f2\"}\n";

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jsonl"), LINES).unwrap();
    folder
}

fn text(tables: &str) -> String {
    format!("application_files = [\"a.jsonl\"]\n{LISTENER}{KEY_MANAGER}{API}{tables}")
}

/// A table of an application with one key.
fn table(name: &str, consumer_key: &str, blocked: bool) -> String {
    let status = if blocked { "blocked" } else { "unblocked" };
    format!(
        "[[applications]]\nname = \"{name}\"\nkeys = [{{ type = \"sandbox\", key_manager = \"km\", \
         consumer_key = \"{consumer_key}\" }}]\nsubscriptions = [{{ api = \"a:1\", status = \
         \"{status}\" }}]\n"
    )
}

fn read(
    folder: &Path,
    identities: &Identities,
    text: &str,
    earlier: Option<EarlierReading>,
) -> Result<Loaded, String> {
    let path = folder.join("gateway.toml");
    fs::write(&path, text).unwrap();
    let applications = earlier.map_or(StoredApplications::None, StoredApplications::NoneSince);
    let stored = StoredObjects { tables: Vec::new(), applications };
    let read = Arc::new(ConfigFiles::read(&path)).resolve_gateway(identities, stored);
    read.map_err(|report| report.to_string())
}

fn earlier(loaded: &Loaded) -> Option<EarlierReading> {
    Some(EarlierReading {
        read: loaded.application_files.clone()?,
        directory: loaded.model.directory.clone(),
    })
}

/// Tells whether the second reading left out the application files.
fn left_out(before: &Loaded, after: &Loaded) -> bool {
    before.model.directory.shares_base(&after.model.directory)
}

#[test]
fn files_that_are_the_same_are_left_out_and_others_are_not() {
    let (folder, identities) = (folder(), Identities::default());
    let first = text(&table("t1", "k1", false));
    let first = read(folder.path(), &identities, &first, None).unwrap();
    let read = |text: &str, before: &Loaded| {
        read(folder.path(), &identities, text, earlier(before)).unwrap()
    };
    let second = read(&text(&table("t1", "k1", true)), &first);
    assert!(left_out(&first, &second));
    assert_eq!(second.model.directory.application_count(), 3);
    assert_eq!(second.watched, first.watched, "a file that is not read is watched all the same");
    let third = read(&text(""), &second);
    assert!(left_out(&second, &third));
    assert_eq!(third.model.directory.application_count(), 2);

    // another line
    fs::write(folder.path().join("a.jsonl"), format!("{LINES}{{\"name\":\"f3\"}}\n")).unwrap();
    let fourth = read(&text(""), &third);
    assert!(!left_out(&third, &fourth));
    assert_eq!(fourth.model.directory.application_count(), 3);

    // the same bytes in another file of the same name
    fs::write(folder.path().join("new"), format!("{LINES}{{\"name\":\"f3\"}}\n")).unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("a.jsonl")).unwrap();
    let fifth = read(&text(""), &fourth);
    assert!(!left_out(&fourth, &fifth));

    // an API that no application of the files knows
    let other = API.replace("\"a\"", "\"b\"").replace("/a", "/b");
    let sixth = read(&text(&other), &fifth);
    assert!(!left_out(&fifth, &sixth));
    let seventh = read(&text(&other), &sixth);
    assert!(left_out(&sixth, &seventh));
}

#[test]
fn a_conflict_with_a_file_is_reported_as_by_a_whole_reading() {
    let (folder, identities) = (folder(), Identities::default());
    let first = read(folder.path(), &identities, &text(""), None).unwrap();
    for tables in [table("f1", "k1", false), table("t1", "c1", false)] {
        let again = read(folder.path(), &identities, &text(&tables), earlier(&first)).unwrap_err();
        let whole = read(folder.path(), &identities, &text(&tables), None).unwrap_err();
        assert_eq!(again, whole);
        assert!(whole.contains("a.jsonl:1"), "{whole}");
    }
    let without_api = text("").replace("name = \"a\"", "name = \"z\"");
    let again = read(folder.path(), &identities, &without_api, earlier(&first)).unwrap_err();
    assert!(again.contains("there is no API"), "{again}");
}

proptest! {
    #[test]
    fn any_edits_of_tables_lead_to_what_a_whole_reading_leads_to(
        edits in prop::collection::vec(
            prop::collection::btree_map(0..6_u8, (0..8_u8, any::<bool>()), 0..6),
            1..8,
        ),
    ) {
        let (folder, identities) = (folder(), Identities::default());
        let mut current = read(folder.path(), &identities, &text(""), None).unwrap();
        for tables in edits {
            let mut written = String::new();
            for (name, (consumer_key, blocked)) in tables {
                // some names and keys are those of the file, and some keys are taken twice
                let (name, key) = (["f1", "t1", "t2", "t3", "t4", "t5"][usize::from(name)], format!("c{consumer_key}"));
                write!(written, "{}", table(name, &key, blocked)).unwrap();
            }
            let again = read(folder.path(), &identities, &text(&written), earlier(&current));
            let whole = read(folder.path(), &identities, &text(&written), None);
            match (again, whole) {
                (Ok(again), Ok(whole)) => {
                    let differing = again.model.directory.difference(&whole.model.directory, 100);
                    prop_assert_eq!(differing, Some(Vec::new()));
                    prop_assert_eq!(
                        again.model.directory.key_count(),
                        whole.model.directory.key_count()
                    );
                    prop_assert!(left_out(&current, &again));
                    current = again;
                }
                (again, whole) => prop_assert_eq!(again.err(), whole.err()),
            }
        }
    }
}
