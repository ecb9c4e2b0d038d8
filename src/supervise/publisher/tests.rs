//! Files that are read again: the difference is applied, and the overlay is compacted.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::config;
use crate::supervise::clock::SystemClock;

const FILE: &str = r#"
application_files = ["applications.jsonl"]
[[listeners]]
name = "http"
address = "127.0.0.1:0"
[[key_managers]]
name = "km"
issuer = "https://issuer.example"
certificates = { jwks = "http://127.0.0.1:1/jwks" }
[[apis]]
name = "orders"
version = "1"
context = "/orders"
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/" }]
"#;

/// So many applications, some of them blocked.
fn applications(count: usize, blocked: impl Fn(usize) -> bool) -> String {
    let mut lines = String::new();
    for at in 0..count {
        let status = if blocked(at) { "blocked" } else { "unblocked" };
        writeln!(
            lines,
            r#"{{"name":"application-{at}","keys":[{{"type":"production","key_manager":"km","consumer_key":"consumer-{at}"}}],"subscriptions":[{{"api":"orders:1","status":"{status}"}}]}}"#
        )
        .unwrap();
    }
    lines
}

fn load(folder: &Path, lines: &str, identities: &Identities) -> Model {
    std::fs::write(folder.join("applications.jsonl"), lines).unwrap();
    std::fs::write(folder.join("gateway.toml"), FILE).unwrap();
    let mut model = config::load_gateway(&folder.join("gateway.toml"), identities).unwrap().model;
    model.gateway.state_dir = folder.to_owned();
    model
}

fn publisher(model: Model, identities: &Identities) -> Publisher {
    let (metrics, clock) = (Metrics::new(1, 1000), Arc::new(SystemClock) as Arc<dyn Clock>);
    let counters = Arc::new(Counters::unkept());
    let limiter = Arc::<SharedLimiter>::default();
    let context = PublisherContext {
        metrics: &metrics,
        workers: 1,
        clock: &clock,
        counters: &counters,
        limiter: &limiter,
    };
    Publisher::start(identities.clone(), model, &context).unwrap().0
}

/// Reads and publishes as a reload does.
fn reload(publisher: &mut Publisher, mut model: Model) -> Option<usize> {
    let directory = following(&publisher.snapshots.load(), &model);
    let changed = directory.as_ref().map(Directory::recent_count);
    if let Some(directory) = directory {
        model.directory = directory;
    }
    publisher.publish(model).unwrap();
    changed
}

#[tokio::test]
async fn a_file_that_is_read_again_is_applied_as_what_differs() {
    let (folder, identities) = (tempfile::tempdir().unwrap(), Identities::default());
    let first = load(folder.path(), &applications(100, |_| false), &identities);
    let mut publisher = publisher(first, &identities);
    let before = publisher.snapshots.load();

    let same = load(folder.path(), &applications(100, |_| false), &identities);
    assert_eq!(reload(&mut publisher, same), Some(0));
    let after = publisher.snapshots.load();
    assert_eq!(after.generation, before.generation + 1);
    assert!(Arc::ptr_eq(&before.routes, &after.routes), "nothing differs, and all is shared");
    assert!(Arc::ptr_eq(&before.settings, &after.settings));
    assert!(Arc::ptr_eq(&before.key_managers, &after.key_managers));
    assert!(before.directory.is(&after.directory));

    let one = load(folder.path(), &applications(100, |at| at == 42), &identities);
    assert_eq!(reload(&mut publisher, one), Some(1), "one application differs");
    let blocked = publisher.snapshots.load();
    assert!(Arc::ptr_eq(&before.routes, &blocked.routes));
    let key_manager = Arc::clone(&blocked.key_managers[0]);
    let state = |snapshot: &Snapshot, at: usize| {
        let owner = key_manager.find(&snapshot.directory, &format!("consumer-{at}")).unwrap();
        let api = snapshot.routes.apis[0].slot;
        snapshot.directory.subscription(owner.application, api).unwrap().state
    };
    let (blocked_before, blocked_now) = (state(&before, 42), state(&blocked, 42));
    assert_ne!(blocked_before, blocked_now);
    assert_eq!(state(&blocked, 41), blocked_before);

    let renumbered =
        load(folder.path(), &format!("\n{}", applications(100, |_| false)), &identities);
    assert_eq!(reload(&mut publisher, renumbered), Some(100), "each line has another number");
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_grown_overlay_is_folded_under_what_changed_meanwhile() {
    let (folder, identities) = (tempfile::tempdir().unwrap(), Identities::default());
    let count = COMPACT_BEYOND * 2;
    let first = load(folder.path(), &applications(count, |_| false), &identities);
    let mut publisher = publisher(first, &identities);
    let many = load(folder.path(), &applications(count, |at| at <= COMPACT_BEYOND), &identities);
    assert_eq!(reload(&mut publisher, many), Some(COMPACT_BEYOND + 1));
    let more =
        load(folder.path(), &applications(count, |at| at <= COMPACT_BEYOND + 1), &identities);
    assert_eq!(reload(&mut publisher, more), Some(COMPACT_BEYOND + 2));
    let before = publisher.snapshots.load();
    publisher.compact().await;
    let after = publisher.snapshots.load();
    assert_eq!(after.directory.recent_count(), 1, "what changed after the compaction began");
    assert_eq!(after.generation, before.generation);
    assert_eq!(before.directory.difference(&after.directory, 0), Some(Vec::new()));
    assert_eq!(after.directory.application_count(), count);
    publisher.shutdown().await;
}

#[tokio::test]
async fn policies_that_come_and_go_change_no_application() {
    let (folder, identities) = (tempfile::tempdir().unwrap(), Identities::default());
    let with = |policies: &[&str], application: &str| {
        let mut text = FILE.to_owned();
        for name in policies {
            writeln!(
                text,
                "[[throttling_policies]]\nname = \"{name}\"\nlevel = \"application\"\nrequests = 9\nper = \"1m\""
            )
            .unwrap();
        }
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let more = format!(r#"{{"name":"more","policy":"{application}"}}"#);
        let lines =
            applications(100, |_| false).replace("\"keys\"", "\"policy\":\"kept\",\"keys\"");
        std::fs::write(folder.path().join("applications.jsonl"), lines + &more).unwrap();
        let mut model = config::load_gateway(&file, &identities).unwrap().model;
        model.gateway.state_dir = folder.path().to_owned();
        model
    };
    let policy_of = |publisher: &Publisher, name: &str| {
        let snapshot = publisher.snapshots.load();
        let index =
            snapshot.directory.applications().find(|known| known.name == name).unwrap().policy;
        let compiled =
            snapshot.throttling.policy(index).map(|policy| policy.definition.name.clone());
        assert_eq!(
            compiled.as_deref(),
            snapshot.routes.throttling.policies.get(index).map(|p| p.name.as_str())
        );
        compiled.unwrap()
    };
    let mut publisher = publisher(with(&["gone", "kept"], "gone"), &identities);
    // one is added at the front, and one is removed: of the applications, one has changed
    assert_eq!(reload(&mut publisher, with(&["new", "kept"], "new")), Some(1));
    assert_eq!(policy_of(&publisher, "application-7"), "kept");
    assert_eq!(policy_of(&publisher, "more"), "new");
    for round in 0..10 {
        let name = format!("p-{round}");
        let changed = reload(&mut publisher, with(&[&name, "kept"], &name));
        assert_eq!(changed, Some(1), "{round}");
        assert_eq!(policy_of(&publisher, "application-7"), "kept");
        assert_eq!(policy_of(&publisher, "more"), name);
    }
}

#[test]
fn nothing_points_to_what_is_removed_and_a_template_counts_as_there() {
    const TEMPLATE: &str = "[[key_managers]]\nname = \"km\"\n\
        issuer = \"https://issuer.example/t/{tenant}/o/{org}/token\"\n\
        certificates = { jwks = \"https://issuer.example/t/{tenant}/o/{org}/jwks\" }\n\
        organization_pattern = \"carbon[.]super/[0-9a-f-]{36}\"\n[[apis]]";
    let (folder, identities) = (tempfile::tempdir().unwrap(), Identities::default());
    let path = folder.path().join("gateway.toml");
    let begin = FILE.find("[[key_managers]]").unwrap();
    let end = FILE.find("[[apis]]").unwrap() + "[[apis]]".len();
    let file = [&FILE[..begin], TEMPLATE, &FILE[end..]].concat();
    std::fs::write(&path, file).unwrap();
    std::fs::write(folder.path().join("applications.jsonl"), applications(2, |_| false)).unwrap();
    let mut model = config::load_gateway(&path, &identities).unwrap().model;
    assert_eq!((model.templates.len(), model.key_managers.len()), (1, 0));
    refuse_dangling(&model).unwrap();
    let templates = std::mem::take(&mut model.templates);
    assert!(refuse_dangling(&model).unwrap_err().to_string().contains("application-0"));
    model.templates = templates;
    model.apis.clear();
    refuse_dangling(&model).unwrap_err();
}
