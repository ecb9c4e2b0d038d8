//! The parts that outlive a snapshot, and the ones that end with it.

use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::backend::BackendGroup;
use crate::config;
use crate::jwks::KeySets;
use crate::model::identity::Identities;
use crate::snapshot::CompiledApi;
use crate::supervise::clock::SystemClock;

/// A gateway with these APIs, each with a backend and a concurrency limit of its own.
fn file(apis: &[String]) -> String {
    let mut text = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n".to_owned();
    for api in apis {
        write!(
            text,
            "[[apis]]\nname = \"{api}\"\nversion = \"1\"\ncontext = \"/{api}\"\nmax_concurrent_requests = 7\n\
             production = {{ urls = [\"http://{api}.example\"] }}\noperations = [{{ method = \"GET\", path = \"/\" }}]\n"
        )
        .unwrap();
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
    snapshot.routes.apis.iter().find(|api| api.definition.name.as_str() == name).unwrap()
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
        assert!(Arc::ptr_eq(&target(&kept).healths, &target(now).healths));
        assert_eq!(target(&kept).slot.position(), target(now).slot.position());
    }
    drop(snapshot);
    let only_kept = next(&mut compiler, folder.path(), &identities, &["kept".to_owned()]);
    assert_eq!((compiler.slots.held(), compiler.healths.len(), compiler.limits.len()), (1, 1, 1));
    drop((kept, only_kept));
    assert_eq!(compiler.slots.held(), 0);
}

/// A small gateway: which APIs, applications and key managers there are, and how they and the
/// limits are.
#[derive(Debug, Clone)]
struct SmallWorld {
    apis: Vec<(usize, bool)>,
    applications: Vec<(usize, bool)>,
    key_managers: Vec<(usize, bool)>,
    max_headers: u32,
}

fn small_world() -> impl Strategy<Value = SmallWorld> {
    let some = || prop::collection::btree_map(0_usize..3, any::<bool>(), 0..4);
    (some(), some(), some(), 50_u32..53).prop_map(
        |(apis, applications, key_managers, max_headers)| SmallWorld {
            apis: apis.into_iter().chain([(9, false)]).collect(),
            applications: applications.into_iter().collect(),
            key_managers: key_managers.into_iter().chain([(9, true)]).collect(),
            max_headers,
        },
    )
}

impl SmallWorld {
    fn text(&self) -> String {
        let mut text = format!(
            "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n[limits]\nmax_headers = {}\n",
            self.max_headers
        );
        for (name, enabled) in &self.key_managers {
            write!(
            text,
                "[[key_managers]]\nname = \"km-{name}\"\nenabled = {enabled}\nissuer = \"https://issuer-{name}.example\"\n\
                 certificates = {{ jwks = \"http://127.0.0.1:1/jwks\" }}\n"
            )
        .unwrap();
        }
        for (name, limited) in &self.apis {
            let limit = if *limited { "max_concurrent_requests = 7\n" } else { "" };
            write!(
            text,
                "[[apis]]\nname = \"api-{name}\"\nversion = \"1\"\ncontext = \"/{name}\"\n{limit}\
                 production = {{ urls = [\"http://{name}.example\"] }}\noperations = [{{ method = \"GET\", path = \"/\" }}]\n"
            )
        .unwrap();
        }
        for (name, blocked) in &self.applications {
            let status = if *blocked { "blocked" } else { "unblocked" };
            write!(
            text,
                "[[applications]]\nname = \"application-{name}\"\n\
                 keys = [{{ type = \"production\", key_manager = \"km-9\", consumer_key = \"{name}\" }}]\n\
                 subscriptions = [{{ api = \"api-9:1\", status = \"{status}\" }}]\n"
            )
        .unwrap();
        }
        text
    }
}

/// Everything that a request could learn from a snapshot.
fn told(snapshot: &Snapshot) -> Vec<String> {
    let mut told = vec![format!("{:?}", snapshot.settings.declared)];
    for api in &snapshot.routes.apis {
        let targets = api.production.iter().flat_map(BackendGroup::all);
        let slots: Vec<_> = targets.map(|target| target.slot.position()).collect();
        let limit = api.gate.as_ref().map(Arc::as_ptr);
        told.push(format!("{} {:?} {slots:?} {limit:?}", api.slot.position(), api.definition));
    }
    for own in snapshot.key_managers.iter() {
        let keys = Arc::as_ptr(&own.keys);
        told.push(format!("{} {:?} {keys:?}", own.slot.position(), own.definition.without_place()));
        let issuer = own.definition.issuer.as_ref().unwrap().as_str();
        let found = snapshot.key_manager_of(issuer).map(|found| found.slot);
        told.push(format!("{issuer} {found:?}"));
    }
    told.push(format!("{:?}", snapshot.key_managers.learning));
    for application in snapshot.directory.applications() {
        let keys: Vec<_> = application.keys().collect();
        let subscriptions: Vec<_> = application.subscriptions().collect();
        told.push(format!(
            "{} {:?} {keys:?} {subscriptions:?}",
            application.name, application.place
        ));
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Applying the differences leads to the snapshot that compiling the whole leads to, step after
    /// step.
    #[test]
    fn apply_and_compile_lead_to_the_same_snapshot(worlds in prop::collection::vec(small_world(), 2..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let (folder, identities) = (tempfile::tempdir().unwrap(), Identities::default());
        let path = folder.path().join("gateway.toml");
        let mut key_sets = KeySets::new(folder.path(), Arc::new(SystemClock));
        let mut compiler = Compiler::new(Metrics::new(1, 1000), 1);
        let mut applied: Option<Snapshot> = None;
        for world in &worlds {
            std::fs::write(&path, world.text()).unwrap();
            let load = || config::load_gateway(&path, &identities).unwrap().model;
            let model = load();
            let keys = key_sets.reconcile(&model.key_managers);
            let compiled = compiler.compile(load(), keys.clone()).unwrap();
            let next = match &applied {
                None => compiler.compile(model, keys).unwrap(),
                Some(current) => {
                    let changes = SnapshotState::of(model, keys).changes_since(current);
                    compiler.apply(current, changes).unwrap()
                }
            };
            prop_assert_eq!(told(&next), told(&compiled));
            applied = Some(next);
        }
    }
}
