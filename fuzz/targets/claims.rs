//! Payloads under a good signature.
#![no_main]

#[path = "../../tests/fuzzing/claims.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::check(bytes));
