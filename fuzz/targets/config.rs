//! Texts of gateway.toml.
#![no_main]

#[path = "../../tests/fuzzing/config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config::check(bytes));
