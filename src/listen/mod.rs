//! Sockets in: accepting, TLS, HTTP/1.1 and HTTP/2 serving, limits of a connection, draining.
//!
//! Decides who may connect, how long a connection may wait, and which worker serves it. Never looks into a request: the
//! walk is `proxy`'s.
//!
//! The walk through the files: [`socket`] (a listener that all workers share), [`accept`] (a connection comes in),
//! [`proxy_protocol`] (who stands behind a balancer), [`wire`] (its bytes), [`http1_framing`] (framing with one reading),
//! [`http2_flood`] (HTTP/2 frames without use), [`serve`] (HTTP on it), [`stream`] (one of HTTP/2's),
//! [`tls`] (certificates), [`worker`] (one thread's life).

pub mod accept;
pub mod http1_framing;
pub mod http2_flood;
pub mod proxy_protocol;
pub mod serve;
pub mod socket;
pub mod stream;
pub mod tls;
pub mod wire;
pub mod worker;
