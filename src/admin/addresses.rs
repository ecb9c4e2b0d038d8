//! Addresses that come by the API: each is checked before the gateway keeps or calls it.

use std::time::Duration;

use tokio::time::timeout;

use crate::admin::refused::Refused;
use crate::fetch::{FetchUrl, check_reach};
use crate::model::network::NetworkRule;

/// The longest address: longer ones are not in use.
const MOST_ADDRESS: usize = 2048;

/// The time for resolving a name, which takes milliseconds. A slower name is checked when it is
/// called.
const RESOLVING: Duration = Duration::from_secs(2);

/// Refuses an address that is not http or https, has credentials, or leads to a network that may
/// not be called. `field` is named in the refusal.
pub(super) async fn check_address(
    field: &str,
    address: &str,
    networks: &NetworkRule,
) -> Result<(), Refused> {
    let refused = |why: &str| Err(Refused::bad_request(format!("`{field}` {why}")));
    if address.len() > MOST_ADDRESS || address.chars().any(char::is_control) {
        return refused("is not an address of http or https");
    }
    let Ok(url) = FetchUrl::read(address) else {
        return refused("is not an address of http or https without a user and a password");
    };
    match timeout(RESOLVING, check_reach(&url, networks)).await {
        Ok(Err(_)) => refused(
            "leads to a network that may not be called; `management.allowed_networks` lists \
             exceptions",
        ),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_names_the_field_and_nothing_internal() {
        let networks = NetworkRule::new(vec!["127.0.0.0/8".parse().unwrap()]);
        for address in [
            "",
            "is.example",
            "ftp://is.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://user:secret@is.example/",
            "https://is.example/\r\nHost: other",
            "https://10.0.0.1/",
            "https://[fd00::1]/",
            "http://169.254.169.254/latest/meta-data",
            &format!("https://is.example/{}", "a".repeat(MOST_ADDRESS)),
        ] {
            let refused = check_address("issuer", address, &networks).await.unwrap_err();
            assert_eq!(refused.status, 400, "{address}");
            let told = refused.description;
            assert!(told.starts_with("`issuer` ") && !told.contains("secret"), "{told}");
        }
        for address in ["https://127.0.0.1:1/jwks", "https://203.0.113.7/", "http://localhost/"] {
            check_address("issuer", address, &networks).await.unwrap();
        }
    }
}
