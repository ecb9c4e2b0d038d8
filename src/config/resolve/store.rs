//! Reads `[store]`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::secret::{secret, secret_key, secret_keys};
use crate::config::source::Sources;
use crate::model::store::{PostgresServer, PostgresTls, StoreLocation, StoreSettings};

/// The default time between two looks for changes of which no nudge came.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The accepted times: a shorter one loads the database, a longer one leaves a gateway behind.
const POLL_INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_mins(5);

/// The database in `state_dir` that is made when no other is written.
const FILE: &str = "portcullis.db";

pub(super) fn store(roots: &RootTables<'_>, sources: &Sources, state_dir: &Path) -> StoreSettings {
    let own_file = || StoreLocation::Sqlite(state_dir.join(FILE));
    let Some(table) = roots.once("store") else {
        return StoreSettings {
            location: own_file(),
            state_dir: state_dir.to_owned(),
            poll_interval: POLL_INTERVAL,
            encryption_key: None,
            previous_encryption_keys: Vec::new(),
        };
    };
    let location = match table.wanted("url") {
        None => own_file(),
        Some(url) if url.value == "none" => StoreLocation::None,
        Some(url) => match url.value.strip_prefix("sqlite:") {
            Some(path) => StoreLocation::Sqlite(file(path, sources, state_dir)),
            None => postgres(&table, &url, sources).unwrap_or(StoreLocation::None),
        },
    };
    if !matches!(location, StoreLocation::Postgres(_)) {
        for key in ["password", "ca", "tls"] {
            if table.has(key) {
                let message = format!("`store.{key}` does nothing: it is for PostgreSQL");
                let hint = Some("write `url = \"postgres://user@host/database\"`".to_owned());
                table.problems().warning(table.at_key(key), message, hint);
            }
        }
    }
    StoreSettings {
        location,
        state_dir: state_dir.to_owned(),
        poll_interval: poll_interval(&table),
        encryption_key: secret_key(&table, "encryption_key", sources),
        previous_encryption_keys: secret_keys(&table, "previous_encryption_keys", sources),
    }
}

/// The path of a database file; `<state_dir>` in it stands for the state folder.
fn file(path: &str, sources: &Sources, state_dir: &Path) -> PathBuf {
    match path.strip_prefix("<state_dir>") {
        Some(rest) => state_dir.join(rest.trim_start_matches('/')),
        None => sources.resolve(path),
    }
}

fn poll_interval(table: &Table<'_>) -> Duration {
    let Some(written) = table.duration("poll_interval") else { return POLL_INTERVAL };
    if !POLL_INTERVALS.contains(&written.value) {
        let message = "`store.poll_interval` must lie between 50ms and 5m".to_owned();
        table.error("poll_interval", message, None);
    }
    written.value
}

fn postgres(table: &Table<'_>, written: &Placed<&str>, sources: &Sources) -> Option<StoreLocation> {
    let refuse = |message: &str, hint: &str| {
        table.error("url", message.to_owned(), Some(hint.to_owned()));
        None
    };
    let url = Url::parse(written.value).ok();
    let url = url.filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let Some(url) = url.filter(|url| url.has_host() && url.path().len() > 1) else {
        return refuse(
            "`store.url` is no address of a store",
            "write \"sqlite:PATH\", \"postgres://user@host/database\" or \"none\"",
        );
    };
    if url.password().is_some() {
        return refuse(
            "`store.url` must not hold a password",
            "write it as `password = { env = \"NAME\" }` or `{ file = \"path\" }`",
        );
    }
    if url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
        return refuse(
            "`store.url` needs a user, and takes no parameters",
            "write \"postgres://user@host/database\"",
        );
    }
    let local = match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|own| own.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let tls = match table.choice("tls", &["required", "off"]) {
        Some("off") if !local => {
            let message = "`store.tls = \"off\"` is for a database on this machine only".to_owned();
            table.error("tls", message, None);
            PostgresTls::Required
        }
        Some("required") => PostgresTls::Required,
        None if !local => PostgresTls::Required,
        Some(_) | None => PostgresTls::Off,
    };
    Some(StoreLocation::Postgres(Box::new(PostgresServer {
        url: url.to_string(),
        password: table.has("password").then(|| secret(table, "password", sources)).flatten(),
        ca: pem::authorities(table, "ca", sources),
        tls,
    })))
}
