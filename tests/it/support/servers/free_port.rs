//! Ports for servers that begin later.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that the system gives to outgoing connections, and above those of well-known services.
const FIRST: u16 = 10_000;
const COUNT: u64 = 22_000;

/// Returns a port where nobody listens. No connection takes it before its server does, as it may take one that the
/// system chose.
pub(crate) fn free_port() -> u16 {
    let random = || RandomState::new().build_hasher().finish() % COUNT;
    (0..1_000)
        .map(|_| FIRST + u16::try_from(random()).expect("fewer than 65,536"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
