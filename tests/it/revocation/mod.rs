//! Revocation: refusals, the journal, the channel between gateways.

mod calls;
mod files;
mod endless;
mod journal;
mod refusals;
mod spreading;
