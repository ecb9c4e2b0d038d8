//! A request that is being answered.

use std::rc::Rc;

use crate::deadline::Deadlines;
use crate::proxy::connection::client::Connection;
use crate::proxy::connection::idle::IdleConnections;

/// A request that is being answered, for as long as it is held.
#[derive(Debug)]
pub struct InFlight {
    connection: Rc<Connection>,
    deadlines: Rc<Deadlines>,
    idle: Rc<IdleConnections>,
}

impl InFlight {
    /// Begins once a request's head was read.
    pub fn begin(
        connection: &Rc<Connection>,
        deadlines: &Rc<Deadlines>,
        idle: &Rc<IdleConnections>,
    ) -> Self {
        connection.request_began(deadlines.now());
        Self {
            connection: Rc::clone(connection),
            deadlines: Rc::clone(deadlines),
            idle: Rc::clone(idle),
        }
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn connection_handle(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.deadlines.now();
        if self.connection.request_ended(now) {
            self.idle.add(&self.connection, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::deadline::TICK;
    use crate::model::gateway::{ByteLimit, ClientLimits};
    use crate::proxy::connection::client::Transport;
    use crate::proxy::connection::clock::Overdue;

    fn connection() -> (Rc<Connection>, Rc<Deadlines>) {
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        (Rc::new(Connection::new("http", peer, Transport::Plain, 0)), Rc::default())
    }

    fn limits() -> ClientLimits {
        ClientLimits {
            header_timeout: TICK * 10,
            idle_timeout: TICK * 100,
            max_header_bytes: 0,
            max_headers: 0,
            max_body_bytes: ByteLimit::None,
            body_stall_timeout: TICK * 10_000,
            max_token_bytes: 0,
            max_forged_tokens: None,
            unknown_tokens: crate::model::rate::Rate::a_minute(std::num::NonZeroU32::MIN),
            max_streams: 0,
            max_loop_delay: None,
        }
    }

    #[test]
    fn a_client_is_told_to_go_before_it_is_cut_off_however_late_the_sweep_comes() {
        let (connection, deadlines) = connection();
        drop(InFlight::begin(&connection, &deadlines, &Rc::default()));
        let limits = limits();
        assert_eq!(connection.overdue(&limits, 100), None);
        for late in [101, 111, 5_000] {
            assert_eq!(connection.overdue(&limits, late), Some(Overdue::Idle), "{late}");
        }
        connection.tell_to_go(5_000);
        assert_eq!(connection.overdue(&limits, 5_010), Some(Overdue::Idle));
        connection.tell_to_go(5_010);
        assert_eq!(
            connection.overdue(&limits, 5_011),
            Some(Overdue::Lingering),
            "told again is not told later"
        );
    }

    #[test]
    fn a_drained_connection_that_is_silent_does_not_hold_the_drain() {
        let limits = limits();
        let (http1, deadlines) = connection();
        drop(InFlight::begin(&http1, &deadlines, &Rc::default()));
        http1.drain(10);
        assert_eq!(http1.overdue(&limits, 30), None, "its next request may be under way");
        assert_eq!(http1.overdue(&limits, 31), Some(Overdue::Idle));
        let (http2, deadlines) = connection();
        http2.is_multiplexed();
        let request = InFlight::begin(&http2, &deadlines, &Rc::default());
        http2.drain(10);
        assert_eq!(http2.overdue(&limits, 9_000), None, "a stream is open");
        deadlines.advance(100);
        drop(request);
        assert_eq!(http2.overdue(&limits, 140), None);
        assert_eq!(http2.overdue(&limits, 141), Some(Overdue::Lingering));
    }

    #[test]
    fn who_asks_for_something_after_all_has_its_answer_and_its_time() {
        let (connection, deadlines) = connection();
        drop(InFlight::begin(&connection, &deadlines, &Rc::default()));
        connection.tell_to_go(101);
        let request = InFlight::begin(&connection, &deadlines, &Rc::default());
        assert_eq!(connection.overdue(&limits(), 5_000), None);
        deadlines.advance(5_000);
        drop(request);
        assert_eq!(connection.overdue(&limits(), 5_100), None);
        assert_eq!(connection.overdue(&limits(), 5_101), Some(Overdue::Idle));
    }
}
