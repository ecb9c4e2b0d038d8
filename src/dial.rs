//! Opens TCP connections to servers with several addresses, as RFC 8305 (Happy Eyeballs) says.
//!
//! The address families take turns. The next attempt starts when the one before has failed, or has
//! had [`NEXT_ATTEMPT`] without an answer; the first connection wins and the others are given up.
//! Deadlines are the caller's. Also tells the gateway's own shortages from failures of the server.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The delay of RFC 8305 section 8: far longer than a handshake takes, short enough not to be felt
/// as a failure.
pub const NEXT_ATTEMPT: Duration = Duration::from_millis(250);

/// One attempt in progress.
type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Concurrent attempts. Dropping it gives up all of them.
#[derive(Default)]
pub struct Race {
    attempts: Vec<(SocketAddr, Attempt)>,
}

/// The next event of a [`Race`].
#[derive(Debug)]
pub enum RaceStep {
    Connected(SocketAddr, TcpStream),
    Failed(SocketAddr, io::Error),
    /// The newest attempt has had its time, so another one may start beside it.
    Late,
}

impl fmt::Debug for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open()).finish()
    }
}

impl Race {
    /// Starts an attempt, as the next call of [`Race::step`] finds it.
    pub fn start(&mut self, address: SocketAddr) {
        self.attempts.push((address, Box::pin(TcpStream::connect(address))));
    }

    /// The addresses that have not answered yet.
    pub fn open(&self) -> impl Iterator<Item = SocketAddr> {
        self.attempts.iter().map(|(address, _)| *address)
    }

    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Waits for an attempt to end; with `more`, at most until another one may start.
    pub async fn step(&mut self, more: bool) -> RaceStep {
        let attempts = &mut self.attempts;
        let mut late = pin!(async {
            if more {
                sleep(NEXT_ATTEMPT).await;
            } else {
                pending::<()>().await;
            }
        });
        poll_fn(|context| {
            for position in 0..attempts.len() {
                let Some((address, attempt)) = attempts.get_mut(position) else { break };
                if let Poll::Ready(result) = attempt.as_mut().poll(context) {
                    let address = *address;
                    drop(attempts.swap_remove(position));
                    return Poll::Ready(match result {
                        Ok(stream) => RaceStep::Connected(address, stream),
                        Err(error) => RaceStep::Failed(address, error),
                    });
                }
            }
            late.as_mut().poll(context).map(|()| RaceStep::Late)
        })
        .await
    }
}

/// Connects to a server by name, or by a literal address.
pub async fn connect_to(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    connect(&addresses).await
}

/// Connects to the first of these addresses that answers.
pub async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut left = in_order(addresses).into_iter().peekable();
    let mut race = Race::default();
    let mut failure = None;
    loop {
        if let Some(address) = left.next() {
            race.start(address);
        }
        if race.is_empty() {
            return Err(failure.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
        }
        match race.step(left.peek().is_some()).await {
            RaceStep::Connected(_, stream) => return Ok(stream),
            RaceStep::Failed(_, error) => failure = Some(error),
            RaceStep::Late => {}
        }
    }
}

/// The same addresses with their families in turns (RFC 8305 section 4), that of the first address
/// first.
pub fn in_order(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == first);
    let mut other = other.into_iter();
    let mut ordered = Vec::with_capacity(addresses.len());
    for address in same {
        ordered.push(address);
        ordered.extend(other.next());
    }
    ordered.extend(other);
    ordered
}

/// Tells whether a connection failed because something is short on this machine: descriptors,
/// ports, buffers, memory. The server has no part in it.
pub fn is_own_shortage(error: &io::Error) -> bool {
    let own = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::AGAIN,
    ];
    error.raw_os_error().is_some_and(|code| own.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests;
