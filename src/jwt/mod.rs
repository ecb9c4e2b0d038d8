//! Verifies bearer tokens: a compact JWS (RFC 7515) goes in with keys, rules and a time; claims or a reason come out.
//!
//! The room is pure: no I/O, no clock, no shared state.

mod algorithm;
mod excerpt;
mod json;
mod jwk;
mod key_set;
mod pem;
mod rejection;
mod skipped;
mod value;
mod verifying_key;

pub use excerpt::Excerpt;
pub use json::JsonFault;
pub use key_set::{KeySet, KeySetError, ParsedKeySet};
pub use rejection::{ClaimFault, Malformed, Part, Rejection, WrongType};
pub use skipped::{SkipReason, SkippedKey};
pub use value::{Members, Number, Value};
pub use verifying_key::KeyIdentity;
