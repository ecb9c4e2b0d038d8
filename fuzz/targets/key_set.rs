//! JWKS documents.
#![no_main]

#[path = "../../tests/fuzzing/key_set.rs"]
mod key_set;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| key_set::check(bytes));
