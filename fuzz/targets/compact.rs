//! Tokens as they come.
#![no_main]

#[path = "../../tests/fuzzing/compact.rs"]
mod compact;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| compact::check(bytes));
