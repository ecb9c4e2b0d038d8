//! Finds idle connections that should give up their buffers.
//!
//! Goes by the worker's coarse clock, and looks only at connections that began to wait a moment
//! ago. Those that are idle already cost nothing here, however many there are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::deadline::ticks;
use crate::proxy::connection::client::Connection;

/// A client that continues within this time finds its connection awake.
const REST_AFTER: Duration = Duration::from_millis(100);

/// The connections of one worker that began to wait, each once, and when they did, in ticks.
#[derive(Debug, Default)]
pub struct IdleConnections(RefCell<VecDeque<(u64, Rc<Connection>)>>);

impl IdleConnections {
    /// Adds a connection that began to wait.
    pub(super) fn add(&self, connection: &Rc<Connection>, now: u64) {
        if !connection.list(true) {
            self.0.borrow_mut().push_back((now, Rc::clone(connection)));
        }
    }

    /// Sends those to rest that have waited long enough.
    pub fn tick(&self, now: u64) {
        let long_ago = now.saturating_sub(ticks(REST_AFTER));
        while let Some(connection) = self.next(long_ago) {
            connection.list(false);
            match connection.waits_since() {
                Some(since) if since < long_ago => connection.rest(),
                // a request used the connection in the meantime, and it waits again
                Some(since) => self.add(&connection, since),
                None => {}
            }
        }
    }

    fn next(&self, long_ago: u64) -> Option<Rc<Connection>> {
        self.0
            .borrow_mut()
            .pop_front_if(|(listed, _)| *listed < long_ago)
            .map(|(_, connection)| connection)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::deadline::Deadlines;
    use crate::proxy::connection::client::Transport;
    use crate::proxy::connection::in_flight::InFlight;

    const CLIENT: &str = "192.0.2.1:4711";

    #[test]
    fn a_connection_rests_once_it_has_waited_and_not_while_it_is_used() {
        let (deadlines, waiting) =
            (Rc::new(Deadlines::default()), Rc::new(IdleConnections::default()));
        let connection =
            Rc::new(Connection::new("http", CLIENT.parse().unwrap(), Transport::Plain, 0));
        let exchange = || {
            drop(InFlight::begin(&connection, &deadlines, &waiting));
            connection.flushed();
        };
        let _ = connection.poll_closing(&Context::from_waker(Waker::noop()));
        let pass = |ticks| {
            deadlines.advance(ticks);
            waiting.tick(deadlines.now());
        };
        exchange();
        pass(2);
        assert!(!connection.goes_to_rest(), "not yet");
        exchange();
        pass(2);
        assert!(!connection.goes_to_rest(), "it was used");
        pass(2);
        assert!(connection.goes_to_rest());
        assert!(!connection.goes_to_rest(), "once");
        pass(100);
        assert!(!connection.goes_to_rest(), "until it was used again");
        assert!(waiting.0.borrow().is_empty());
        exchange();
        let busy = InFlight::begin(&connection, &deadlines, &waiting);
        pass(100);
        assert!(!connection.goes_to_rest(), "it is being answered");
        drop(busy);
        connection.flushed();
        assert_eq!(waiting.0.borrow().len(), 1);
        pass(100);
        assert!(connection.goes_to_rest());
    }
}
