//! Revocation: refusals, the journal, the channel between gateways.

mod calls;
mod channel_access;
mod endless;
mod files;
mod gateways;
pub(crate) mod journal;
mod refusals;
mod spreading;
