//! Header blocks of trusted and other proxies.
#![no_main]

#[path = "../../tests/fuzzing/forwarded.rs"]
mod forwarded;
#[path = "../../tests/fuzzing/header_lines.rs"]
mod header_lines;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forwarded::check(bytes));
