//! Payloads under a good signature.
#![no_main]

#[path = "../../tests/fuzzing/claims.rs"]
mod claims;
#[path = "../../tests/fuzzing/tree.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod tree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::check(bytes));
