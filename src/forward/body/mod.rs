//! Bodies on their way through: streamed, counted, and watched for stalls. Nothing is kept but the
//! frame in hand, and the part of a request that an HTTP/2 backend may refuse ([`replay`]).
//!
//! A stall is a time without a byte in either direction: one side may be silent for as long as the
//! other one sends.

mod broken;
mod open_bodies;
pub(super) mod progress;
mod replay;
pub(super) mod request;
pub(super) mod response;
mod source;
mod stall;

pub use crate::forward::body::broken::{BodyBroken, Cause};
pub use crate::forward::body::open_bodies::OpenBodies;
pub use crate::forward::body::progress::{RequestProgress, RequestState};
pub use crate::forward::body::request::RequestBody;
pub use crate::forward::body::response::ResponseBody;
