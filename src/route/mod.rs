//! Finds the operation of a request: its path in one spelling, its host, and the operation behind
//! them.
//!
//! Pure. Decides which API and which operation a request names; never who may call it, and never
//! touches a socket or a clock. The walk through the files: [`path`] brings a raw path to the one
//! spelling that is routed, authorized, logged and forwarded, or refuses it; [`authority`] reads
//! the host from `Host`, `:authority` or the absolute form; [`table`] finds the API by host and
//! base path, and [`operations`] the operation by template and method.

pub mod authority;
mod hosts;
mod operations;
pub mod path;
pub mod table;

pub use authority::{Authority, InvalidAuthority, parse_authority, request_authority};
pub use path::{InvalidPath, NormalPath, normalize};
pub use table::{Found, NotFound, RouteTable};
