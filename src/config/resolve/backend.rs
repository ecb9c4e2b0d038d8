//! `[apis.production]` and `[apis.sandbox]`.

use std::time::Duration;

use http::Uri;

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::source::Sources;
use crate::model::backend::{Backend, BackendTls, Scheme, Target};
use crate::model::template::literal;

/// What an address looks like.
const SHAPE: &str = "\"http://10.0.0.1:8080/base\" or \"https://backend.bank.example\"";

/// The default of `idle_connections`.
const IDLE_CONNECTIONS: i64 = 256;

pub(super) fn backend(table: &Table<'_>, sources: &Sources) -> Option<Backend> {
    let mut targets = Vec::new();
    for written in table.texts_or_tables("urls") {
        match written {
            Ok(url) => targets.extend(target(table, &url, 1)),
            Err(inner) => {
                let weight = u32::try_from(inner.integer("weight", 1..=1000, 1)).unwrap_or(1);
                targets.extend(inner.needed("url").and_then(|url| target(&inner, &url, weight)));
            }
        }
    }
    let tls = match table.table("tls") {
        Some(tls) => tls_settings(&tls, sources),
        None => BackendTls::default(),
    };
    let idle = table.integer("idle_connections", 0..=1_000_000, IDLE_CONNECTIONS);
    let backend = Backend {
        connect_timeout: table.time("connect_timeout", Duration::from_secs(2)),
        response_timeout: table.time("response_timeout", Duration::from_secs(30)),
        idle_connections: usize::try_from(idle).unwrap_or_default(),
        tls,
        place: sources.place(&table.at()),
        targets,
    };
    if backend.targets.is_empty() {
        if table.texts_or_tables("urls").is_empty() {
            table.problems().error(table.at(), format!("`{}` names no backend", table.path("urls")), None);
        }
        return None;
    }
    Some(backend)
}

fn target(table: &Table<'_>, url: &Placed<&str>, weight: u32) -> Option<Target> {
    let refuse = |message: String, hint: &str| {
        table.problems().error(url.at.clone(), message, Some(hint.to_owned()));
        None
    };
    if url.value.starts_with("srv+") {
        return refuse("`urls` with \"srv+\" is not supported yet".to_owned(), SHAPE);
    }
    let Ok(uri) = url.value.parse::<Uri>() else { return refuse(format!("{:?} is not an address", url.value), SHAPE) };
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return refuse(format!("{:?} is neither http nor https", url.value), SHAPE),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return refuse(format!("{:?} names no host", url.value), SHAPE);
    };
    if authority.as_str().contains('@') {
        // not shown: it may hold a password
        return refuse("a backend's address cannot hold a user or a password".to_owned(), SHAPE);
    }
    if uri.query().is_some() || url.value.contains('#') {
        return refuse(format!("{:?}: a backend's address ends with its path", url.value), SHAPE);
    }
    let path = uri.path().trim_end_matches('/');
    let bad = path.split('/').skip(1).find(|segment| matches!(*segment, "" | "." | "..") || literal(segment).is_err());
    if let Some(segment) = bad {
        return refuse(format!("{:?}: the segment {segment:?} is not in normal form", url.value), SHAPE);
    }
    let port = match (authority.port(), authority.port_u16()) {
        (None, _) => scheme.default_port(),
        (Some(_), Some(port)) if port > 0 => port,
        _ => return refuse(format!("{:?} has no valid port", url.value), SHAPE),
    };
    let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
    Some(Target { scheme, host, port, base_path: path.to_owned(), weight })
}

fn tls_settings(table: &Table<'_>, sources: &Sources) -> BackendTls {
    let client = table.wanted("certificate").is_some() || table.wanted("key").is_some();
    BackendTls {
        ca: pem::authorities(table, "ca", sources),
        client_certificate: client.then(|| pem::client_certificate(table, sources)).flatten(),
        server_name: table.wanted("server_name").map(|name| name.value.to_owned()),
    }
}
