//! Reads `NO_PROXY`, the list of servers that are reached directly, in all usual forms.
//!
//! There is no standard. The gateway understands names with all subdomains (`bank.example`,
//! `.bank.example`), patterns with stars (`*`, `*.bank.example`, `10.0.*`), addresses (`10.0.0.1`,
//! `::1`, `[::1]`) and networks (`10.0.0.0/8`). Each can have a port. Commas or white space
//! separate them, and case does not matter.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fetch::address::FetchUrl;

/// Tells whether an address is reached directly by this list.
pub(super) fn lists(list: &str, url: &FetchUrl) -> bool {
    let host = url.host().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let port = url.port();
    list.split(|character: char| character == ',' || character.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(&entry.to_ascii_lowercase(), &host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    let (name, wanted) = split_port(entry);
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_matches(['[', ']']).trim_end_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        if let Ok(network) = name.parse::<IpNet>() {
            return network.contains(&address);
        }
        if let Ok(listed) = name.parse::<IpAddr>() {
            return listed.to_canonical() == address;
        }
        // a name never means an address; a pattern may
        return name.contains('*') && is_like(name, host);
    }
    if name.contains('*') {
        return is_like(name, host);
    }
    let name = name.trim_start_matches('.');
    let Some(before) = host.strip_suffix(name).filter(|_| !name.is_empty()) else { return false };
    before.is_empty() || before.ends_with('.')
}

/// `host:port`, `[address]:port`; an address of IPv6 without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let Some((name, port)) = entry.rsplit_once(':') else { return (entry, None) };
    if name.contains(':') && !name.ends_with(']') {
        return (entry, None);
    }
    match port.parse() {
        Ok(port) => (name, Some(port)),
        Err(_) => (entry, None),
    }
}

/// Tells whether a text fits a pattern in which each star stands for any characters.
fn is_like(pattern: &str, host: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| host.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(list: &str, url: &str) -> bool {
        lists(list, &FetchUrl::read(url).unwrap())
    }

    #[test]
    fn each_form() {
        for (list, url) in [
            ("*", "https://is.bank.example/jwks"),
            ("*", "https://192.0.2.7/jwks"),
            ("*", "https://[2001:db8::7]/jwks"),
            ("bank.example", "https://bank.example/"),
            ("bank.example", "https://is.bank.example/"),
            (".bank.example", "https://is.bank.example/"),
            (".bank.example", "https://bank.example/"),
            ("*.bank.example", "https://is.bank.example/"),
            ("*.BANK.example", "https://IS.bank.EXAMPLE/"),
            ("other, *.bank.example", "https://a.b.bank.example/"),
            ("other *.bank.example", "https://a.b.bank.example/"),
            ("bank.example.", "https://is.bank.example/"),
            ("bank.example", "https://is.bank.example./"),
            ("is.bank.example:9443", "https://is.bank.example:9443/"),
            ("is.bank.example:443", "https://is.bank.example/"),
            ("*:9443", "https://192.0.2.7:9443/"),
            ("192.0.2.7", "https://192.0.2.7:9443/"),
            ("192.0.2.7:9443", "https://192.0.2.7:9443/"),
            ("192.0.2.0/24", "https://192.0.2.7/"),
            ("192.0.*", "https://192.0.2.7/"),
            ("2001:db8::7", "https://[2001:db8::7]/"),
            ("[2001:DB8::7]", "https://[2001:db8:0::7]/"),
            ("[2001:db8::7]:8443", "https://[2001:db8::7]:8443/"),
            ("2001:db8::/32", "https://[2001:db8::7]/"),
            ("192.0.2.7", "https://[::ffff:192.0.2.7]/"),
        ] {
            assert!(direct(list, url), "{list:?} and {url}");
        }
    }

    #[test]
    fn and_nothing_else() {
        for (list, url) in [
            ("", "https://is.bank.example/"),
            (", ,", "https://is.bank.example/"),
            ("*.bank.example", "https://bank.example/"),
            ("bank.example", "https://otherbank.example/"),
            ("*.bank.example", "https://bank.example.evil.example/"),
            ("is.bank.example:9443", "https://is.bank.example/"),
            ("is.bank.example:80", "https://is.bank.example/"),
            ("*:9443", "https://192.0.2.7/"),
            ("192.0.2.7", "https://192.0.2.70/"),
            ("192.0.2.0/24", "https://192.0.3.7/"),
            ("192.0.*", "https://is192.0.example/"),
            ("[2001:db8::7]:8443", "https://[2001:db8::7]/"),
            ("2001:db8::/32", "https://[2001:db9::7]/"),
            ("7", "https://192.0.2.7/"),
            (".", "https://is.bank.example/"),
        ] {
            assert!(!direct(list, url), "{list:?} and {url}");
        }
    }
}
