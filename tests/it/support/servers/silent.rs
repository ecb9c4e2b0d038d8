//! [`Silent`]: an address that takes no notice of connections, as a machine that is switched off.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A listener whose queue is full: the system drops what comes. Dropping it closes everything.
pub(crate) struct Silent {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

impl Silent {
    /// On a free port of this address.
    pub(crate) fn start(address: Ipv4Addr) -> Silent {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from((address, 0)).into()).expect("a free port");
        listener.listen(0).expect("a listener");
        let address =
            listener.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
            assert!(queued.len() < 64, "the queue of the listener is never full");
        }
        Silent { address, _listener: listener, _queued: queued }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
