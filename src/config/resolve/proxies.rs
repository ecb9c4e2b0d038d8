//! Reads `gateway.trusted_proxies` with their trusted headers, and
//! `gateway.remove_request_headers`.

use http::HeaderName;
use ipnet::IpNet;

use crate::config::contract::CERTIFICATE_FORMATS;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::header_rules::is_framing;
use crate::model::proxies::{
    CertificateFormat, CertificateHeader, ForwardedHeader, ForwardedHeaders, TrustedProxies,
};
use crate::model::removed_headers::DEFAULT_REMOVED;

pub(super) fn trusted_proxies(table: &Table<'_>) -> TrustedProxies {
    let proxies = TrustedProxies {
        networks: networks(table, "trusted_proxies"),
        headers: forwarded_headers(table),
        certificate: table
            .table("client_certificate_header")
            .and_then(|header| certificate_header(&header)),
    };
    for key in ["forwarded_headers", "client_certificate_header"] {
        if table.has(key) && proxies.networks.is_empty() && !table.has("trusted_proxies") {
            table.problems().warning(
                table.at_key(key),
                format!("`{}` has no effect: no proxy is trusted", table.path(key)),
                Some(
                    "write `trusted_proxies`, the networks of the proxies in front of the gateway"
                        .to_owned(),
                ),
            );
        }
    }
    proxies
}

pub(super) fn networks(table: &Table<'_>, key: &str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for network in table.texts(key).unwrap_or_default() {
        match parse_network(network.value) {
            Some(network) => networks.push(network),
            None => {
                let hint =
                    Some("write \"10.0.0.0/8\", \"192.0.2.7\" or \"2001:db8::/32\"".to_owned());
                table.problems().error(
                    network.at,
                    format!("{:?} is not a network", network.value),
                    hint,
                );
            }
        }
    }
    networks
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}

fn forwarded_headers(table: &Table<'_>) -> ForwardedHeaders {
    let Some(written) = table.texts("forwarded_headers") else { return ForwardedHeaders::DEFAULT };
    let names: Vec<&str> = ForwardedHeader::ALL.into_iter().map(ForwardedHeader::as_str).collect();
    written.iter().fold(ForwardedHeaders::NONE, |headers, name| {
        if let Some(header) = ForwardedHeader::from_name(name.value) {
            return headers.with(header);
        }
        table.not_a_choice("forwarded_headers", name, &names);
        headers
    })
}

fn certificate_header(table: &Table<'_>) -> Option<CertificateHeader> {
    let name = table.needed("name").and_then(|name| certificate_header_name(table, &name));
    let written = table.needed("format");
    let format = CertificateFormat::ALL
        .into_iter()
        .find(|format| written.as_ref().is_some_and(|text| text.value == format.as_str()));
    if let (Some(text), None) = (&written, format) {
        table.not_a_choice("format", text, CERTIFICATE_FORMATS);
    }
    Some(CertificateHeader { name: name?, format: format? })
}

fn certificate_header_name(table: &Table<'_>, written: &Placed<&str>) -> Option<HeaderName> {
    let name = header_name(table, written)?;
    let taken = is_framing(&name)
        || matches!(name.as_str(), "authorization" | "cookie" | "dpop")
        || ForwardedHeader::from_name(name.as_str()).is_some();
    if taken {
        table.problems().error(
            written.at.clone(),
            format!("{name} has another meaning, so it cannot carry a certificate"),
            Some(
                "write one such as Client-Cert, X-Forwarded-Client-Cert or X-Amzn-Mtls-Clientcert"
                    .to_owned(),
            ),
        );
        return None;
    }
    Some(name)
}

/// Returns the names as they are written; a `*` at the end stands for any rest.
pub(super) fn removed_headers(table: &Table<'_>) -> Vec<String> {
    let Some(written) = table.texts("remove_request_headers") else { return default_removed() };
    let mut names = Vec::new();
    for name in written {
        let start = name.value.strip_suffix('*');
        let whole = Placed { value: start.unwrap_or(name.value), at: name.at.clone() };
        let Some(header) = header_name(table, &whole) else { continue };
        let needed = |other: &&str| match start {
            Some(_) => other.starts_with(header.as_str()),
            None => *other == header.as_str(),
        };
        if let Some(needed) =
            ["host", "content-length", "transfer-encoding"].iter().find(|n| needed(n))
        {
            table.problems().error(
                name.at,
                format!("`remove_request_headers` must not contain {:?}", name.value),
                Some(format!("without {needed} a request cannot be read")),
            );
            continue;
        }
        names.push(name.value.to_owned());
    }
    names
}

pub(super) fn default_removed() -> Vec<String> {
    DEFAULT_REMOVED.iter().map(|name| (*name).to_owned()).collect()
}

fn header_name(table: &Table<'_>, written: &Placed<&str>) -> Option<HeaderName> {
    let name = HeaderName::try_from(written.value).ok();
    if name.is_none() {
        let message = format!("{:?} is not a header name", written.value);
        table.problems().error(written.at.clone(), message, None);
    }
    name
}
