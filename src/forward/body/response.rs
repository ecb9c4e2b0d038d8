//! The backend's body, as the client's connection reads it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::deadline::Deadlines;
use crate::forward::body::broken::{BodyBroken, Cause};
use crate::forward::body::progress::{RequestProgress, RequestState};
use crate::forward::body::stall::{Stall, stalled};
use crate::forward::headers::strip_trailers;
use crate::forward::in_flight::InFlightRequest;
use crate::forward::pool::lease::Lease;

/// The backend's body as the client's connection reads it. At its end the connection returns to the
/// pool.
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
    pub(in crate::forward) fn new(
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

    /// Makes it for a switch. Its connection belongs to the upgrade.
    pub(in crate::forward) fn upgrading(
        incoming: Incoming,
        lease: Lease,
        progress: Rc<RequestProgress>,
        busy: Option<InFlightRequest>,
    ) -> Self {
        Self { incoming, lease: Some(lease), progress, stall: None, busy, broken: None }
    }

    /// Returns the cause of an early end, with the library's error about a backend; `None` if the
    /// body has not broken off.
    pub fn broken(&self) -> Option<(Cause, Option<&hyper::Error>)> {
        self.broken.as_ref().map(|broken| (broken.cause, broken.error.as_ref()))
    }

    /// Finds the cause of an early end. If the request broke off first, that is the cause.
    fn cause(&self) -> Cause {
        match self.progress.state() {
            RequestState::Stalled => Cause::Silence(self.progress.silent()),
            RequestState::Broken => Cause::Client,
            RequestState::TooLarge => Cause::TooLarge,
            RequestState::Streaming | RequestState::Complete => Cause::Backend,
        }
    }

    /// A connection whose request is still being sent cannot be used again; it closes with its
    /// lease.
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
                // the library does not poll after trailers
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // an error ends the client's connection at once, so earlier bytes are sent first
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
                let Some(silent) = stalled(stall, progress.last_moved(), context) else {
                    return Poll::Pending;
                };
                self.broken = Some(Broken { cause: Cause::Silence(silent), error: None });
                Poll::Ready(Some(Err(BodyBroken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // after trailers the library's body does not report its end
        self.lease.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
