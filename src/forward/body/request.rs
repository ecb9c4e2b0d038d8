//! The client's body, as the backend's connection reads it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::deadline::Deadlines;
use crate::forward::body::broken::BodyBroken;
use crate::forward::body::open_bodies::OpenBodies;
use crate::forward::body::progress::{RequestProgress, RequestState};
use crate::forward::body::replay::Piece;
use crate::forward::body::source::{BodySource, Peeked};
use crate::forward::body::stall::{Stall, stalled};
use crate::forward::headers::strip_request_trailers;
use crate::model::gateway::ByteLimit;
use crate::snapshot::local::LocalApi;

/// The client's body as the backend's connection reads it.
#[derive(Debug)]
pub struct RequestBody {
    source: BodySource,
    /// Pieces of a body that is sent again. They precede the source, and the last one is sent
    /// first.
    ahead: Vec<Piece>,
    progress: Rc<RequestProgress>,
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
        progress.set_state(RequestState::Complete);
        Self { source: BodySource::empty(), ahead: Vec::new(), progress }
    }

    /// Polls for the body of a request that was not processed, from its beginning. `None` if a part
    /// is lost.
    pub(in crate::forward) fn poll_again(
        progress: &Rc<RequestProgress>,
        context: &Context<'_>,
    ) -> Poll<Option<Self>> {
        let found = ready!(progress.poll_source(context));
        Poll::Ready(found.map(|(source, ahead)| Self {
            source,
            ahead,
            progress: Rc::clone(progress),
        }))
    }

    /// Looks whether a body without a length ends before it begins: some clients of HTTP/2 end
    /// their streams so.
    pub(in crate::forward) fn peek(&mut self, context: &mut Context<'_>) {
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
        self.progress.keep_frame(frame);
        if self.is_end_stream() {
            self.completed();
        }
    }

    fn completed(&mut self) {
        self.progress.set_state(RequestState::Complete);
        if let Some(open) = self.source.open.take() {
            open.ended();
        }
    }

    fn broken(&self, state: RequestState) -> BodyBroken {
        self.progress.set_state(state);
        BodyBroken
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.progress.give_back(&mut self.source, &mut self.ahead);
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
                match stalled(&mut source.stall, progress.last_moved(), context) {
                    Some(silent) => {
                        self.progress.fell_silent(silent);
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
