//! Paths of request targets.
#![no_main]

#[path = "../../tests/fuzzing/path.rs"]
mod path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| path::check(bytes));
