//! The addresses that an authorization server sends users back to, checked before a server hears
//! of them.

use url::{Host, Url};

use crate::admin::refused::Refused;
use crate::admin::texts;

/// A longer text is none that anybody uses.
const MOST_TEXT: usize = 2048;

/// Reads `callbackUrl`. WSO2 separates addresses by commas.
pub(super) fn callbacks(text: &str) -> Result<Vec<String>, Refused> {
    texts::prose("callbackUrl", text, MOST_TEXT)?;
    if text.contains(['\r', '\n', '\t']) {
        return Err(Refused::bad_request("`callbackUrl` has a control character"));
    }
    let all = text.split(',').map(str::trim).filter(|own| !own.is_empty());
    all.map(|address| {
        may_return_to(address)?;
        Ok(address.to_owned())
    })
    .collect()
}

/// Refuses an address that carries a code to strangers or runs as a script: RFC 9700, section 2.1,
/// RFC 8252, section 7, and RFC 6749, section 3.1.2.
fn may_return_to(address: &str) -> Result<(), Refused> {
    let Ok(url) = Url::parse(address) else {
        return Err(Refused::bad_request("`callbackUrl` has what is no address"));
    };
    if url.fragment().is_some() {
        return Err(Refused::bad_request("`callbackUrl` has a fragment"));
    }
    let permitted = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        // an app's own scheme is the name of a domain of its maker, turned round
        scheme => scheme.contains('.'),
    };
    if permitted {
        return Ok(());
    }
    let description = "`callbackUrl` is https, http to a loopback address, or of an app's own \
                       scheme with a dot";
    Err(Refused::bad_request(description))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_sent_back_to_https_to_loopback_and_to_apps() {
        for good in [
            "https://a.example/, https://b.example/?x=1",
            "http://127.0.0.1:8080/back",
            "http://[::1]/",
            "http://localhost:3000",
            "com.example.app:/oauth2redirect",
            "",
        ] {
            assert!(callbacks(good).is_ok(), "{good}");
        }
        assert_eq!(callbacks(" https://a.example ,https://b.example").unwrap().len(), 2);
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "urn:ietf:wg:oauth:2.0:oob",
            "http://a.example/",
            "http://127.0.0.1.a.example/",
            "http://localhost.a.example/",
            "https://a.example/#part",
            "https://a.example/, javascript:alert(1)",
            "//a.example/",
            "back",
            "https://",
            "https://a\n.example",
        ] {
            let refused = callbacks(bad).unwrap_err();
            assert!(refused.description.starts_with("`callbackUrl`"), "{bad}: {refused:?}");
        }
    }
}
