//! Signs statements of the gateway about itself and about its callers.
//!
//! [`backend_jwt`] writes the backend JWT about a [`caller`], [`cache`] remembers signed ones, and
//! [`signing_key`] reads a private key. Never reads a request: the walk hands in the results of the
//! decision.

mod backend_jwt;
mod cache;
mod caller;
mod signing_key;

pub use crate::assertion::backend_jwt::Assertions;
pub use crate::assertion::cache::{AssertionCache, CannotSign};
pub use crate::assertion::caller::AssertedCaller;
pub use crate::assertion::signing_key::{SigningKey, UnusableKey};
