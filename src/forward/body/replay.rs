//! Keeps the beginning of a request's body, so that the request can be sent again.
//!
//! A backend may refuse a stream that it has not looked at (RFC 9113 section 8.7). By then the
//! beginning of the body is often on its way. So the first [`MOST_KEPT`] bytes are kept until the
//! backend answers: as the pieces that they came in, which costs no copy. The rest of the body
//! comes back when the library drops it.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// The most bytes of a body that are kept; a request with more is sent once. A backend that grants
/// only the windows of the protocol (65,535 bytes) before it refuses has received less, with the
/// piece that waits for the window.
const MOST_KEPT: usize = 128 * 1024;

/// One piece of a body.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// The kept part of one body. `S` is the source of the rest.
#[derive(Debug)]
pub(super) struct Replay<S> {
    kept: Vec<Piece>,
    bytes: usize,
    overrun: bool,
    /// The source, with pieces that were to be sent before it.
    returned: Option<(S, Vec<Piece>)>,
    waker: Option<Waker>,
}

impl<S> Default for Replay<S> {
    fn default() -> Self {
        Self { kept: Vec::new(), bytes: 0, overrun: false, returned: None, waker: None }
    }
}

impl<S> Replay<S> {
    /// Keeps a piece that is sent now.
    pub(super) fn keep(&mut self, frame: &Frame<Bytes>) {
        self.bytes = self.bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if self.bytes > MOST_KEPT {
            self.overrun = true;
            self.kept = Vec::new();
        }
        if !self.overrun {
            self.kept.extend(Piece::of(frame));
        }
    }

    /// The library has let go of the body.
    pub(super) fn give_back(&mut self, source: S, ahead: Vec<Piece>) {
        self.returned = Some((source, ahead));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Returns the whole body again: its source, and the pieces to send before it, the last piece
    /// first. `None` if too much was sent. Pending while the library holds the body.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Option<(S, Vec<Piece>)>> {
        if self.overrun {
            return Poll::Ready(None);
        }
        let Some((source, mut ahead)) = self.returned.take() else {
            self.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        ahead.extend(self.kept.drain(..).rev());
        Poll::Ready(Some((source, ahead)))
    }
}

impl Piece {
    pub(super) fn of(frame: &Frame<Bytes>) -> Option<Self> {
        match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Some(Self::Data(data.clone())),
            (None, Some(trailers)) => Some(Self::Trailers(trailers.clone())),
            (None, None) => None,
        }
    }

    pub(super) fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(text.as_bytes()))
    }

    fn again(replay: &mut Replay<()>) -> Option<Vec<String>> {
        let Poll::Ready(found) = replay.poll(&Context::from_waker(Waker::noop())) else {
            return None;
        };
        let ((), ahead) = found?;
        let text = |piece: Piece| {
            String::from_utf8(piece.into_frame().into_data().unwrap().to_vec()).unwrap()
        };
        Some(ahead.into_iter().rev().map(text).collect())
    }

    #[test]
    fn what_was_sent_comes_before_what_was_not() {
        let mut replay = Replay::default();
        replay.keep(&data("one"));
        replay.keep(&data("two"));
        assert_eq!(again(&mut replay), None, "the library has the body");
        let ahead = vec![Piece::Data(Bytes::from_static(b"three"))];
        replay.give_back((), ahead);
        assert_eq!(again(&mut replay).unwrap(), ["one", "two", "three"]);
    }

    #[test]
    fn too_much_is_not_kept() {
        let mut replay = Replay::default();
        replay.keep(&Frame::data(Bytes::from(vec![0; MOST_KEPT])));
        assert_eq!(replay.kept.len(), 1);
        replay.keep(&data("x"));
        replay.keep(&data("y"));
        assert!(replay.kept.is_empty());
        replay.give_back((), Vec::new());
        assert_eq!(again(&mut replay), None);
    }
}
