//! Reads `[[listeners]]`.

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::address::address;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::unique::Unique;
use crate::config::source::Sources;
use crate::model::gateway::{
    ClientAuth, Listener, ListenerTls, NamedPair, Protocols, ProxyProtocol,
};

pub(super) fn listeners(roots: &RootTables<'_>, sources: &Sources) -> Vec<Listener> {
    let mut names = Unique::default();
    let mut addresses = Unique::default();
    let mut listeners = Vec::new();
    for table in roots.every("listeners") {
        let tls_written = table.has("tls");
        let tls = table.table("tls").and_then(|tls| listener_tls(&tls, sources));
        let (name, address) = (table.needed("name"), address(&table, "address", None));
        let protocols = protocols(&table, tls_written);
        let (Some(name), Some(address)) = (name, address) else { continue };
        let fresh = names.claim(name.value, &name.at, "listener", table.problems());
        // for port 0 the system chooses another port each time
        if fresh && address.value.port() != 0 {
            addresses.claim(&address.value.to_string(), &address.at, "address", table.problems());
        }
        let max_connections = table.integer("max_connections", 1..=10_000_000, MAX_CONNECTIONS);
        // behind a balancer that hides its clients all connections have one address, so this limit
        // is only set on request
        let per_address =
            table.integer("max_connections_per_address", 1..=10_000_000, max_connections);
        let proxy_protocol = match table.choice("proxy_protocol", &["off", "optional", "required"])
        {
            Some("optional") => ProxyProtocol::Optional,
            Some("required") => ProxyProtocol::Required,
            _ => ProxyProtocol::Off,
        };
        if tls_written && tls.is_none() {
            continue;
        }
        listeners.push(Listener {
            name: name.value.to_owned(),
            address: address.value,
            protocols,
            proxy_protocol,
            max_connections_per_address: usize::try_from(per_address).unwrap_or(usize::MAX),
            max_connections: usize::try_from(max_connections).unwrap_or(usize::MAX),
            tls,
            place: sources.place(&table.at()),
        });
    }
    listeners
}

fn protocols(table: &Table<'_>, tls: bool) -> Protocols {
    let Some(written) = table.texts("protocols") else {
        return if tls { Protocols::Both } else { Protocols::Http1 };
    };
    let (mut http1, mut http2) = (false, false);
    for protocol in &written {
        match protocol.value {
            "h2" => http2 = true,
            "http/1.1" => http1 = true,
            _ => table.not_a_choice("protocols", protocol, &["h2", "http/1.1"]),
        }
    }
    match (http1, http2) {
        (true, true) => Protocols::Both,
        (false, true) => Protocols::Http2,
        (true, false) => Protocols::Http1,
        (false, false) => {
            if written.is_empty() {
                table.error(
                    "protocols",
                    "the listener has no protocol".to_owned(),
                    Some("remove `protocols` to use the defaults".to_owned()),
                );
            }
            Protocols::Http1
        }
    }
}

fn listener_tls(table: &Table<'_>, sources: &Sources) -> Option<ListenerTls> {
    let default = pem::pair(table, sources);
    let mut by_name = Vec::new();
    for named in table.tables("sni") {
        let names: Vec<String> = named
            .texts("names")
            .unwrap_or_default()
            .iter()
            .map(|name| name.value.to_ascii_lowercase())
            .collect();
        if names.is_empty() {
            named.problems().error(
                named.at(),
                "`listeners.tls.sni.names` is empty".to_owned(),
                None,
            );
        }
        if let Some(pair) = pem::pair(&named, sources) {
            by_name.push(NamedPair { names, pair });
        }
    }
    let clients = client_auth(table, sources);
    Some(ListenerTls { default: default?, by_name, clients: clients? })
}

fn client_auth(table: &Table<'_>, sources: &Sources) -> Option<ClientAuth> {
    let wanted = table.choice("client_auth", &["none", "optional", "required"]);
    if matches!(wanted, None | Some("none")) {
        if table.wanted("client_ca").is_some() {
            let hint = Some(
                "write `client_auth = \"required\"` or `client_auth = \"optional\"`, or remove \
                 `client_ca`"
                    .to_owned(),
            );
            let message = "`client_ca` has no effect while `client_auth` is \"none\"".to_owned();
            table.problems().warning(table.at_key("client_ca"), message, hint);
        }
        return Some(ClientAuth::None);
    }
    if table.wanted("client_ca").is_none() {
        table.error(
            "client_auth",
            "`client_auth` needs `client_ca`, the authorities of the client certificates"
                .to_owned(),
            None,
        );
        return None;
    }
    let authorities = pem::authorities(table, "client_ca", sources)?;
    Some(if wanted == Some("required") {
        ClientAuth::Required(authorities)
    } else {
        ClientAuth::Optional(authorities)
    })
}

/// The default of `max_connections`.
const MAX_CONNECTIONS: i64 = 20_000;
