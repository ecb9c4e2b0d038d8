//! Finds an address of a target that accepts a connection. Starts with the next address in turn and
//! goes on to the target's others as [`crate::dial`] does. An open connection to one of the others
//! is better than a new one. The chooser of the address learns of each one that accepted no
//! connection.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::backend::CompiledTarget;
use crate::dial::{Race, RaceStep, is_own_shortage};
use crate::forward::failure::ForwardError;

/// The outcome of trying an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It refused, broke off, or sent nothing until the time was over.
    Failed,
    /// Another address was faster by far, or this machine could not try this one.
    PassedOver,
}

/// The addresses of a target in the order in which they are tried.
pub struct Way<'w> {
    pub target: &'w CompiledTarget,
    pub first: SocketAddr,
    pub others: Vec<SocketAddr>,
    /// The other requests in flight on the client's connection.
    pub neighbors: usize,
    hears: &'w dyn Fn(SocketAddr, Fate),
    /// Addresses without an answer so far, and the one that took the connection.
    trying: RefCell<Vec<SocketAddr>>,
    connected: Cell<Option<SocketAddr>>,
}

impl fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut way = f.debug_struct("Way");
        way.field("first", &self.first).field("others", &self.others).finish_non_exhaustive()
    }
}

/// A connection that was opened, or one that was open.
pub(super) enum Reached<L> {
    Opened(SocketAddr, TcpStream),
    Already(L),
}

impl<'w> Way<'w> {
    pub fn new(
        target: &'w CompiledTarget,
        first: SocketAddr,
        others: Vec<SocketAddr>,
        hears: &'w dyn Fn(SocketAddr, Fate),
    ) -> Self {
        let (trying, connected) = (RefCell::default(), Cell::new(None));
        Self { target, first, others, neighbors: 0, hears, trying, connected }
    }

    /// Notes the number of other requests in flight on the client's connection.
    #[must_use]
    pub fn beside(self, neighbors: usize) -> Self {
        Self { neighbors, ..self }
    }

    /// Returns the address that accepted the connection.
    pub fn connected(&self) -> Option<SocketAddr> {
        self.connected.get()
    }

    /// Gives up, and blames whatever was under way.
    pub(super) fn failed(&self) {
        for address in self.trying.take() {
            (self.hears)(address, Fate::Failed);
        }
    }

    /// Connects; `already` finds an open connection to an address that would be tried next.
    pub(super) async fn reach<L>(
        &self,
        already: impl Fn(SocketAddr) -> Option<L>,
    ) -> Result<Reached<L>, ForwardError> {
        let mut race = Race::default();
        let mut others = self.others.iter().copied();
        let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
        self.start(&mut race, self.first);
        loop {
            match race.step(others.len() > 0).await {
                RaceStep::Connected(address, stream) => {
                    self.pass_over(&failures, Some(address));
                    return Ok(Reached::Opened(address, stream));
                }
                RaceStep::Failed(address, error) => {
                    self.trying.borrow_mut().retain(|other| *other != address);
                    if !is_own_shortage(&error) {
                        (self.hears)(address, Fate::Failed);
                    }
                    failures.push((address, error));
                }
                RaceStep::Late => {}
            }
            match others.next() {
                Some(address) => match already(address) {
                    Some(lease) => {
                        self.pass_over(&failures, None);
                        self.connected.set(Some(address));
                        return Ok(Reached::Already(lease));
                    }
                    None => self.start(&mut race, address),
                },
                None if race.is_empty() => return Err(self.failure(failures)),
                None => {}
            }
        }
    }

    fn start(&self, race: &mut Race, address: SocketAddr) {
        self.trying.borrow_mut().push(address);
        race.start(address);
    }

    /// Passes over the other addresses because this one serves. Those that had more time than it
    /// lose their turn for a while. Those that were started after it had less time, and keep their
    /// turns.
    fn pass_over(&self, failures: &[(SocketAddr, io::Error)], winner: Option<SocketAddr>) {
        let trying = self.trying.replace(winner.into_iter().collect());
        let late = trying.into_iter().take_while(|address| Some(*address) != winner);
        let short = failures.iter().filter(|(_, error)| is_own_shortage(error));
        for address in late.chain(short.map(|(address, _)| *address)) {
            (self.hears)(address, Fate::PassedOver);
        }
        self.connected.set(winner);
    }

    fn failure(&self, failures: Vec<(SocketAddr, io::Error)>) -> ForwardError {
        let target = self.target.label.to_string();
        reason(target, failures.into_iter().map(|(_, error)| error))
    }
}

/// Returns the target's own failure, if there is one besides the shortages of this machine.
fn reason(target: String, failures: impl Iterator<Item = io::Error>) -> ForwardError {
    let (own, targets): (Vec<_>, Vec<_>) = failures.partition(is_own_shortage);
    match (targets.into_iter().next_back(), own.into_iter().next_back()) {
        (Some(source), _) => ForwardError::Refused { target, source },
        (None, Some(source)) => ForwardError::OwnShortage { target, source },
        (None, None) => ForwardError::ConnectTimeout { target },
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::model::reason::Reason;

    #[test]
    fn a_shortage_of_this_machine_is_no_failure_of_the_target() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        let told = |errors: &[Errno]| reason("a".to_owned(), errors.iter().map(|one| error(*one)));
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOMEM] {
            let own = told(&[errno]);
            assert_eq!(own.reason(), Reason::OwnShortage);
            assert!(own.before_sending() && !own.is_the_targets());
        }
        for errors in
            [&[Errno::CONNREFUSED, Errno::MFILE][..], &[Errno::ADDRNOTAVAIL, Errno::HOSTUNREACH]]
        {
            let targets = told(errors);
            assert_eq!(targets.reason(), Reason::BackendRefused);
            assert!(targets.is_the_targets());
        }
    }
}
