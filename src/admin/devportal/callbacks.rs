//! The addresses that an authorization server sends users back to, checked before a server hears
//! of them.

use url::Url;

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

/// Refuses an address that runs as a script, opens a file or cuts off the code: RFC 8252, section
/// 7, and RFC 6749, section 3.1.2. The authorization server decides whether it sends users to
/// `http` (RFC 9700, section 2.6, has it refuse that but for loopback): scripts of WSO2's users
/// name such addresses.
fn may_return_to(address: &str) -> Result<(), Refused> {
    let Ok(url) = Url::parse(address) else {
        return Err(Refused::bad_request("`callbackUrl` has what is no address"));
    };
    if url.fragment().is_some() {
        return Err(Refused::bad_request("`callbackUrl` has a fragment"));
    }
    // an app's own scheme is the name of a domain of its maker, turned round
    if matches!(url.scheme(), "https" | "http") || url.scheme().contains('.') {
        return Ok(());
    }
    Err(Refused::bad_request("`callbackUrl` is https, http, or of an app's own scheme with a dot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_sent_back_to_servers_and_to_apps() {
        for good in [
            "https://a.example/, https://b.example/?x=1",
            "http://127.0.0.1:8080/back",
            "http://[::1]/",
            "http://localhost:3000",
            "http://sample.com/callback/url",
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
            "regexp=(https://a.example/|https://b.example/)",
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
