//! Limits what is in flight at a time.

pub mod concurrency;
