//! What outlives a snapshot, and what is given back with it.

use std::path::Path;

use super::*;
use crate::config;
use crate::jwks::KeySets;
use crate::model::identity::Identities;
use crate::supervise::clock::SystemClock;

/// A gateway with these APIs, each with a backend and a concurrency limit of its own.
fn file(apis: &[String]) -> String {
    let mut text = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n".to_owned();
    for api in apis {
        text += &format!(
            "[[apis]]\nname = \"{api}\"\nversion = \"1\"\ncontext = \"/{api}\"\nmax_concurrent_requests = 7\n\
             production = {{ urls = [\"http://{api}.example\"] }}\noperations = [{{ method = \"GET\", path = \"/\" }}]\n"
        );
    }
    text
}

fn next(
    compiler: &mut Compiler,
    folder: &Path,
    identities: &Identities,
    apis: &[String],
) -> Snapshot {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, file(apis)).unwrap();
    let model = config::load_gateway(&path, identities).unwrap().model;
    let keys = KeySets::new(folder, Arc::new(SystemClock)).reconcile(&model.key_managers);
    compiler.compile(model, keys).unwrap()
}

fn found<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Arc<CompiledApi> {
    snapshot.apis.iter().find(|api| api.definition.name.as_str() == name).unwrap()
}

#[tokio::test]
async fn tables_give_back_what_no_snapshot_uses() {
    let folder = tempfile::tempdir().unwrap();
    let identities = Identities::default();
    let mut compiler = Compiler::new(Metrics::new(1, 1000), 1);
    let first = ["gone".to_owned(), "kept".to_owned()];
    let mut snapshot = next(&mut compiler, folder.path(), &identities, &first);
    let kept = Arc::clone(found(&snapshot, "kept"));
    for change in 0..50 {
        let apis = ["kept".to_owned(), format!("changed-{change}")];
        snapshot = next(&mut compiler, folder.path(), &identities, &apis);
        let (now, changed) =
            (found(&snapshot, "kept"), found(&snapshot, &format!("changed-{change}")));
        assert_eq!(now.slot, kept.slot, "nobody is renumbered");
        assert!(changed.slot.position() <= 2, "a slot that was given back is used again");
        assert!(snapshot.api(now.slot).is_some_and(|api| Arc::ptr_eq(api, now)));
        let (before, after) = (kept.gate.as_ref().unwrap(), now.gate.as_ref().unwrap());
        assert!(Arc::ptr_eq(before, after), "requests in flight are still counted");
        let target = |api: &CompiledApi| Arc::clone(&api.production.as_ref().unwrap().targets[0]);
        assert!(Arc::ptr_eq(&target(&kept).standings, &target(now).standings));
        assert_eq!(target(&kept).slot.position(), target(now).slot.position());
    }
    drop(snapshot);
    let only_kept = next(&mut compiler, folder.path(), &identities, &["kept".to_owned()]);
    assert_eq!((compiler.slots.held(), compiler.healths.len(), compiler.limits.len()), (1, 1, 1));
    drop((kept, only_kept));
    assert_eq!(compiler.slots.held(), 0);
}
