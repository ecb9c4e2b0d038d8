//! Revocation: refusals, the journal, the channel between gateways.

mod calls;
mod endless;
mod files;
mod journal;
mod refusals;
mod spreading;
