//! A connection's bytes.
#![no_main]

#[path = "../../tests/fuzzing/framing.rs"]
mod framing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| framing::check(bytes));
