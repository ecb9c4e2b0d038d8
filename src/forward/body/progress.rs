//! The progress of a request's body, which the backend's connection owns, as the exchange sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;

use crate::deadline::{Deadline, Deadlines};
use crate::forward::body::replay::{Piece, Replay};
use crate::forward::body::source::BodySource;

/// The progress of the client's body, shared between the body and the exchange.
#[derive(Debug)]
pub struct RequestProgress {
    received: Cell<u64>,
    state: Cell<RequestState>,
    /// Runs from the last byte of the request that was handed over to the response head.
    response: Deadline,
    response_timeout: Cell<Duration>,
    /// The time when something last moved in either direction, in ticks.
    moved: Cell<u64>,
    /// The time without a byte.
    silent: Cell<Duration>,
    replay: RefCell<Option<Box<Replay<BodySource>>>>,
}

/// The state of the client's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    Streaming,
    Complete,
    TooLarge,
    Stalled,
    /// The client left or broke its framing.
    Broken,
}

impl RequestProgress {
    pub fn new(deadlines: &Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self {
            received: Cell::new(0),
            state: Cell::new(RequestState::Streaming),
            response: deadlines.unset(),
            response_timeout: Cell::new(Duration::MAX),
            moved: Cell::new(deadlines.now()),
            silent: Cell::new(Duration::ZERO),
            replay: RefCell::new(None),
        })
    }

    /// Returns the bytes of the body that came from the client.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Bytes that passed on an upgraded connection.
    pub fn passed(&self, bytes: usize) {
        self.received.set(self.received.get().saturating_add(bytes as u64));
    }

    pub fn state(&self) -> RequestState {
        self.state.get()
    }

    /// Starts to wait for the response head.
    pub(in crate::forward) fn await_response(&self, timeout: Duration) {
        self.response_timeout.set(timeout);
        self.response.set(timeout);
    }

    pub(in crate::forward) fn poll_response_deadline(&self, context: &Context<'_>) -> Poll<()> {
        self.response.poll(context)
    }

    /// The head is there: an upload may go on for as long as it moves.
    pub(in crate::forward) fn response_came(&self) {
        self.response_timeout.set(Duration::MAX);
        self.response.clear();
        self.moved();
        drop(self.replay.take());
    }

    /// Keeps the body's bytes that are sent from now on, until the response head comes.
    pub(in crate::forward) fn keep(&self) {
        self.replay.replace(Some(Box::default()));
    }

    /// Tells whether a body is kept.
    pub(in crate::forward) fn keeps(&self) -> bool {
        self.replay.borrow().is_some()
    }

    /// Polls for the source of a body that was not processed, with the pieces that come before it.
    /// `None` if a part is lost.
    pub(super) fn poll_source(
        &self,
        context: &Context<'_>,
    ) -> Poll<Option<(BodySource, Vec<Piece>)>> {
        let found = match &mut *self.replay.borrow_mut() {
            Some(replay) => ready!(replay.poll(context)),
            None => None,
        };
        if found.as_ref().is_some_and(|(_, ahead)| !ahead.is_empty()) {
            self.state.set(RequestState::Streaming);
        }
        Poll::Ready(found)
    }

    /// Keeps a frame that is sent now, if the body is kept.
    pub(super) fn keep_frame(&self, frame: &Frame<Bytes>) {
        if let Some(replay) = &mut *self.replay.borrow_mut() {
            replay.keep(frame);
        }
    }

    /// Takes the source back that the library lets go of, if the body is kept.
    pub(super) fn give_back(&self, source: &mut BodySource, ahead: &mut Vec<Piece>) {
        if let Some(replay) = &mut *self.replay.borrow_mut() {
            let source = std::mem::replace(source, BodySource::empty());
            replay.give_back(source, std::mem::take(ahead));
        }
    }

    pub(super) fn set_state(&self, state: RequestState) {
        self.state.set(state);
    }

    /// Notes a body without a byte from either side for so long.
    pub(super) fn fell_silent(&self, silent: Duration) {
        self.silent.set(silent);
    }

    pub(super) fn silent(&self) -> Duration {
        self.silent.get()
    }

    /// The time when something last moved, in ticks.
    pub(super) fn last_moved(&self) -> &Cell<u64> {
        &self.moved
    }

    /// Notes that something moved.
    pub(super) fn moved(&self) {
        self.moved.set(self.response.now());
    }

    pub(super) fn handed_over(&self, bytes: usize) {
        self.received.set(self.received.get().saturating_add(bytes as u64));
        self.sent();
    }

    pub(super) fn sent(&self) {
        self.moved();
        if self.response_timeout.get() != Duration::MAX {
            self.response.set(self.response_timeout.get());
        }
    }
}
