//! The actors of the integration tests. None of them decides what is right: the tests do.
//!
//! - [`idp::Idp`]: real authorization servers (`tests/idp`, node-oidc-provider) that issue tokens, rotate keys and can fail.
//! - [`canaille::Canaille`]: a real authorization server of other authors, for what two would have to get wrong alike.
//! - [`origin::Origin`]: a backend that records what it got, byte for byte, and answers by [`script::Script`], badly if told so.
//! - [`peers::Peers`]: real WebSocket and gRPC libraries (`tests/peers`), on both sides of the gateway.
//! - [`silent::Silent`]: an address that does not answer.
//! - [`program::Program`]: the real binary in a process of its own.
//! - [`redis::Redis`]: a real server that can be killed, emptied and paused.
//! - [`hand::Hand`]: a client that proves its key with DPoP.
//! - [`client`]: a raw connection that sends what a library would refuse to, and a plain client for everything else.
//! - [`frames`]: HTTP/2 by hand, frame by frame; [`http2_origin::Http2Origin`]: a backend that speaks it so.
//!
//! Whatever waits has a deadline ([`within`]), and whatever is started ends with its owner.

pub(crate) mod bank;
pub(crate) mod canaille;
pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod hand;
pub(crate) mod http2_origin;
pub(crate) mod idp;
pub(crate) mod origin;
mod peer;
pub(crate) mod peers;
pub(crate) mod program;
pub(crate) mod redis;
pub(crate) mod script;
pub(crate) mod signer;
pub(crate) mod silent;

use std::time::Duration;

/// Far longer than anything on loopback takes: reaching it means that something hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// Waits for `future`, at most [`DEADLINE`]; `what` is what the failing test says.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}
