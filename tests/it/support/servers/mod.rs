//! What the gateway talks to.

pub(crate) mod canaille;
pub(crate) mod collector;
pub(crate) mod http2_origin;
pub(crate) mod idp;
pub(crate) mod origin;
mod peer;
pub(crate) mod peers;
#[allow(dead_code, reason = "the tests of the store do more with it")]
pub(crate) mod postgres;
pub(crate) mod recorded;
pub(crate) mod redis;
pub(crate) mod script;
pub(crate) mod silent;
