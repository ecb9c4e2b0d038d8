//! Reads addresses of Redis and Valkey: one server, sentinels, or a cluster.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::source::Sources;
use crate::fetch::is_loopback_host;
use crate::model::redis::{HostPort, RedisLayout, RedisLogin, RedisServers, RedisTls};
use crate::model::secret::Secret;

/// The default port of Redis and Valkey.
const PORT: u16 = 6379;

/// The default port of Sentinel.
const SENTINEL_PORT: u16 = 26379;

/// Reads `redis[s][-sentinel|-cluster]://[user[:password]@]host[:port][,host[:port]...]`, followed
/// by `/database`, or by `/name` and `/database` for sentinels.
pub(super) fn servers(address: &str) -> Option<RedisServers> {
    let (scheme, rest) = address.split_once("://")?;
    let (family, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
    let tls = match family {
        "redis" => None,
        "rediss" => Some(RedisTls::default()),
        _ => return None,
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (layout, database, port) = match kind {
        "" if family == scheme => (RedisLayout::Single, path, PORT),
        "cluster" => (RedisLayout::Cluster, path, PORT),
        "sentinel" => {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || !name.chars().all(named) {
                return None;
            }
            (RedisLayout::Sentinel { name: name.to_owned() }, database, SENTINEL_PORT)
        }
        _ => return None,
    };
    let database = if database.is_empty() { 0 } else { number(database)? };
    if layout == RedisLayout::Cluster && database != 0 {
        return None;
    }
    let (login, places) =
        authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
    let (username, password) = match login {
        None => (None, None),
        Some(login) => {
            let (username, password) = login
                .split_once(':')
                .map_or((login, None), |(username, password)| (username, Some(password)));
            (Some(decoded(username)?), password.map(decoded))
        }
    };
    let password = match password {
        Some(decoded) => Some(Secret::new(decoded?)),
        None => None,
    };
    let seeds: Vec<HostPort> =
        places.split(',').map(|place| place_of(place, port)).collect::<Option<_>>()?;
    if layout == RedisLayout::Single && seeds.len() != 1 {
        return None;
    }
    let username = username.filter(|name| !name.is_empty());
    Some(RedisServers { layout, seeds, login: RedisLogin { tls, username, password, database } })
}

/// Reads `ca` and `client_certificate` beside an address, and warns of a password in plain text.
pub(super) fn trust(
    table: &Table<'_>,
    key: &str,
    seeds: &[HostPort],
    login: &mut RedisLogin,
    sources: &Sources,
) {
    let ca = pem::authorities(table, "ca", sources);
    let client_certificate =
        table.table("client_certificate").and_then(|pair| pem::client_certificate(&pair, sources));
    let written = table.has("ca") || table.has("client_certificate");
    let is_near = seeds.iter().all(|seed| is_loopback_host(&seed.host));
    let hint = Some("write rediss:// for TLS".to_owned());
    match &mut login.tls {
        Some(tls) => *tls = RedisTls { ca, client_certificate },
        None if written => {
            let (ca, pair) = (table.path("ca"), table.path("client_certificate"));
            table.error(key, format!("`{ca}` and `{pair}` have no effect without TLS"), hint);
        }
        None if login.password.is_some() && !is_near => {
            let message = format!(
                "the password of `{}` is sent over the network in the clear",
                table.path(key)
            );
            table.problems().warning(table.at_key(key), message, hint);
        }
        None => {}
    }
}

fn place_of(place: &str, usual: u16) -> Option<HostPort> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.map_or(Some(usual), number)?;
    (!host.is_empty() && host.chars().all(named) && port > 0)
        .then(|| HostPort { host: host.to_owned(), port })
}

fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Decodes a percent-encoded part. Returns `None` for a bare `%`, which the operator forgot to
/// encode.
fn decoded(text: &str) -> Option<String> {
    let is_encoded = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_encoded) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all parts as one string, for comparing.
    fn parts(address: &str) -> String {
        let RedisServers { layout, seeds, login } = servers(address).unwrap();
        let password = login.password.map(|password| password.reveal().to_owned());
        let RedisLogin { username, database, tls, .. } = login;
        let seeds: Vec<_> = seeds.iter().map(|at| format!("{} {}", at.host, at.port)).collect();
        let seeds = seeds.join(",");
        format!("{layout:?} {seeds} {username:?} {password:?} {database} {}", tls.is_some())
    }

    #[test]
    fn addresses_are_read() {
        for (address, wanted) in [
            ("redis://h", "Single h 6379 None None 0 false"),
            ("rediss://u:p@h.example:1/15", "Single h.example 1 Some(\"u\") Some(\"p\") 15 true"),
            ("redis://:p%40%3a@[::1]:7", "Single ::1 7 None Some(\"p@:\") 0 false"),
            ("redis://u@h/", "Single h 6379 Some(\"u\") None 0 false"),
            (
                "redis-sentinel://a,b:1/main",
                "Sentinel { name: \"main\" } a 26379,b 1 None None 0 false",
            ),
            (
                "rediss-sentinel://:p@a/main/3",
                "Sentinel { name: \"main\" } a 26379 None Some(\"p\") 3 true",
            ),
            ("redis-cluster://a,b:1", "Cluster a 6379,b 1 None None 0 false"),
        ] {
            assert_eq!(parts(address), wanted);
        }
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for address in [
            "",
            "redis",
            "redis://",
            "redis://:1",
            "http://h",
            "valkeys://h",
            "redis://h:0",
            "redis://h:65536",
            "redis://h:-1",
            "redis://h/x",
            "redis://h/0?a=b",
            "rediss://h/#insecure",
            "redis://h h",
            "redis://u:%4@h",
            "redis://u:%zz@h",
            "redis://u:%+1@h",
            "redis://[::1",
            "redis://[h]",
            "redis://h/65536",
            "redis://a,b",
            "redis-sentinel://a",
            "redis-sentinel://a/",
            "redis-cluster://a/1",
            "redis-cluster://a,",
            "redis-other://a",
            "redis-://a",
        ] {
            assert_eq!(servers(address), None, "{address}");
        }
    }
}
