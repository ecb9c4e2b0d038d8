//! Listening sockets that the starter of this process opened: systemd, or the gateway that it takes
//! over from. Protocol: sd_listen_fds(3). A socket is recognized by its address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

use crate::supervise::takeover_link::Predecessor;

/// The sockets and the predecessor that this process was given.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
    /// The process that this one takes over from.
    pub(super) predecessor: Option<Predecessor>,
}

impl Inherited {
    /// Takes the sockets that the environment names. Must be called once, before there is another
    /// thread.
    pub fn from_environment() -> Self {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).filter_map(|index| {
            let socket = passed.take_tcp_listener(index).ok().flatten()?;
            Some((socket.local_addr().ok()?, socket))
        });
        Self { sockets: sockets.collect(), predecessor: Predecessor::from_environment() }
    }

    /// The socket that listens on this address already.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let exact = self.sockets.iter().position(|(known, _)| *known == address);
        let fitting = || self.sockets.iter().position(|passed| covers(passed, address));
        Some(self.sockets.swap_remove(exact.or_else(fitting)?).1)
    }

    /// The address of a socket on the same port that does not fit.
    pub fn beside(&self, address: SocketAddr) -> Option<SocketAddr> {
        let on_port = |(known, _): &&(SocketAddr, TcpListener)| known.port() == address.port();
        self.sockets.iter().find(on_port).map(|(known, _)| *known)
    }

    /// Closes the sockets that no listener of the configuration asked for.
    pub fn close_unused(self) {
        for (address, _) in self.sockets {
            tracing::warn!(
                target: "portcullis::supervise",
                %address,
                "a passed socket fits no listener and is closed; write its address as the \
                 `address` of one, or take it out of the .socket unit",
            );
        }
    }
}

/// Tells whether a socket accepts connections to every address, IPv4 included, as `0.0.0.0`
/// requires: systemd's `ListenStream=8080` opens `[::]` for both.
fn covers((known, socket): &(SocketAddr, TcpListener), wanted: SocketAddr) -> bool {
    known.port() == wanted.port()
        && known.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && wanted.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        && SockRef::from(socket).only_v6().is_ok_and(|only| !only)
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn passed(only_v6: bool) -> Inherited {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(only_v6).unwrap();
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
        socket.listen(1).unwrap();
        let socket = TcpListener::from(socket);
        Inherited { sockets: vec![(socket.local_addr().unwrap(), socket)], predecessor: None }
    }

    #[test]
    fn a_socket_for_both_families_fits_the_address_of_one() {
        for (only_v6, fits) in [(false, true), (true, false)] {
            let mut inherited = passed(only_v6);
            let port = inherited.sockets[0].0.port();
            let address = |ip: Ipv4Addr, port| SocketAddr::from((ip, port));
            assert!(inherited.take(address(Ipv4Addr::UNSPECIFIED, port ^ 1)).is_none());
            assert!(inherited.take(address(Ipv4Addr::LOCALHOST, port)).is_none(), "narrower");
            let wanted = address(Ipv4Addr::UNSPECIFIED, port);
            assert_eq!(inherited.beside(wanted), Some(inherited.sockets[0].0));
            assert_eq!(inherited.take(wanted).is_some(), fits, "only IPv6: {only_v6}");
        }
    }
}
