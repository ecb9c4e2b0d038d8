//! Sockets in: accepting, TLS, HTTP/1.1 and HTTP/2 serving, limits of a connection, draining.
//!
//! Decides which clients may connect, how long a connection may wait, and which worker serves it.
//! Never looks into a request: that is the job of `proxy`. [`socket`] is a listener that all
//! workers share; [`accept`] takes a connection, behind a balancer's [`proxy_protocol`]; [`wire`]
//! has its bytes, checked by [`http1_framing`] and [`http2_flood`]; [`serve`] speaks HTTP on it,
//! [`stream`] watches one stream of HTTP/2; [`tls`] has certificates. [`worker`] runs one thread by
//! its [`commands`], with the connections of a [`local_worker`] and the clock of [`tick`].

mod accept;
mod commands;
pub mod http1_framing;
mod http2_flood;
mod local_worker;
pub mod proxy_protocol;
mod serve;
mod socket;
mod stream;
mod tick;
mod tls;
mod wire;
mod worker;

pub use crate::listen::commands::{WorkerCommand, WorkerHandle, WorkerQueue};
pub use crate::listen::socket::{ListenerSettings, ListenerSocket, listen};
pub use crate::listen::tls::{TlsError, server_config};
pub use crate::listen::worker::run;
