//! Revocation: refusals, the journal, the channel between gateways.

mod journal;
mod refusals;
mod spreading;
