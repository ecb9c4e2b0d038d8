//! Takes addresses apart.

use http::Uri;

/// Returns an address' host in lower case; an empty string if there is none.
pub(super) fn host(address: &str) -> String {
    address
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_ascii_lowercase))
        .unwrap_or_default()
}

/// Returns an address' path; an empty string if there is none.
pub(super) fn path(address: &str) -> String {
    address.parse::<Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default()
}

/// Returns true for an http or https address, which the configuration accepts.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}
