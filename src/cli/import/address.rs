//! Parts of addresses.

use http::Uri;

/// An address' host in lower case; empty where there is none.
pub(super) fn host(address: &str) -> String {
    address
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_ascii_lowercase))
        .unwrap_or_default()
}

/// An address' path; empty where there is none.
pub(super) fn path(address: &str) -> String {
    address.parse::<Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default()
}

/// An address that the configuration accepts for people.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}
