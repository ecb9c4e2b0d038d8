//! How revoked tokens become known: who may tell, and where gateways tell each other.

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::resolve::whole::Whole;
use crate::config::source::Sources;
use crate::model::revocation_channel::{ChannelTls, RevocationChannel};
use crate::model::secret::Secret;

/// Redis' and Valkey's own.
const PORT: u16 = 6379;

pub(super) fn notices(whole: &Whole<'_>) -> bool {
    whole.once("revocation").is_none_or(|table| table.flag("notify", true))
}

pub(super) fn channel(whole: &Whole<'_>, sources: &Sources) -> Option<RevocationChannel> {
    let table = whole.once("revocation")?;
    let address = if table.has("channel") {
        secret(&table, "channel", sources)?
    } else {
        Secret::new("none".to_owned())
    };
    if address.reveal() == "none" {
        return None;
    }
    // the address may hold a password: it is never shown
    let Some(mut channel) = parse(address.reveal()) else {
        let hint = "\"none\", \"redis://host:6379\", or \"rediss://user:password@host:6379/0\" with what is not a letter or digit in %xx";
        table.error(
            "channel",
            "`revocation.channel` is not an address of Redis or Valkey".to_owned(),
            Some(hint.to_owned()),
        );
        return None;
    };
    let trust = tls(&table, sources);
    match (&mut channel.tls, trust) {
        (Some(tls), trust) => *tls = trust.unwrap_or_default(),
        (None, Some(_)) => {
            let hint = Some("write rediss:// for TLS".to_owned());
            table.error(
                "channel",
                "`revocation.ca` and `client_certificate` do nothing without TLS".to_owned(),
                hint,
            );
        }
        (None, None) if channel.password.is_some() && !is_loopback(&channel.host) => {
            let message =
                "the password of `revocation.channel` crosses the network in the clear".to_owned();
            table.problems().warning(
                table.at_key("channel"),
                message,
                Some("write rediss:// for TLS".to_owned()),
            );
        }
        (None, None) => {}
    }
    Some(channel)
}

fn tls(table: &Table<'_>, sources: &Sources) -> Option<ChannelTls> {
    let ca = pem::authorities(table, "ca", sources);
    let client_certificate =
        table.table("client_certificate").and_then(|pair| pem::client_certificate(&pair, sources));
    (table.has("ca") || table.has("client_certificate"))
        .then_some(ChannelTls { ca, client_certificate })
}

/// `redis[s]://[user[:password]@]host[:port][/database]`, and nothing behind it.
fn parse(address: &str) -> Option<RevocationChannel> {
    let (scheme, rest) = address.split_once("://")?;
    let tls = match scheme {
        "redis" => None,
        "rediss" => Some(ChannelTls::default()),
        _ => return None,
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let database = if database.is_empty() { 0 } else { number(database)? };
    let (login, place) =
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
    let (host, port) = place_of(place)?;
    Some(RevocationChannel {
        host,
        port,
        tls,
        username: username.filter(|name| !name.is_empty()),
        password,
        database,
    })
}

fn place_of(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.map_or(Some(PORT), number)?;
    (!host.is_empty() && host.chars().all(named) && port > 0).then(|| (host.to_owned(), port))
}

fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// RFC 3986: `%xx` is a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it as one text, for comparing.
    fn parts(address: &str) -> String {
        let channel = parse(address).unwrap();
        let password = channel.password.map(|password| password.reveal().to_owned());
        let RevocationChannel { host, port, username, database, tls, .. } = channel;
        format!("{host} {port} {username:?} {password:?} {database} {}", tls.is_some())
    }

    #[test]
    fn addresses_are_read() {
        for (address, wanted) in [
            ("redis://h", "h 6379 None None 0 false"),
            ("rediss://u:p@h.example:1/15", "h.example 1 Some(\"u\") Some(\"p\") 15 true"),
            ("redis://:p%40%3a@[::1]:7", "::1 7 None Some(\"p@:\") 0 false"),
            ("redis://u@h/", "h 6379 Some(\"u\") None 0 false"),
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
        ] {
            assert_eq!(parse(address), None, "{address}");
        }
    }
}
