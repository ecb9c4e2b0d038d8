//! Fetches, keeps and refreshes the key sets, each key manager by itself. Decides when an
//! authorization server is asked and when its last good keys end.
//!
//! An answer that is not better than the present keys changes nothing: known keys stay good within
//! `jwks_keep_stale`, nothing unverified ever becomes a key, and the failure of one server affects
//! no other. The gateway asks only addresses that the operator wrote, or that the operator's
//! discovery document names. It never asks an address that a token names.
//!
//! The walk through the files: [`key_sets`] owns a task for each key manager ([`refresh_task`]),
//! which asks the server ([`document`] over [`crate::fetch`]) by the clock of [`schedule`] and
//! keeps good keys in [`store`]. A key set that is started alone has its own task ([`fetching`]).
//! Workers read [`keys`]. Requests ask for newer keys and wait for them in [`asking`], over the
//! [`refetch_requests`] that they share with the task. [`outcome`] names the results, and
//! [`failure`] every way in which a fetch fails. [`rotation`] warns of keys that come and go.
//! [`mod@routes`] tells `check` which way a fetch takes.

mod asking;
mod document;
mod failure;
mod fetching;
mod key_sets;
mod keys;
mod outcome;
mod refetch_requests;
mod refresh_task;
mod rotation;
mod routes;
mod schedule;
mod store;

#[cfg(test)]
mod tests;

pub use asking::KeyWaiter;
pub use fetching::Fetching;
pub use key_sets::KeySets;
pub use keys::{CertificateUse, KeyManagerKeys, KeyManagerStatus, KeyState};
pub use outcome::{RefetchCause, Refetched};
pub use routes::routes;
