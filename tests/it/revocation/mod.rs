//! Revocation: refusals, the journal, the channel between gateways.

mod calls;
mod files;
mod journal;
mod refusals;
mod spreading;
