//! Revocation: refusals, the journal, the channel between gateways.

mod calls;
mod endless;
mod files;
pub(crate) mod journal;
mod refusals;
mod spreading;
