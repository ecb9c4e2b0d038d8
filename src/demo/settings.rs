//! The ports, clients and scopes of the demo. They are public, and the repository's gateway.toml
//! contains the same.

use std::net::{Ipv4Addr, SocketAddr};

use crate::demo::signing_keys::SigningAlgorithm;
use crate::demo::token_endpoint::DemoClient;

/// The address of the authorization server, a key manager in `gateway.toml`.
pub const AUTHORIZATION_SERVER: SocketAddr = loopback_port(9448);

/// The address of the backend for production keys.
pub(super) const PRODUCTION_BACKEND: SocketAddr = loopback_port(9450);

/// The address of the backend for sandbox keys.
pub(super) const SANDBOX_BACKEND: SocketAddr = loopback_port(9451);

/// The production key of the subscribed application.
pub(super) const PRODUCTION_CLIENT: (&str, &str) = ("demo-app", "demo-secret");

/// The sandbox key of the same application.
pub(super) const SANDBOX_CLIENT: (&str, &str) = ("demo-app-sandbox", "demo-sandbox-secret");

/// The key of an application without a subscription.
pub(super) const UNSUBSCRIBED_CLIENT: (&str, &str) = ("demo-other", "demo-other-secret");

/// A client that no application of `gateway.toml` has.
pub(super) const NEW_CLIENT: (&str, &str) = ("demo-new", "demo-new-secret");

/// The developer who uses the REST API.
pub(super) const DEVELOPER_CLIENT: (&str, &str) = ("demo-developer", "demo-developer-secret");

/// The scope of the REST API's operations on applications and subscriptions.
pub(super) const SUBSCRIBE_SCOPE: &str = "apim:subscribe";

pub(super) const READ_SCOPE: &str = "accounts:read";

pub(super) const WRITE_SCOPE: &str = "accounts:write";

/// Returns the clients of the authorization server. One signs with ES256, so that both kinds of
/// keys are used.
pub(super) fn clients() -> Vec<DemoClient> {
    let client = |(id, secret): (&str, &str), algorithm| DemoClient {
        id: id.to_owned(),
        secret: secret.to_owned(),
        scopes: vec![READ_SCOPE.to_owned(), WRITE_SCOPE.to_owned()],
        algorithm,
    };
    let developer = DemoClient {
        scopes: vec![SUBSCRIBE_SCOPE.to_owned()],
        ..client(DEVELOPER_CLIENT, SigningAlgorithm::RS256)
    };
    vec![
        client(PRODUCTION_CLIENT, SigningAlgorithm::RS256),
        client(SANDBOX_CLIENT, SigningAlgorithm::ES256),
        client(UNSUBSCRIBED_CLIENT, SigningAlgorithm::RS256),
        client(NEW_CLIENT, SigningAlgorithm::RS256),
        developer,
    ]
}

const fn loopback_port(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
