//! The actors of the integration tests. None of them decides what is right: the tests do.
//!
//! The gateway, in `gateway/`:
//! - [`gateway::Gateway`]: in process, with readers of its metrics and its access log.
//! - [`config::Config`]: a `gateway.toml`, put together from the lines that a test is about.
//! - [`bank::Bank`]: a gateway with everything that a refusal can be about, and a signer for its tokens.
//! - [`program::Program`]: the real binary in a process of its own.
//!
//! What it talks to, in `servers/`:
//! - [`idp::Idp`]: real authorization servers (`tests/idp`, node-oidc-provider) that issue tokens, rotate keys and can fail.
//! - [`canaille::Canaille`]: a real authorization server of other authors, for mistakes that two would have to make alike.
//! - [`collector::Collector`]: the receiver of traces of the OpenTelemetry Collector (`tests/collector`).
//! - [`origin::Origin`]: a backend that records what it got, byte for byte, and answers by [`script::Script`], badly if told so.
//! - [`http2_origin::Http2Origin`]: a backend that speaks HTTP/2 by hand.
//! - [`peers::Peers`]: real WebSocket and gRPC libraries (`tests/peers`), on both sides of the gateway.
//! - [`postgres::PostgresProcess`]: a real server with databases of its own.
//! - [`recorded::Recorded`]: what Keycloak and Ory Hydra said once (`tests/vectors/recorded`), said again.
//! - [`redis::Redis`]: a real server that can be killed, emptied and paused.
//! - [`silent::Silent`]: an address that does not answer.
//!
//! Who talks to it, in `clients/`:
//! - [`client`]: a plain client, and a raw connection that sends what a library would refuse to.
//! - [`frames`]: HTTP/2 by hand, frame by frame.
//! - [`signer::Signer`]: tokens that no authorization server would issue; [`hand::Hand`]: a client that proves its key with DPoP.
//!
//! Whatever waits has a deadline ([`within`], [`until`]), and whatever is started ends with its owner.

mod clients;
pub(crate) mod gateway;
mod servers;

use std::time::{Duration, Instant};

pub(crate) use clients::{client, credentials, frames, hand, signer};
pub(crate) use gateway::{bank, config, password, program};
pub(crate) use servers::postgres::free_port;
pub(crate) use servers::{
    canaille, collector, http2_origin, idp, origin, peers, postgres, recorded, redis, script,
    silent,
};

/// Far longer than anything on loopback takes: reaching it means that something hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// Between two looks at something that comes about by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits for `future`, at most [`DEADLINE`]; `what` is what the failing test says.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

/// Looks again and again until `wanted` says yes, and returns what was seen then; panics with the last look.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let started = Instant::now();
    loop {
        let seen = look().await;
        if wanted(&seen) {
            return seen;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}; last seen {seen:?}"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
