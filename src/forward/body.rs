//! Bodies on their way through: streamed, counted, and watched for stalls. Nothing is kept but the frame in hand.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::deadline::{Deadline, Deadlines};
use crate::forward::headers::{strip_request_trailers, strip_trailers};
use crate::forward::pool::Lease;
use crate::forward::send::Busy;
use crate::model::gateway::ByteLimit;
use crate::snapshot::local::LocalApi;

/// What the client's body has come to, shared between the body, which hyper owns, and the exchange.
#[derive(Debug)]
pub struct RequestProgress {
    received: Cell<u64>,
    state: Cell<RequestState>,
    /// Runs from the last byte of the request that was handed over to the response head.
    response: Deadline,
    response_timeout: Cell<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    Streaming,
    Complete,
    TooLarge,
    Stalled,
    /// The client left or broke its framing.
    Broken,
}

/// How many bodies of a client's connection have not come to their end. One that was given up never does: what follows on
/// such a connection may still be of it.
#[derive(Debug, Clone, Default)]
pub struct OpenBodies(Rc<Cell<u32>>);

impl OpenBodies {
    pub fn any(&self) -> bool {
        self.0.get() > 0
    }

    fn opened(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }

    fn ended(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// The client's body as the backend's connection reads it.
#[derive(Debug)]
pub struct RequestBody {
    /// `None`: no body.
    incoming: Option<Incoming>,
    /// `None` once the body has ended.
    open: Option<OpenBodies>,
    progress: Rc<RequestProgress>,
    limit: ByteLimit,
    stall: Option<Stall>,
    /// Whose trailers may not say everything; there once it was admitted.
    api: Option<Rc<LocalApi>>,
}

#[derive(Debug)]
struct Stall {
    deadline: Deadline,
    after: Duration,
    waiting: bool,
}

/// The body ended early; the reason is in [`RequestProgress`] and in the exchange.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub struct BodyBroken;

impl RequestProgress {
    pub fn new(deadlines: &Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self {
            received: Cell::new(0),
            state: Cell::new(RequestState::Streaming),
            response: deadlines.unset(),
            response_timeout: Cell::new(Duration::MAX),
        })
    }

    /// Bytes of the body that came from the client.
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
    pub(super) fn await_response(&self, timeout: Duration) {
        self.response_timeout.set(timeout);
        self.response.set(timeout);
    }

    pub(super) fn poll_response_deadline(&self, context: &Context<'_>) -> Poll<()> {
        self.response.poll(context)
    }

    /// The head is there: an upload may go on for as long as it moves.
    pub(super) fn response_came(&self) {
        self.response_timeout.set(Duration::MAX);
        self.response.clear();
    }

    fn handed_over(&self, bytes: usize) {
        self.received.set(self.received.get().saturating_add(bytes as u64));
        if self.response_timeout.get() != Duration::MAX {
            self.response.set(self.response_timeout.get());
        }
    }
}

impl RequestBody {
    /// A body that nothing may be read of yet.
    pub fn new(incoming: Incoming, deadlines: &Rc<Deadlines>, open: &OpenBodies) -> Self {
        let progress = RequestProgress::new(deadlines);
        if incoming.is_end_stream() {
            return Self::empty(progress);
        }
        open.opened();
        Self {
            incoming: Some(incoming),
            open: Some(open.clone()),
            progress,
            limit: ByteLimit::Bytes(0),
            stall: None,
            api: None,
        }
    }

    /// The request was admitted: its body may be read, within these limits.
    pub fn admit(
        &mut self,
        limit: ByteLimit,
        stall_after: Duration,
        deadlines: &Rc<Deadlines>,
        api: &Rc<LocalApi>,
    ) {
        if self.incoming.is_some() {
            self.api = Some(Rc::clone(api));
            self.limit = limit;
            self.stall = Some(Stall::new(deadlines, stall_after));
        }
    }

    pub fn progress(&self) -> &Rc<RequestProgress> {
        &self.progress
    }

    /// A request without a body.
    pub fn empty(progress: Rc<RequestProgress>) -> Self {
        progress.state.set(RequestState::Complete);
        Self {
            incoming: None,
            open: None,
            progress,
            limit: ByteLimit::None,
            stall: None,
            api: None,
        }
    }

    fn take(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyBroken> {
        if let Some(trailers) = frame.trailers_mut() {
            match &self.api {
                Some(api) => strip_request_trailers(trailers, &api.removed),
                None => trailers.clear(),
            }
        }
        self.progress.handed_over(frame.data_ref().map_or(0, Bytes::len));
        if let ByteLimit::Bytes(most) = self.limit
            && self.progress.received() > most
        {
            return Err(self.broken(RequestState::TooLarge));
        }
        if self.is_end_stream() {
            self.completed();
        }
        Ok(frame)
    }

    fn completed(&mut self) {
        self.progress.state.set(RequestState::Complete);
        if let Some(open) = self.open.take() {
            open.ended();
        }
    }

    fn broken(&self, state: RequestState) -> BodyBroken {
        self.progress.state.set(state);
        BodyBroken
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        match Pin::new(incoming).poll_frame(context) {
            Poll::Ready(next) => {
                if let Some(stall) = &mut self.stall {
                    stall.moved();
                }
                Poll::Ready(match next {
                    Some(Ok(frame)) => Some(self.take(frame)),
                    Some(Err(_)) => Some(Err(self.broken(RequestState::Broken))),
                    None => {
                        self.completed();
                        None
                    }
                })
            }
            Poll::Pending if stalled(&mut self.stall, context) => {
                Poll::Ready(Some(Err(self.broken(RequestState::Stalled))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Stall {
    fn new(deadlines: &Rc<Deadlines>, after: Duration) -> Self {
        Self { deadline: deadlines.unset(), after, waiting: false }
    }

    /// Counts only while somebody waits: a peer that we do not read from is not stalling.
    fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.deadline.set(self.after);
        }
        self.deadline.poll(context)
    }

    fn moved(&mut self) {
        if self.waiting {
            self.waiting = false;
            self.deadline.clear();
        }
    }
}

fn stalled(stall: &mut Option<Stall>, context: &Context<'_>) -> bool {
    stall.as_mut().is_some_and(|stall| stall.poll(context).is_ready())
}

/// The backend's body as the client's connection reads it. At its end the connection goes back to the pool.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    /// `None` once the body has ended.
    lease: Option<Lease>,
    progress: Rc<RequestProgress>,
    stall: Option<Stall>,
    busy: Option<Busy>,
    broken: bool,
}

impl ResponseBody {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        progress: Rc<RequestProgress>,
        stall_after: Duration,
        deadlines: &Rc<Deadlines>,
        busy: Option<Busy>,
    ) -> Self {
        let ended = incoming.is_end_stream();
        let stall = (!ended).then(|| Stall::new(deadlines, stall_after));
        let mut body = Self { incoming, lease: Some(lease), progress, stall, busy, broken: false };
        if ended {
            body.finish();
        }
        body
    }

    /// The connection behind a switch belongs to whoever takes the upgrade.
    pub(super) fn upgrading(
        incoming: Incoming,
        lease: Lease,
        progress: Rc<RequestProgress>,
        busy: Option<Busy>,
    ) -> Self {
        Self { incoming, lease: Some(lease), progress, stall: None, busy, broken: false }
    }

    /// A connection whose request is still being sent cannot be used again; it closes with its lease.
    fn finish(&mut self) {
        self.busy = None;
        if let Some(lease) = self.lease.take()
            && self.progress.state() == RequestState::Complete
        {
            lease.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        if self.broken {
            return Poll::Ready(Some(Err(BodyBroken)));
        }
        let Self { incoming, lease, .. } = &mut *self;
        let next = match lease {
            Some(lease) => {
                lease.poll(context, |context| Pin::new(&mut *incoming).poll_frame(context))
            }
            None => Pin::new(incoming).poll_frame(context),
        };
        if let (Poll::Ready(_), Some(stall)) = (&next, &mut self.stall) {
            stall.moved();
        }
        match next {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers);
                }
                // nobody asks for more behind trailers
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // an error ends the client's connection at once: what came before it goes out first
            Poll::Ready(Some(Err(_))) => {
                self.broken = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending if stalled(&mut self.stall, context) => {
                Poll::Ready(Some(Err(BodyBroken)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        // behind trailers the library's body does not say so
        self.lease.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
