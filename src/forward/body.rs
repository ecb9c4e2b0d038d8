//! Bodies on their way through: streamed, counted, and watched for stalls. Nothing is kept but the frame in hand, and what
//! [`replay`](crate::forward::replay) keeps of a request that an HTTP/2 backend may refuse.
//!
//! A stall is when nothing moves in either direction: a side may be silent for as long as the other one talks.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::deadline::{Deadline, Deadlines, TICK, ticks};
use crate::forward::headers::{strip_request_trailers, strip_trailers};
use crate::forward::pool::Lease;
use crate::forward::replay::{Piece, Replay};
use crate::forward::send::InFlightRequest;
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
    /// When something last moved in either direction, in ticks.
    moved: Cell<u64>,
    /// Nothing moved for this long.
    silent: Cell<Duration>,
    replay: RefCell<Option<Box<Replay<BodySource>>>>,
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
    source: BodySource,
    /// Sent before the source, the last one first: pieces of a body that is sent again.
    ahead: Vec<Piece>,
    progress: Rc<RequestProgress>,
}

/// Where a body comes from, within which limits.
#[derive(Debug)]
struct BodySource {
    /// `None`: no body.
    incoming: Option<Incoming>,
    /// `None` once the body has ended.
    open: Option<OpenBodies>,
    limit: ByteLimit,
    stall: Option<Stall>,
    peeked: Peeked,
    /// Whose trailers may not say everything; there once it was admitted.
    api: Option<Rc<LocalApi>>,
}

/// What was read of a body before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peeked {
    Nothing,
    /// It is ahead, and was not counted.
    Piece,
    /// The body is broken.
    Broken,
}

#[derive(Debug)]
struct Stall {
    deadline: Deadline,
    after: Duration,
    waiting: bool,
}

/// Why the answer's body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The backend ended its connection or the stream, or broke its framing.
    Backend,
    /// Neither side sent anything for this long.
    Silence(Duration),
    /// The client's body broke off, or the client left.
    Client,
    /// The client's body grew larger than it may.
    TooLarge,
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
            moved: Cell::new(deadlines.now()),
            silent: Cell::new(Duration::ZERO),
            replay: RefCell::new(None),
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
        self.moved();
        drop(self.replay.take());
    }

    /// Keeps what is sent of the body from now on, until the response head comes.
    pub(super) fn keep(&self) {
        self.replay.replace(Some(Box::default()));
    }

    /// Whether a body is kept.
    pub(super) fn keeps(&self) -> bool {
        self.replay.borrow().is_some()
    }

    /// The body of a request that was not processed, from its beginning. `None` if it is not all there.
    pub(super) fn poll_again(self: &Rc<Self>, context: &Context<'_>) -> Poll<Option<RequestBody>> {
        let found = match &mut *self.replay.borrow_mut() {
            Some(replay) => ready!(replay.poll(context)),
            None => None,
        };
        let Some((source, ahead)) = found else { return Poll::Ready(None) };
        if !ahead.is_empty() {
            self.state.set(RequestState::Streaming);
        }
        Poll::Ready(Some(RequestBody { source, ahead, progress: Rc::clone(self) }))
    }

    /// Something moved.
    fn moved(&self) {
        self.moved.set(self.response.now());
    }

    fn handed_over(&self, bytes: usize) {
        self.received.set(self.received.get().saturating_add(bytes as u64));
        self.sent();
    }

    fn sent(&self) {
        self.moved();
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
        let source = BodySource {
            incoming: Some(incoming),
            open: Some(open.clone()),
            limit: ByteLimit::Bytes(0),
            stall: None,
            peeked: Peeked::Nothing,
            api: None,
        };
        Self { source, ahead: Vec::new(), progress }
    }

    /// The request was admitted: its body may be read, within these limits.
    pub fn admit(
        &mut self,
        limit: ByteLimit,
        stall_after: Option<Duration>,
        deadlines: &Rc<Deadlines>,
        api: &Rc<LocalApi>,
    ) {
        if self.source.incoming.is_some() {
            self.source.api = Some(Rc::clone(api));
            self.source.limit = limit;
            self.source.stall = stall_after.map(|after| Stall::new(deadlines, after));
        }
    }

    pub fn progress(&self) -> &Rc<RequestProgress> {
        &self.progress
    }

    /// A request without a body.
    pub fn empty(progress: Rc<RequestProgress>) -> Self {
        progress.state.set(RequestState::Complete);
        Self { source: BodySource::empty(), ahead: Vec::new(), progress }
    }

    /// Looks whether a body without a length ends before it begins: some clients of HTTP/2 end their streams so.
    pub(super) fn peek(&mut self, context: &mut Context<'_>) {
        while let Some(incoming) = &mut self.source.incoming {
            match Pin::new(incoming).poll_frame(context) {
                Poll::Pending => return,
                Poll::Ready(None) => {
                    self.source.incoming = None;
                    self.completed();
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if frame.data_ref().is_none_or(|data| !data.is_empty()) {
                        self.ahead.extend(Piece::of(&frame));
                        self.source.peeked = Peeked::Piece;
                        return;
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    self.source.peeked = Peeked::Broken;
                    return;
                }
            }
        }
    }

    fn take(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyBroken> {
        if let Some(trailers) = frame.trailers_mut() {
            match &self.source.api {
                Some(api) => strip_request_trailers(trailers, &api.removed),
                None => trailers.clear(),
            }
        }
        self.progress.handed_over(frame.data_ref().map_or(0, Bytes::len));
        if let ByteLimit::Bytes(most) = self.source.limit
            && self.progress.received() > most
        {
            return Err(self.broken(RequestState::TooLarge));
        }
        self.handed_on(&frame);
        Ok(frame)
    }

    fn handed_on(&mut self, frame: &Frame<Bytes>) {
        if let Some(replay) = &mut *self.progress.replay.borrow_mut() {
            replay.keep(frame);
        }
        if self.is_end_stream() {
            self.completed();
        }
    }

    fn completed(&mut self) {
        self.progress.state.set(RequestState::Complete);
        if let Some(open) = self.source.open.take() {
            open.ended();
        }
    }

    fn broken(&self, state: RequestState) -> BodyBroken {
        self.progress.state.set(state);
        BodyBroken
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(replay) = &mut *self.progress.replay.borrow_mut() {
            let source = std::mem::replace(&mut self.source, BodySource::empty());
            replay.give_back(source, std::mem::take(&mut self.ahead));
        }
    }
}

impl BodySource {
    fn empty() -> Self {
        Self {
            incoming: None,
            open: None,
            limit: ByteLimit::None,
            stall: None,
            peeked: Peeked::Nothing,
            api: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let peeked = std::mem::replace(&mut self.source.peeked, Peeked::Nothing);
        if peeked == Peeked::Broken {
            self.source.peeked = peeked;
            return Poll::Ready(Some(Err(self.broken(RequestState::Broken))));
        }
        if let Some(piece) = self.ahead.pop() {
            let frame = piece.into_frame();
            if peeked == Peeked::Piece {
                return Poll::Ready(Some(self.take(frame)));
            }
            self.progress.sent();
            self.handed_on(&frame);
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(incoming) = &mut self.source.incoming else { return Poll::Ready(None) };
        match Pin::new(incoming).poll_frame(context) {
            Poll::Ready(next) => {
                if let Some(stall) = &mut self.source.stall {
                    stall.moved();
                }
                Poll::Ready(match next {
                    Some(Ok(frame)) => Some(self.take(frame)),
                    Some(Err(_)) => Some(Err(self.broken(RequestState::Broken))),
                    None => {
                        self.source.incoming = None;
                        self.completed();
                        None
                    }
                })
            }
            Poll::Pending => {
                let Self { source, progress, .. } = &mut *self;
                match stalled(&mut source.stall, progress, context) {
                    Some(silent) => {
                        self.progress.silent.set(silent);
                        Poll::Ready(Some(Err(self.broken(RequestState::Stalled))))
                    }
                    None => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty()
            && self.source.peeked != Peeked::Broken
            && self.source.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self
            .source
            .incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint);
        let ahead = self.ahead.iter().map(|piece| piece.len() as u64).sum::<u64>();
        match rest.exact() {
            Some(exact) => SizeHint::with_exact(exact.saturating_add(ahead)),
            None => rest,
        }
    }
}

impl Stall {
    fn new(deadlines: &Rc<Deadlines>, after: Duration) -> Self {
        Self { deadline: deadlines.unset(), after, waiting: false }
    }

    /// Counts only while somebody waits: a peer that we do not read from is not stalling. Nor is one that says nothing
    /// while the other side talks.
    fn poll(&mut self, progress: &RequestProgress, context: &Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.deadline.set(self.after);
        }
        loop {
            ready!(self.deadline.poll(context));
            let quiet = self.deadline.now().saturating_sub(progress.moved.get());
            let left = ticks(self.after).saturating_sub(quiet);
            if left == 0 {
                return Poll::Ready(());
            }
            self.deadline.set(TICK.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)));
        }
    }

    fn moved(&mut self) {
        if self.waiting {
            self.waiting = false;
            self.deadline.clear();
        }
    }
}

/// How long nothing moved, if that is too long.
fn stalled(
    stall: &mut Option<Stall>,
    progress: &RequestProgress,
    context: &Context<'_>,
) -> Option<Duration> {
    let stall = stall.as_mut()?;
    stall.poll(progress, context).is_ready().then_some(stall.after)
}

/// The backend's body as the client's connection reads it. At its end the connection goes back to the pool.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    /// `None` once the body has ended.
    lease: Option<Lease>,
    progress: Rc<RequestProgress>,
    stall: Option<Stall>,
    busy: Option<InFlightRequest>,
    broken: Option<Broken>,
}

#[derive(Debug)]
struct Broken {
    cause: Cause,
    error: Option<hyper::Error>,
}

impl ResponseBody {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        progress: Rc<RequestProgress>,
        stall_after: Option<Duration>,
        deadlines: &Rc<Deadlines>,
        busy: Option<InFlightRequest>,
    ) -> Self {
        let ended = incoming.is_end_stream();
        let stall = stall_after.filter(|_| !ended).map(|after| Stall::new(deadlines, after));
        let mut body = Self { incoming, lease: Some(lease), progress, stall, busy, broken: None };
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
        busy: Option<InFlightRequest>,
    ) -> Self {
        Self { incoming, lease: Some(lease), progress, stall: None, busy, broken: None }
    }

    /// Why it ended before its end, with what the library says of a backend; `None` as long as it did not.
    pub fn broken(&self) -> Option<(Cause, Option<&hyper::Error>)> {
        self.broken.as_ref().map(|broken| (broken.cause, broken.error.as_ref()))
    }

    /// The answer suffers for the request where that broke off first.
    fn cause(&self) -> Cause {
        match self.progress.state() {
            RequestState::Stalled => Cause::Silence(self.progress.silent.get()),
            RequestState::Broken => Cause::Client,
            RequestState::TooLarge => Cause::TooLarge,
            RequestState::Streaming | RequestState::Complete => Cause::Backend,
        }
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
        if self.broken.is_some() {
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
                self.progress.moved();
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
            Poll::Ready(Some(Err(error))) => {
                self.broken = Some(Broken { cause: self.cause(), error: Some(error) });
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let Self { stall, progress, .. } = &mut *self;
                let Some(silent) = stalled(stall, progress, context) else { return Poll::Pending };
                self.broken = Some(Broken { cause: Cause::Silence(silent), error: None });
                Poll::Ready(Some(Err(BodyBroken)))
            }
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
