//! Who talks to the gateway.

pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod frames;
pub(crate) mod hand;
pub(crate) mod signer;
