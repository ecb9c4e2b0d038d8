//! The suite on a real server, and the properties that only a server has.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::secret::Secret;
use crate::model::store::PostgresTls;
use crate::store::postgres::server::{PASSWORD, PostgresProcess};
use crate::store::suite::{Given, SetClock, application, every_function, with_policies, write_of};
use crate::store::write::Change;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn settings(url: String) -> PostgresServer {
    let password = Some(Secret::new(PASSWORD.to_owned()));
    PostgresServer { url, password, ca: None, tls: PostgresTls::Off }
}

macro_rules! one_after_another {
    ($with:ident $server:ident: $($module:ident::$name:ident),* $(,)?) => {
        $(
            println!("{}", stringify!($name));
            $with(&$server, async |given| {
                crate::store::suite::$module::$name(given).await;
            });
        )*
    };
}

mod crash;
mod plans;
mod tls;

/// One server for all: each function has a database of its own.
#[test]
fn the_whole_suite_holds_on_postgresql() {
    let server = PostgresProcess::start();
    every_function! { one_after_another with_database server: }
}

fn with_database(server: &PostgresProcess, test: impl AsyncFnOnce(Given<'_>)) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let url = server.database(&format!("suite_{number}"));
    let clock = Arc::new(SetClock::default());
    let runtime = runtime();
    runtime.block_on(async {
        let store = PostgresStore::new(&settings(url), Some(Arc::clone(&clock) as _)).unwrap();
        test(Given { store: &store, clock }).await;
        assert_eq!(store.recount().await.unwrap(), store.checksum().await.unwrap());
    });
}

async fn create(store: &PostgresStore, name: &str) -> Result<Written, StoreError> {
    store.write(write_of(vec![Change::Create(application(name, "anna"))])).await
}

#[test]
fn a_store_outlives_its_server_and_needs_nobody_to_recover() {
    let mut server = PostgresProcess::start();
    let url = server.database("crash");
    let runtime = runtime();
    runtime.block_on(async {
        let store = PostgresStore::new(&settings(url.clone()), None).unwrap();
        let other = PostgresStore::new(&settings(url), None).unwrap();
        // both at once, on a database without tables
        let (one, two) = tokio::join!(create(&store, "one"), create(&other, "two"));
        let mut revisions = [one.unwrap().revision, two.unwrap().revision];
        revisions.sort_unstable();
        assert_eq!(revisions, [1, 2]);
        server.kill();
        let refused = create(&store, "three").await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        assert!(!refused.to_string().contains(PASSWORD));
        server.run();
        // a connection that was open may be found dead by one call, not by the next
        let mut again = create(&store, "three").await;
        if again.is_err() {
            again = create(&store, "three").await;
        }
        assert_eq!(again.unwrap().revision, 3);
        assert_eq!(other.head().await.unwrap().revision, 3);
    });
}

#[test]
fn other_gateways_hear_of_a_write() {
    let server = PostgresProcess::start();
    let url = server.database("nudges");
    runtime().block_on(async {
        let (one, two) = (
            PostgresStore::new(&settings(url.clone()), None),
            PostgresStore::new(&settings(url), None),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        create(&one, "first").await.unwrap();
        let minute = Duration::from_mins(1);
        // the first nudge is that of a new listener
        for name in ["second", "third"] {
            timeout(minute, two.nudged()).await.expect("a nudge");
            create(&one, name).await.unwrap();
        }
        timeout(minute, two.nudged()).await.expect("a nudge");
        // times are those of the server
        let record = two.named(Kind::Application, "first").await.unwrap().unwrap();
        assert!(record.created_at > 1_700_000_000_000, "{record:?}");
    });
}

#[test]
fn a_wrong_password_or_a_later_format_is_told() {
    let server = PostgresProcess::start();
    let url = server.database("told");
    runtime().block_on(async {
        let mut wrong = settings(url.clone());
        wrong.password = Some(Secret::new("not this".to_owned()));
        let refused = PostgresStore::new(&wrong, None).unwrap().head().await.unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("password authentication failed"), "{told}");
        assert!(!told.contains("not this"), "{told}");
        let store = PostgresStore::new(&settings(url.clone()), None).unwrap();
        create(&store, "one").await.unwrap();
        server.sql("told", "UPDATE meta SET format = 77");
        let later = PostgresStore::new(&settings(url), None).unwrap();
        let refused = later.head().await.unwrap_err().to_string();
        assert!(refused.contains("has format 77"), "{refused}");
    });
}

#[test]
fn a_store_of_the_first_format_learns_who_holds_a_policy() {
    let server = PostgresProcess::start();
    let url = server.database("formats");
    runtime().block_on(async {
        let store = PostgresStore::new(&settings(url.clone()), None).unwrap();
        store.write(write_of(with_policies().map(Change::Create).to_vec())).await.unwrap();
        server.sql("formats", "DELETE FROM tallies WHERE facet = 'policy'; DROP INDEX audit_at");
        server.sql("formats", "UPDATE meta SET format = 1");
        let store = PostgresStore::new(&settings(url), None).unwrap();
        assert_eq!(store.holders(Kind::Application, "Gold").await.unwrap(), 2);
        assert_eq!(store.holders(Kind::Application, "7").await.unwrap(), 0);
    });
}

#[test]
fn a_command_that_only_reads_makes_no_tables_and_changes_nothing() {
    let server = PostgresProcess::start();
    let url = server.database("reading");
    runtime().block_on(async {
        let reading = PostgresStore::to_read(&settings(url.clone())).unwrap();
        let refused = reading.head().await.unwrap_err().to_string();
        assert!(refused.contains("meta"), "{refused}");
        let store = PostgresStore::new(&settings(url.clone()), None).unwrap();
        create(&store, "one").await.unwrap();
        let reading = PostgresStore::to_read(&settings(url.clone())).unwrap();
        assert_eq!(reading.head().await.unwrap().revision, 1);
        server.sql("reading", "UPDATE meta SET format = 0");
        let earlier = PostgresStore::to_read(&settings(url)).unwrap();
        let refused = earlier.head().await.unwrap_err().to_string();
        assert!(refused.contains("another format"), "{refused}");
    });
}
