//! The management listener: who may do what, and what one caller cannot take from others.

mod access;
pub(crate) mod administration;
mod described;
mod devportal;
mod fleet;
mod nulls;
mod publisher;
mod registration;
mod scopes;
mod sign_in;
mod slow_callers;
