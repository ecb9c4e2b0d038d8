//! The address that wins, with silent ones (a full accept queue), refusing ones and good ones.

use std::net::{Ipv4Addr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::*;

/// An address that ignores connections: the queue of its listener is full, so the system drops
/// packets.
struct Silent {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<StdTcpStream>,
}

impl Silent {
    fn start() -> Silent {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = StdTcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
            assert!(queued.len() < 64, "the queue of the listener is never full");
        }
        Silent { address, _listener: listener, _queued: queued }
    }
}

fn refusing() -> SocketAddr {
    StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn families_take_turns() {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let old = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(address);
    let new = ["[::1]:1", "[::2]:1"].map(address);
    assert_eq!(
        in_order(&[new[0], new[1], old[0], old[1], old[2]]),
        [new[0], old[0], new[1], old[1], old[2]]
    );
    assert_eq!(in_order(&[old[0], old[1], new[0]]), [old[0], new[0], old[1]]);
    assert_eq!(in_order(&[]), []);
}

#[tokio::test]
async fn a_silent_address_costs_a_quarter_of_a_second() {
    let silent = Silent::start();
    let good = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let started = Instant::now();
    let addresses = [silent.address, refusing(), good.local_addr().unwrap()];
    let stream = connect(&addresses).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
    assert!(started.elapsed() >= NEXT_ATTEMPT, "the first one has its time");
}

#[tokio::test]
async fn refusals_are_passed_over_at_once_and_the_last_one_is_told() {
    let good = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = connect(&[refusing(), refusing(), good.local_addr().unwrap()]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
    let error = connect(&[refusing(), refusing()]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(connect(&[]).await.is_err());
}

#[test]
fn shortages_of_this_machine_are_not_the_servers() {
    for code in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM] {
        assert!(is_own_shortage(&io::Error::from_raw_os_error(code.raw_os_error())), "{code}");
    }
    for code in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH, Errno::NETUNREACH] {
        assert!(!is_own_shortage(&io::Error::from_raw_os_error(code.raw_os_error())), "{code}");
    }
    assert!(!is_own_shortage(&io::Error::other("no code")));
}
