//! The first bytes of a connection behind a balancer.
#![no_main]

#[path = "../../tests/fuzzing/proxy_protocol.rs"]
mod proxy_protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| proxy_protocol::check(bytes));
