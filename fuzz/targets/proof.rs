//! DPoP proofs: whole ones, and payloads and keys under a good signature.
#![no_main]

#[path = "../../tests/fuzzing/proof.rs"]
mod proof;
#[path = "../../tests/fuzzing/tree.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod tree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| proof::check(bytes));
