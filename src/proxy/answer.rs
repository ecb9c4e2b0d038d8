//! The body that goes to the client: the gateway's own or the backend's, with the exchange that it
//! ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::forward::body::{BodyBroken, Cause, ResponseBody};
use crate::proxy::connection::Handed;
use crate::proxy::exchange::Exchange;
use crate::proxy::stream::kind::StreamKind;
use crate::proxy::stream::limit::{EndReason, StreamLimit};
use crate::telemetry::{ExchangeEnding, with_causes};

/// A response's body. Dropping it before its end is how a client that left shows.
#[derive(Debug)]
pub struct AnswerBody {
    content: ReplyContent,
    /// `None` after a panic, which drops the exchange, and for an upgraded connection, whose tunnel
    /// owns it.
    exchange: Option<Box<Exchange>>,
    stream: StreamKind,
    limit: Option<Box<StreamLimit>>,
}

#[derive(Debug)]
enum ReplyContent {
    Own(Option<Bytes>),
    Backend(ResponseBody),
}

impl AnswerBody {
    /// A body made here; empty is no body.
    pub fn own(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        Self::new(ReplyContent::Own((!bytes.is_empty()).then_some(bytes)), exchange)
    }

    pub fn backend(
        body: ResponseBody,
        exchange: Box<Exchange>,
        stream: StreamKind,
        limit: Option<Box<StreamLimit>>,
    ) -> Self {
        Self { stream, limit, ..Self::new(ReplyContent::Backend(body), exchange) }
    }

    /// A body whose exchange has ended already.
    pub fn orphan(bytes: Bytes) -> Self {
        Self {
            content: ReplyContent::Own((!bytes.is_empty()).then_some(bytes)),
            exchange: None,
            stream: StreamKind::No,
            limit: None,
        }
    }

    fn new(content: ReplyContent, mut exchange: Box<Exchange>) -> Self {
        let ended = match &content {
            ReplyContent::Own(bytes) => bytes.is_none(),
            ReplyContent::Backend(body) => body.is_end_stream(),
        };
        if ended {
            exchange.complete();
        }
        Self { content, exchange: Some(exchange), stream: StreamKind::No, limit: None }
    }
}

impl AnswerBody {
    /// Ends the answer before its body, in the way that its client understands. Letting go of the
    /// backend's body closes its connection, or resets its stream.
    fn cut(&mut self, cut: EndReason) -> Option<Result<Frame<Bytes>, BodyBroken>> {
        self.limit = None;
        self.content = ReplyContent::Own(None);
        if let Some(exchange) = &mut self.exchange {
            exchange.end(ExchangeEnding::GatewayClosed, Some(cut.message()));
        }
        match self.stream {
            StreamKind::No => Some(Err(BodyBroken)),
            StreamKind::Events => None,
            StreamKind::Grpc => Some(Ok(Frame::trailers(cut.trailers()))),
        }
    }

    /// Ends an answer whose body broke off. The log names the side that broke it, and a client of
    /// gRPC gets a status.
    fn broke_off(&mut self) -> Result<Frame<Bytes>, BodyBroken> {
        let broken = match &self.content {
            ReplyContent::Backend(body) => body.broken(),
            ReplyContent::Own(_) => None,
        };
        let (cause, error) = broken.unwrap_or((Cause::Backend, None));
        let cut = EndReason::Broken(cause);
        if let Some(exchange) = &mut self.exchange {
            match cause {
                Cause::Backend => {
                    let told = error.map(|error| with_causes(error)).unwrap_or_default();
                    exchange.truncated(format!("{}: {told}", cut.message()));
                }
                Cause::Silence(time) => {
                    let message = format!("neither side sent anything for {time:?}");
                    exchange.end(ExchangeEnding::GatewayClosed, Some(&message));
                }
                Cause::Client => exchange.end(ExchangeEnding::ClientAborted, Some(cut.message())),
                Cause::TooLarge => exchange.end(ExchangeEnding::GatewayClosed, Some(cut.message())),
            }
        }
        if self.stream != StreamKind::Grpc {
            return Err(BodyBroken);
        }
        self.limit = None;
        self.content = ReplyContent::Own(None);
        Ok(Frame::trailers(cut.trailers()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        if let Some(limit) = &self.limit
            && let Poll::Ready(cut) = limit.poll(context)
        {
            return Poll::Ready(self.cut(cut));
        }
        let next = match &mut self.content {
            ReplyContent::Own(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            ReplyContent::Backend(body) => Pin::new(body).poll_frame(context),
        };
        if let Poll::Ready(Some(Err(_))) = next {
            return Poll::Ready(Some(self.broke_off()));
        }
        let ended = self.is_end_stream();
        let Some(exchange) = &mut self.exchange else { return next };
        let given = if let Poll::Ready(Some(Ok(frame))) = &next {
            frame.data_ref().map(Bytes::len)
        } else {
            None
        };
        exchange.connection().body_polled(given.map_or(Handed::Nothing, Handed::Bytes));
        match &next {
            Poll::Pending | Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(Some(Ok(frame))) => {
                exchange.sent(frame.data_ref().map_or(0, Bytes::len));
                if ended {
                    exchange.complete();
                }
            }
            Poll::Ready(None) => exchange.complete(),
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            ReplyContent::Own(bytes) => bytes.is_none(),
            ReplyContent::Backend(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            ReplyContent::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ReplyContent::Backend(body) => body.size_hint(),
        }
    }
}
