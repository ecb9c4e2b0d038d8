//! Reads `[apis.production]` and `[apis.sandbox]`.

use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::{balancing, figures};
use crate::config::source::Sources;
use crate::model::backend::{Addressing, Backend, BackendScheme, BackendTls, Target};
use crate::model::network::NetworkRule;
use crate::model::template::literal;

/// The form of an address, for hints.
const SHAPE: &str = "\"http://10.0.0.1:8080/base\" or \"https://backend.bank.example\"";

const SERVICE_SHAPE: &str = "\"srv+http://_orders._tcp.bank.example\"";

/// The default of `idle_connections`.
const IDLE_CONNECTIONS: i64 = 256;

/// The default of `response_stall_timeout`: long enough for event streams with rare events, short
/// enough that a dead server does not hold a client for ever.
const RESPONSE_STALL: Duration = Duration::from_mins(5);

/// The default of `http2_ping_interval`: gRPC servers close the connections of clients that ping
/// more often.
const PING_INTERVAL: Duration = Duration::from_mins(5);

const SLOW_START: Duration = Duration::from_secs(10);

/// Reads a backend. A file may name any backend. The management API may only name one that
/// `foreign` permits.
pub(super) fn backend(
    table: &Table<'_>,
    sources: &Sources,
    foreign: &NetworkRule,
) -> Option<Backend> {
    let place = sources.place(&table.at());
    let (targets, failover) = (targets(table, "urls"), targets(table, "failover"));
    let tls = match table.table("tls") {
        Some(tls) => tls_settings(&tls, sources),
        None => BackendTls::default(),
    };
    let idle = table.integer("idle_connections", 0..=1_000_000, IDLE_CONNECTIONS);
    let backend = Backend {
        connect_timeout: table.time("connect_timeout", Duration::from_secs(2)),
        response_timeout: table.time("response_timeout", Duration::from_secs(30)),
        response_stall_timeout: table.optional_time("response_stall_timeout", Some(RESPONSE_STALL)),
        request_timeout: table.optional_time("request_timeout", None),
        balance: balancing::balance(table),
        http2: balancing::http2(table),
        http2_ping_interval: table.optional_time("http2_ping_interval", Some(PING_INTERVAL)),
        retries: balancing::retries(table),
        health: balancing::health(table),
        eject: balancing::eject(table),
        panic_threshold: balancing::panic_threshold(table),
        slow_start: table.duration("slow_start").map_or(SLOW_START, |found| found.value),
        failover,
        idle_connections: usize::try_from(idle).unwrap_or_default(),
        tls,
        addressing: Addressing {
            preserve_host: table.flag("preserve_host", false),
            rewrite_location: table.flag("rewrite_location", false),
            forward_prefix: table.flag("forward_prefix", false),
        },
        hard_limit: figures::hard_limit(table),
        networks: place.revision().map(|_| foreign.clone()),
        place,
        targets,
    };
    if backend.targets.is_empty() {
        if table.texts_or_tables("urls").is_empty() {
            table.problems().error(
                table.at(),
                format!("`{}` has no address", table.path("urls")),
                None,
            );
        }
        return None;
    }
    Some(backend)
}

fn targets(table: &Table<'_>, key: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for written in table.texts_or_tables(key) {
        match written {
            Ok(url) => targets.extend(target(table, &url, 1)),
            Err(inner) => {
                let weight = u32::try_from(inner.integer("weight", 1..=1000, 1)).unwrap_or(1);
                targets.extend(inner.needed("url").and_then(|url| target(&inner, &url, weight)));
            }
        }
    }
    targets
}

fn target(table: &Table<'_>, url: &Placed<&str>, weight: u32) -> Option<Target> {
    match address(url.value) {
        Ok(target) => Some(Target { weight, ..target }),
        Err(InvalidAddress { message, hint }) => {
            table.problems().error(url.at.clone(), message, Some(hint.to_owned()));
            None
        }
    }
}

/// The reason why an address is not a backend's, and the form of one that is.
struct InvalidAddress {
    message: String,
    hint: &'static str,
}

impl InvalidAddress {
    fn new(message: String) -> Self {
        Self { message, hint: SHAPE }
    }

    fn of_service(message: String) -> Self {
        Self { message, hint: SERVICE_SHAPE }
    }
}

/// Reads an address; the target has the weight 1.
fn address(written: &str) -> Result<Target, InvalidAddress> {
    let service = written.strip_prefix("srv+");
    let Ok(uri) = service.unwrap_or(written).parse::<Uri>() else {
        return Err(InvalidAddress::new(format!("{written:?} is not an address")));
    };
    let scheme = match uri.scheme_str() {
        Some("http") => BackendScheme::Http,
        Some("https") => BackendScheme::Https,
        _ => return Err(InvalidAddress::new(format!("{written:?} is neither http nor https"))),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(InvalidAddress::new(format!("{written:?} has no host")));
    };
    if authority.as_str().contains('@') {
        // the address may contain a password, so it is not shown
        let message = "a backend's address must not contain a user or a password".to_owned();
        return Err(InvalidAddress::new(message));
    }
    if uri.query().is_some() || written.contains('#') {
        return Err(InvalidAddress::new(format!(
            "{written:?}: a backend's address must end with its path, without a query or fragment"
        )));
    }
    let base_path = base_path(uri.path(), written)?;
    let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
    let (host, service) = match service {
        None => (host, None),
        Some(_) => service_host(authority, host, written)?,
    };
    let port = port(authority, scheme, written)?;
    Ok(Target { scheme, host, service, port, base_path, weight: 1 })
}

fn base_path(path: &str, written: &str) -> Result<String, InvalidAddress> {
    let path = path.trim_end_matches('/');
    let bad = path
        .split('/')
        .skip(1)
        .find(|segment| matches!(*segment, "" | "." | "..") || literal(segment).is_err());
    match bad {
        None => Ok(path.to_owned()),
        Some(segment) => Err(InvalidAddress::new(format!(
            "{written:?}: the segment {segment:?} is not in normal form"
        ))),
    }
}

fn port(
    authority: &Authority,
    scheme: BackendScheme,
    written: &str,
) -> Result<u16, InvalidAddress> {
    match (authority.port(), authority.port_u16()) {
        (None, _) => Ok(scheme.default_port()),
        (Some(_), Some(port)) if port > 0 => Ok(port),
        _ => Err(InvalidAddress::new(format!("{written:?} has no valid port"))),
    }
}

/// Returns the host that certificates are for, and the service's whole name.
fn service_host(
    authority: &Authority,
    name: String,
    written: &str,
) -> Result<(String, Option<String>), InvalidAddress> {
    if authority.port().is_some() {
        return Err(InvalidAddress::of_service(format!(
            "{written:?} has a port, but SRV records name the port"
        )));
    }
    // certificates are for the domain below the service's labels (RFC 6125 section 6.2.1)
    match name.splitn(3, '.').collect::<Vec<_>>().as_slice() {
        [service, protocol, domain] if service.starts_with('_') && protocol.starts_with('_') => {
            Ok(((*domain).to_owned(), Some(name)))
        }
        _ => Err(InvalidAddress::of_service(format!("{written:?} does not name a service"))),
    }
}

fn tls_settings(table: &Table<'_>, sources: &Sources) -> BackendTls {
    let client = table.wanted("certificate").is_some() || table.wanted("key").is_some();
    BackendTls {
        ca: pem::authorities(table, "ca", sources),
        client_certificate: client.then(|| pem::client_certificate(table, sources)).flatten(),
        server_name: table.wanted("server_name").map(|name| name.value.to_owned()),
    }
}
