//! Keeps fetches of foreign addresses out of networks that they may not call.

use std::net::{IpAddr, SocketAddr};

use crate::fetch::address::{FetchUrl, is_loopback_host};
use crate::fetch::failure::FetchFailure;
use crate::model::network::NetworkRule;

/// Resolves a host, and returns its permitted addresses. The connection goes to one of these, so
/// that a name cannot change between the check and the connection.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    networks: Option<&NetworkRule>,
) -> Result<Vec<SocketAddr>, FetchFailure> {
    let found = tokio::net::lookup_host((host, port)).await;
    let Ok(found) = found else { return Err(FetchFailure::Dns { host: host.to_owned() }) };
    let permitted: Vec<_> =
        found.filter(|address| networks.is_none_or(|rule| rule.permits(address.ip()))).collect();
    match (permitted.is_empty(), networks) {
        (true, Some(_)) => Err(FetchFailure::Network { host: host.to_owned() }),
        _ => Ok(permitted),
    }
}

/// Refuses a host that is an address of a network that may not be called.
pub(super) fn check_literal(
    host: &str,
    networks: Option<&NetworkRule>,
) -> Result<(), FetchFailure> {
    let bare = host.trim_matches(['[', ']']);
    let denied = networks.is_some_and(|rule| match bare.parse::<IpAddr>() {
        Ok(address) => !rule.permits(address),
        Err(_) => is_loopback_host(bare) && !rule.permits(IpAddr::from([127, 0, 0, 1])),
    });
    if denied { Err(FetchFailure::Network { host: host.to_owned() }) } else { Ok(()) }
}

/// Refuses an address whose host leads to a network that may not be called. A name that cannot be
/// resolved now passes, because the connection checks again.
pub async fn check_reach(url: &FetchUrl, networks: &NetworkRule) -> Result<(), FetchFailure> {
    check_literal(url.host(), Some(networks))?;
    let host = url.host().trim_matches(['[', ']']);
    match resolve(host, url.port(), Some(networks)).await {
        Err(FetchFailure::Dns { .. }) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_denied_network_is_refused_by_address_and_by_name() {
        let public = NetworkRule::default();
        let local = NetworkRule::new(vec!["127.0.0.0/8".parse().unwrap()]);
        for url in [
            "http://127.0.0.1:1/",
            "http://localhost/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://0/",
        ] {
            let url = FetchUrl::read(url).unwrap();
            let failure = check_reach(&url, &public).await.unwrap_err();
            assert_eq!(failure.label(), "network", "{url}");
        }
        let allowed = FetchUrl::read("http://127.0.0.1:1/").unwrap();
        check_reach(&allowed, &local).await.unwrap();
        assert!(check_literal("localhost", Some(&local)).is_ok());
        let unknown = FetchUrl::read("https://nothing.invalid/").unwrap();
        check_reach(&unknown, &public).await.unwrap();
    }

    #[tokio::test]
    async fn only_permitted_addresses_of_a_host_are_called() {
        let rule = NetworkRule::new(vec!["127.0.0.1/32".parse().unwrap()]);
        let failure = resolve("127.0.0.2", 1, Some(&rule)).await.unwrap_err();
        assert_eq!(failure.label(), "network");
        assert_eq!(resolve("127.0.0.1", 1, Some(&rule)).await.unwrap().len(), 1);
        assert_eq!(resolve("127.0.0.2", 1, None).await.unwrap().len(), 1);
    }
}
