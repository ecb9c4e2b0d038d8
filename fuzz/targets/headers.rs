//! Header blocks in both directions.
#![no_main]

#[path = "../../tests/fuzzing/header_lines.rs"]
mod header_lines;
#[path = "../../tests/fuzzing/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headers::check(bytes));
