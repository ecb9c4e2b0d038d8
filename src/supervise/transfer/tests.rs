//! Export, import and export again, on database files and on PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::config::ConfigFiles;
use crate::model::secret::{Secret, SecretKey};
use crate::model::store::{PostgresServer, PostgresTls, StoreLocation, StoreSettings};
use crate::store::{
    Change, Kind, Record, SecretPlace, SqliteStore, Store, StoreKeys, WriteProgress, open_beside,
    server, write_of,
};
use crate::supervise::clock::SystemClock;

const FILE: &str = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n\
                    [management]\naddress = \"127.0.0.1:0\"\nusers = [{ name = \"a\", \
                    password_hash = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$\
                    MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI\", roles = [\"admin\"] }]\n";

/// An SQLite store in a folder, or a database of PostgreSQL.
fn location(folder: &Path, name: &str) -> StoreSettings {
    let path = folder.join(name);
    drop(SqliteStore::open(&path, Arc::new(SystemClock)).unwrap());
    settings(StoreLocation::Sqlite(path), 1, &[])
}

fn settings(location: StoreLocation, current: u8, previous: &[u8]) -> StoreSettings {
    StoreSettings {
        location,
        state_dir: std::path::PathBuf::new(),
        poll_interval: std::time::Duration::from_secs(1),
        encryption_key: Some(SecretKey::new([current; 32])),
        previous_encryption_keys: previous.iter().map(|own| SecretKey::new([*own; 32])).collect(),
    }
}

async fn target(folder: &Path, settings: &StoreSettings) -> ImportTarget {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, FILE).unwrap();
    ImportTarget {
        store: open_beside(settings, Arc::new(SystemClock)).await.unwrap(),
        keys: Arc::new(StoreKeys::new(settings).unwrap()),
        files: Arc::new(ConfigFiles::read(&path)),
    }
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn record(kind: Kind, name: &str, declared: Value) -> Record {
    Record { declared: map(declared), ..Record::new(kind, Uuid::new_v4(), name) }
}

async fn write(store: &dyn Store, records: Vec<Record>) {
    let changes = records.into_iter().map(Change::Create).collect();
    store.write(write_of(changes)).await.unwrap();
}

/// A store with an object of each kind, and strings that TOML must escape.
async fn fill(target: &ImportTarget) {
    let mut manager = record(Kind::KeyManager, "is7", json!({}));
    let place = SecretPlace { kind: Kind::KeyManager, id: manager.id, field: "password" };
    let sealed = target.keys.seal(place, &Secret::new("swordfish".to_owned())).unwrap();
    manager.declared = map(json!({
        "name": "is7", "type": "KeyCloak", "issuer": "https://is.example", "description": null,
        "certificates": { "jwks": "https://is.example/jwks" },
        "introspection_endpoint": "https://is.example/introspect",
        "credentials": { "username": "a", "password": sealed }
    }));
    let mut api = record(
        Kind::Api,
        "orders:1",
        json!({
            "name": "orders", "version": "1", "context": "/orders",
            "production": { "urls": ["http://127.0.0.1:9"] },
            "operations": [{ "method": "GET", "path": "/*", "scopes": [] }]
        }),
    );
    api.place = Some("/orders/1".to_owned());
    api.owner = Some("pat".to_owned());
    let definition = Record { id: api.id, ..record(Kind::Definition, "orders:1", json!({})) };
    let mut deny = record(Kind::DenyCondition, "", json!({ "type": "ip", "value": "192.0.2.1" }));
    deny.name = deny.id.to_string();
    deny.place = Some(Record::condition_place(&deny.declared));
    let policy = json!({ "name": "Few", "level": "subscription", "requests": 5, "per": "1m" });
    let policy = record(Kind::ThrottlingPolicy, "subscription:Few", policy);
    let user = record(Kind::User, "anna", json!({ "name": "anna", "password_hash": "argon" }));
    let mut objects = vec![manager, api, definition, deny, policy, user];
    for name in ["z \"quoted\" \\ \u{e9}\u{1f980}", "a = [x]", "shop"] {
        let mut app = record(
            Kind::Application,
            name,
            json!({
                "name": name, "owner": "anna", "attributes": { "cost_center": "7" }
            }),
        );
        app.owner = Some("anna".to_owned());
        app.extra = map(json!({ "description": "kept in the store alone" }));
        app.declared.insert("quota_resets".to_owned(), json!({ "all": 7 }));
        let mut key = record(
            Kind::Key,
            &Record::key_name("is7", name),
            json!({
                "type": "production", "key_manager": "is7", "consumer_key": name
            }),
        );
        (key.parent, key.target) = (Some(app.id), Some("is7".to_owned()));
        key.place = Some(Record::key_place(app.id, "is7", "production"));
        let name = Record::subscription_name(app.id, "orders:1");
        let mut own =
            record(Kind::Subscription, &name, json!({ "api": "orders:1", "policy": "Few" }));
        (own.parent, own.target) = (Some(app.id), Some("orders:1".to_owned()));
        objects.extend([app, own, key]);
    }
    write(&*target.store, objects).await;
}

async fn text(target: &ImportTarget) -> String {
    export(&*target.store).await.unwrap().0
}

async fn prepare(target: &ImportTarget, text: &str, others: Others) -> StoreImport {
    StoreImport::prepare(target, text.to_owned(), others).await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn there_and_back(one: &ImportTarget, two: &ImportTarget) {
    fill(one).await;
    let (exported, summary) = export(&*one.store).await.unwrap();
    for secret in ["argon", "sealed", "swordfish", "quota_resets"] {
        assert!(!exported.contains(secret), "{exported}");
    }
    assert_eq!(
        summary,
        "7 objects of revision 1; not in the file: 1 secrets, 1 users, 1 OpenAPI definitions"
    );
    // the secret must be written if there was none
    let refused = StoreImport::prepare(two, exported.clone(), Others::Stay).await.unwrap_err();
    assert!(matches!(refused, TransferError::Refused(_)), "{refused:?}");
    let written = "[key_managers.credentials]\n";
    assert!(exported.contains(written), "{exported}");
    let with = exported.replace(written, &format!("{written}password = \"swordfish\"\n"));
    let import = prepare(two, &with, Others::Stay).await;
    assert_eq!((import.count(), import.plan.changes.len()), (13, 13));
    let access: Vec<_> = import.plan.access.iter().map(|own| own.text.as_str()).collect();
    assert!(access.contains(&"shop (anna) gains all of orders:1 (GET /orders/1/*)"), "{access:?}");
    let progress = WriteProgress::default();
    import.apply(&*two.store, progress.clone()).await.unwrap();
    assert_eq!(progress.made(), 13);
    assert_eq!(text(two).await, exported, "the same bytes");
    for target in [one, two] {
        for file in [&exported, &with] {
            let again = prepare(target, file, Others::Go).await;
            assert!(again.plan.is_empty() && again.count() == 0, "{:?}", again.plan);
        }
        let manager = target.store.named(Kind::KeyManager, "is7").await.unwrap().unwrap();
        let password = &manager.declared["credentials"]["password"];
        let place = SecretPlace { kind: Kind::KeyManager, id: manager.id, field: "password" };
        assert_eq!(target.keys.open(place, password).unwrap().reveal(), "swordfish");
    }
    let shop = one.store.named(Kind::Application, "shop").await.unwrap().unwrap();
    assert_eq!(shop.extra["description"], "kept in the store alone");
    let changed = exported.replace("/orders\"", "/other\"");
    prepare(one, &changed, Others::Stay).await.apply(&*one.store, progress).await.unwrap();
    let api = one.store.named(Kind::Api, "orders:1").await.unwrap().unwrap();
    assert_eq!(
        (api.declared["context"].as_str(), api.owner.as_deref()),
        (Some("/other"), Some("pat"))
    );
}

#[test]
fn export_import_and_export_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let one = target(folder.path(), &location(folder.path(), "one.db")).await;
        let two = target(folder.path(), &location(folder.path(), "two.db")).await;
        there_and_back(&one, &two).await;
    });
}

#[test]
fn the_same_bytes_on_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let process = server::PostgresProcess::start();
    let database = |name: &str| {
        let password = Some(Secret::new(server::PASSWORD.to_owned()));
        let url = process.database(name);
        let server = PostgresServer { url, password, ca: None, tls: PostgresTls::Off };
        settings(StoreLocation::Postgres(Box::new(server)), 1, &[])
    };
    runtime().block_on(async {
        let one = target(folder.path(), &database("one")).await;
        let two = target(folder.path(), &database("two")).await;
        there_and_back(&one, &two).await;
    });
}

#[test]
fn a_changed_file_changes_what_it_names_and_removes_only_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let target = target(folder.path(), &location(folder.path(), "one.db")).await;
        fill(&target).await;
        let exported = text(&target).await;
        let mut file: toml::Table = toml::from_str(&exported).unwrap();
        let applications = file["applications"].as_array_mut().unwrap();
        // the client moves from one application to another, without ids
        let mut moved: toml::Table = toml::from_str("name = 'new'\nowner = 'ben'").unwrap();
        let shop = applications.iter_mut().find(|own| own["name"].as_str() == Some("shop"));
        let shop = shop.unwrap().as_table_mut().unwrap();
        let mut keys = shop.remove("keys").unwrap();
        keys[0].as_table_mut().unwrap().remove("id");
        moved.insert("keys".to_owned(), keys);
        shop.insert("name".to_owned(), "store".into());
        applications.retain(|own| own["name"].as_str() != Some("a = [x]"));
        applications.push(moved.into());
        let changed = toml::to_string(&file).unwrap();
        let import = prepare(&target, &changed, Others::Stay).await;
        assert_eq!(
            import.plan.lines(),
            [
                "~ application store: name",
                "+ application new",
                "~ key shop of new: application",
                "access:",
                "  shop (anna) loses all of orders:1 (GET /orders/1/*)",
            ]
        );
        let removing = prepare(&target, &changed, Others::Go).await;
        let lines = removing.plan.lines();
        for line in [
            "- application a = [x]",
            "- key a = [x] of a = [x]",
            "- subscription orders:1 of a = [x]",
        ] {
            assert!(lines.contains(&line.to_owned()), "{lines:?}");
        }
        let revision = removing.apply(&*target.store, WriteProgress::default()).await.unwrap();
        assert_eq!(revision, 2, "one transaction");
        assert_eq!(target.store.named(Kind::Application, "a = [x]").await.unwrap(), None);
        let store = target.store.named(Kind::Application, "store").await.unwrap().unwrap();
        assert_eq!(store.extra["description"], "kept in the store alone");
        assert_eq!(store.declared["quota_resets"]["all"], 7);
        // an import that was prepared before another change is refused as a whole
        let back = prepare(&target, &exported, Others::Stay).await;
        let late = prepare(&target, &exported, Others::Stay).await;
        back.apply(&*target.store, WriteProgress::default()).await.unwrap();
        assert!(late.apply(&*target.store, WriteProgress::default()).await.is_err());
    });
}

#[test]
fn a_file_of_another_form_is_refused_by_name() {
    let told = |text: &str| file::read(text).unwrap_err().to_string();
    assert!(told("[[listeners]]\nbind = 'x'").contains("`listeners`"));
    assert!(told("applications = 1").contains("[[applications]]"));
    assert!(told("[[applications]]\nname = 'a'\nid = 'b'").contains("`id = \"b\"` is no UUID"));
    assert!(told("[[applications]]\nname = 'a'\nkeys = 2").contains("`applications.keys`"));
    assert!(told("[[applications").contains("TOML"));
}

#[test]
fn secrets_get_the_new_key() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let first = location(folder.path(), "one.db");
        let old = target(folder.path(), &first).await;
        fill(&old).await;
        let both = StoreKeys::new(&settings(first.location.clone(), 2, &[1])).unwrap();
        assert_eq!(rekey(&*old.store, &both).await.unwrap(), (1, 1));
        assert_eq!(rekey(&*old.store, &both).await.unwrap(), (0, 0));
        let manager = old.store.named(Kind::KeyManager, "is7").await.unwrap().unwrap();
        let place = SecretPlace { kind: Kind::KeyManager, id: manager.id, field: "password" };
        let new = StoreKeys::new(&settings(first.location, 2, &[])).unwrap();
        let sealed = &manager.declared["credentials"]["password"];
        assert_eq!(new.open(place, sealed).unwrap().reveal(), "swordfish");
        assert!(old.keys.open(place, sealed).is_err());
        // without the old key nothing can be read, and nothing is lost
        let other = StoreKeys::new(&settings(StoreLocation::None, 3, &[])).unwrap();
        assert!(rekey(&*old.store, &other).await.is_err());
    });
}
