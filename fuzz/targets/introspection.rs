//! What a server answers about a token.
#![no_main]

#[path = "../../tests/fuzzing/introspection.rs"]
mod introspection;
#[path = "../../tests/fuzzing/tree.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod tree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| introspection::check(bytes));
