//! Reads the settings of a key manager that have a default in `[key_manager_defaults]`.

use std::time::Duration;

use http::Uri;

use crate::config::reader::{Placed, Table};
use crate::model::gateway::ByteLimit;
use crate::model::key_manager::{ClientCertificate, Fetch, PemFile, ProxyChoice};
use crate::model::network::NetworkRule;

/// The settings of one key manager.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) leeway: Duration,
    pub(super) refresh: Duration,
    pub(super) min_refetch: Duration,
    pub(super) keep_stale: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) max_document_bytes: u64,
    pub(super) allow_http: bool,
    pub(super) proxy: ProxyChoice,
    pub(super) max_lifetime: Option<Duration>,
    /// The permitted networks for addresses of the management API.
    pub(super) networks: NetworkRule,
}

impl Default for Settings {
    fn default() -> Self {
        let fetch = Fetch::default();
        Self {
            leeway: Duration::from_secs(30),
            refresh: fetch.refresh,
            min_refetch: fetch.min_refetch,
            keep_stale: fetch.keep_stale,
            connect_timeout: fetch.connect_timeout,
            request_timeout: fetch.request_timeout,
            max_document_bytes: fetch.max_document_bytes,
            allow_http: fetch.allow_http,
            proxy: fetch.proxy,
            max_lifetime: None,
            networks: NetworkRule::default(),
        }
    }
}

pub(super) fn settings(table: &Table<'_>, defaults: &Settings) -> Settings {
    let leeway = table.duration("leeway").map_or(defaults.leeway, |leeway| {
        if leeway.value > MOST_LEEWAY {
            table.problems().error(
                leeway.at,
                format!("`{}` must be at most 5m", table.path("leeway")),
                Some("correct the clocks instead".to_owned()),
            );
        }
        leeway.value
    });
    let max_document_bytes = match table.size("max_document_bytes") {
        None => defaults.max_document_bytes,
        Some(Placed { value: ByteLimit::Bytes(bytes @ 1..=16_777_216), .. }) => bytes,
        Some(found) => {
            table.problems().error(
                found.at,
                format!("`{}` must be from 1B to 16MiB", table.path("max_document_bytes")),
                None,
            );
            defaults.max_document_bytes
        }
    };
    Settings {
        leeway,
        refresh: table.time("jwks_refresh", defaults.refresh),
        min_refetch: table.time("jwks_min_refetch", defaults.min_refetch),
        keep_stale: table
            .duration("jwks_keep_stale")
            .map_or(defaults.keep_stale, |found| found.value),
        connect_timeout: table.time("connect_timeout", defaults.connect_timeout),
        request_timeout: table.time("request_timeout", defaults.request_timeout),
        max_document_bytes,
        allow_http: table.flag("allow_http", defaults.allow_http),
        proxy: proxy(table, &defaults.proxy),
        max_lifetime: table.optional_time("max_lifetime", defaults.max_lifetime),
        networks: defaults.networks.clone(),
    }
}

fn proxy(table: &Table<'_>, default: &ProxyChoice) -> ProxyChoice {
    let Some(text) = table.wanted("proxy") else { return default.clone() };
    match text.value {
        "env" => ProxyChoice::Environment,
        "none" => ProxyChoice::Direct,
        url if url
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some()) =>
        {
            ProxyChoice::Url(url.to_owned())
        }
        _ => {
            let hint = Some(
                "write \"env\", \"none\" or an address such as \"http://proxy:3128\"".to_owned(),
            );
            // the address may contain a password, so it is not shown
            table.problems().error(
                text.at,
                format!("`{}` is not a valid proxy", table.path("proxy")),
                hint,
            );
            default.clone()
        }
    }
}

pub(super) fn fetch(
    settings: Settings,
    ca: Option<PemFile>,
    client_certificate: Option<ClientCertificate>,
) -> Fetch {
    Fetch {
        refresh: settings.refresh,
        min_refetch: settings.min_refetch,
        keep_stale: settings.keep_stale,
        connect_timeout: settings.connect_timeout,
        request_timeout: settings.request_timeout,
        max_document_bytes: settings.max_document_bytes,
        allow_http: settings.allow_http,
        proxy: settings.proxy,
        ca,
        client_certificate,
        networks: None,
    }
}

/// The longest `leeway`: more than this is no clock skew.
const MOST_LEEWAY: Duration = Duration::from_mins(5);
