//! The REST API over a store with a million applications: start, memory, lists, how soon a new client may call at this
//! gateway and at others, and what changes cost other traffic. Prints what docs/performance.md shows.
//! `cargo bench --bench provisioning` needs the package postgresql and 8 GiB of disk.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a bench that cannot start says so"
)]

#[path = "provisioning/changes.rs"]
mod changes;
#[path = "provisioning/clients.rs"]
mod clients;
#[path = "provisioning/copying.rs"]
mod copying;
#[path = "provisioning/deaf.rs"]
mod deaf;
#[path = "provisioning/fleet.rs"]
mod fleet;
#[path = "../tests/it/support/servers/postgres.rs"]
#[allow(dead_code, reason = "tests do more with it")]
mod postgres;
#[path = "provisioning/processors.rs"]
mod processors;
#[path = "provisioning/rest.rs"]
mod rest;
#[path = "provisioning/running.rs"]
mod running;
#[path = "../tests/it/support/clients/signer.rs"]
#[allow(dead_code, reason = "tests do more with it")]
mod signer;
#[path = "provisioning/traffic.rs"]
mod traffic;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use portcullis::store::{Author, Change, Kind, Record, SqliteStore, Store, Write, WriteProgress};
use portcullis::supervise::clock::SystemClock;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::fleet::{Fleet, Size};
use crate::running::{ADMINISTRATOR, Applications, Caller, Cores, Starting};
use crate::signer::Signer;

/// Each with one key and one subscription. The environment's `APPLICATIONS` takes another number.
const APPLICATIONS: u32 = 1_000_000;

const OWNERS: u32 = 1_000;

/// Applications of one transaction while the store is filled.
const AT_ONCE: u32 = 1_000;

/// Owns what [`owner`] gives it.
pub(crate) const DEVELOPER: &str = "dev-0";

pub(crate) const PORTAL: &str = "/api/am/devportal/v3";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test` runs benches too, to see that they start
    let measured = std::env::args().any(|argument| argument == "--bench");
    let wanted = std::env::var("APPLICATIONS").ok().and_then(|text| text.parse().ok());
    let (applications, rounds) =
        if measured { (wanted.unwrap_or(APPLICATIONS), 300) } else { (200, 3) };
    let folder = tempfile::tempdir().expect("a folder");
    let backend = clients::backend();
    let signer = Signer::new("1");
    let keys = signer.jwks();
    let of_files = one_gateway(folder.path(), &keys, backend, (applications, rounds)).await;
    let fleet = Fleet {
        folder: folder.path(),
        signer: &signer,
        keys: &keys,
        backend,
        applications,
        // the gateway before has made some
        count: applications + rounds,
        of_files,
    };
    let size = if measured { Size::Measured } else { Size::Tried };
    fleet.measure(size, rounds).await;
}

/// A gateway with a SQLite store of its own. Returns the MiB that the applications take from a file.
async fn one_gateway(folder: &Path, keys: &str, backend: u16, (count, rounds): (u32, u32)) -> u64 {
    let filling = Instant::now();
    fs::create_dir_all(folder.join("state")).expect("a folder");
    let path = folder.join("state/portcullis.db");
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).expect("a store");
    fill(&store, &folder.join("applications.jsonl"), count).await;
    drop(store);
    println!("{count} applications written in {:.0} s", filling.elapsed().as_secs_f64());
    let (applications, cores) = (Applications::File, Cores::All);
    let starting =
        Starting { folder: folder.to_owned(), applications, keys, backend, count, cores };
    let from_files = starting.clone().start().await;
    let of_files = from_files.resident();
    println!("from a file: ready after {:.1} s, {of_files} MiB", from_files.ready_after);
    drop(from_files);
    let from_store = Starting { applications: Applications::Sqlite, ..starting }.start().await;
    let of_store = from_store.resident();
    println!("from the store: ready after {:.1} s, {of_store} MiB", from_store.ready_after);
    println!("memory: {:.2} of that from a file", of_store as f64 / of_files as f64);
    for user in [ADMINISTRATOR, DEVELOPER] {
        lists(&mut from_store.caller(user).await, count, rounds).await;
    }
    changes(&mut from_store.caller(DEVELOPER).await, "new", rounds).await;
    of_files
}

/// Writes applications into a store, and into a file of applications.
async fn fill(store: &dyn Store, file: &Path, applications: u32) {
    let began = Instant::now();
    let mut lines = File::create(file).expect("a file");
    for first in (0..applications).step_by(AT_ONCE as usize) {
        let mut changes = Vec::new();
        let mut text = String::new();
        for number in first..(first + AT_ONCE).min(applications) {
            changes.extend(records(number).map(Change::Create));
            writeln!(text, "{}", line(number)).expect("memory");
        }
        lines.write_all(text.as_bytes()).expect("written");
        write(store, changes).await;
        let written = (first + AT_ONCE).min(applications);
        if written.is_multiple_of(applications.div_ceil(20)) {
            println!(
                "{written} of {applications} applications written, {:.0} s",
                began.elapsed().as_secs_f64()
            );
        }
    }
}

/// One transaction, however long it takes; returns its revision.
pub(crate) async fn write(store: &dyn Store, changes: Vec<Change>) -> u64 {
    let author = Author { name: "bench".to_owned(), address: None };
    let write =
        Write { author, action: "fill", changes, conditions: Vec::new(), notes: Vec::new() };
    store.write_long(write, WriteProgress::default()).await.expect("written").revision
}

/// Each owner has one application in a thousand.
fn owner(number: u32) -> String {
    format!("dev-{}", number % OWNERS)
}

/// An application as a line of a file.
pub(crate) fn line(number: u32) -> String {
    format!(
        r#"{{"name":"application-{number:07}","owner":"{}","keys":[{{"type":"production","key_manager":"is","consumer_key":"consumer-{number:07}"}}],"subscriptions":[{{"api":"orders:1.0.0"}}]}}"#,
        owner(number)
    )
}

/// An application with its key and its subscription.
pub(crate) fn records(number: u32) -> [Record; 3] {
    let (application, name) = (Uuid::new_v4(), format!("application-{number:07}"));
    let object = |value: Value| match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let mut own = Record::new(Kind::Application, application, name.clone());
    let owner = owner(number);
    own.declared = object(json!({ "name": name, "owner": owner, "policy": "Unlimited" }));
    own.owner = Some(owner);
    let consumer_key = format!("consumer-{number:07}");
    let mut key = Record::new(Kind::Key, Uuid::new_v4(), Record::key_name("is", &consumer_key));
    key.place = Some(Record::key_place(application, "is", "production"));
    key.parent = Some(application);
    key.target = Some("is".to_owned());
    key.declared =
        object(json!({ "type": "production", "key_manager": "is", "consumer_key": consumer_key }));
    let subscribed = Record::subscription_name(application, "orders:1.0.0");
    let mut subscription = Record::new(Kind::Subscription, Uuid::new_v4(), subscribed);
    subscription.parent = Some(application);
    subscription.target = Some("orders:1.0.0".to_owned());
    subscription.declared = object(json!({ "api": "orders:1.0.0", "policy": "Unlimited" }));
    [own, key, subscription]
}

pub(crate) async fn lists(caller: &mut Caller, applications: u32, rounds: u32) {
    let own = if caller.user == ADMINISTRATOR { applications } else { applications / OWNERS };
    for (what, path) in [
        ("the first 25", "/applications?limit=25"),
        ("the first 1,000", "/applications?limit=1000"),
        ("25 from the middle", "/applications?limit=25&offset=HALF"),
        (
            "25 from the middle, newest first",
            "/applications?sortBy=createdTime&sortOrder=desc&limit=25&offset=HALF",
        ),
        (
            "25 from the end, newest first",
            "/applications?sortBy=createdTime&sortOrder=desc&limit=25&offset=LAST",
        ),
        ("by the beginning of a name", "/applications?query=application-0NUMBER"),
        ("by consumer key", "/applications?consumerKey=consumer-0NUMBER"),
        ("subscriptions of an API", "/subscriptions?apiId=API&limit=25"),
        ("a thousand subscriptions of an API", "/subscriptions?apiId=API&limit=1000"),
    ] {
        let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
        let api = apis["list"][0]["id"].as_str().expect("an API").to_owned();
        let mut times = Vec::new();
        for round in 0..rounds {
            // another one each time, as far as there are
            let number = format!("{:06}", (round * 7_919) % applications.min(1_000_000));
            let path = path
                .replace("HALF", &(own / 2).to_string())
                .replace("LAST", &own.saturating_sub(25).to_string())
                .replace("API", &api)
                .replace("NUMBER", &number);
            times.push(caller.timed(&format!("GET {PORTAL}{path}"), &Value::Null).await.0);
        }
        tell(&format!("{}: {what}", caller.user), times);
    }
}

/// Each change is answered when it is in force.
pub(crate) async fn changes(caller: &mut Caller, name: &str, rounds: u32) {
    let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
    let (mut mapped, mut subscribed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let body = json!({ "name": format!("{name}-{round}"), "throttlingPolicy": "Unlimited" });
        let (_, made) = caller.timed(&format!("POST {PORTAL}/applications"), &body).await;
        let application = made["applicationId"].as_str().expect("an id").to_owned();
        let line = format!("POST {PORTAL}/applications/{application}/map-keys");
        let body = json!({ "consumerKey": format!("{name}-{round}"), "keyType": "PRODUCTION" });
        mapped.push(caller.timed(&line, &body).await.0);
        let body = json!({
            "applicationId": application, "apiId": apis["list"][0]["id"], "throttlingPolicy": "Unlimited",
        });
        subscribed.push(caller.timed(&format!("POST {PORTAL}/subscriptions"), &body).await.0);
    }
    tell("a mapping, from the call until it is in force", mapped);
    tell("a subscription, from the call until it is in force", subscribed);
}

pub(crate) fn tell(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |hundredth: usize| times.get(times.len() * hundredth / 100).copied().unwrap_or(0.0);
    println!("{what}: median {:.1} ms, p99 {:.1} ms", at(50), at(99));
}
