//! Client connections: the facts that a request and its connection share. Decides when a connection
//! has waited too long. Never touches the socket: `listen` owns it and asks here.

mod client;
mod clock;
mod continuation;
mod idle;
mod in_flight;

pub use crate::proxy::connection::client::{Connection, ConnectionClosing, Handed, Transport};
pub use crate::proxy::connection::clock::Overdue;
pub use crate::proxy::connection::continuation::{ClientSocket, Continuation};
pub use crate::proxy::connection::idle::IdleConnections;
pub use crate::proxy::connection::in_flight::InFlight;
