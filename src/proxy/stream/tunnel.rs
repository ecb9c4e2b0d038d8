//! Passes bytes both ways after an upgrade, until one side ends, both are silent for too long, or
//! the stream's authorization ends.
//!
//! Holds two buffers of fixed size, however much passes. A WebSocket client is told between two
//! frames that its token expired (1008). If the gateway stops, both sides of a WebSocket are told
//! (1001). Other protocols see the end of the connection. The gateway does not wait for the peer's
//! consent.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use crate::deadline::{Deadline, Deadlines, TICK, ticks};
use crate::forward::body::ResponseBody;
use crate::proxy::exchange::Exchange;
use crate::proxy::stream::authorization::StreamAuthorization;
use crate::proxy::stream::ended::Ended;
use crate::proxy::stream::websocket::{self, WebSocketFrames};
use crate::telemetry::ExchangeEnding;

const BUFFER: usize = 16 * 1024;

/// The longest silence of both sides: long enough for sockets that wait for rare events, short
/// enough to close dead peers.
const IDLE: Duration = Duration::from_hours(1);

/// The time for a last frame, and for the peer to read it.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that was switched to another protocol, and all that belongs to it.
#[derive(Debug)]
pub(in crate::proxy) struct Tunnel {
    pub exchange: Box<Exchange>,
    pub backend: OnUpgrade,
    /// Holds the backend's connection until it is handed over.
    #[expect(dead_code, reason = "held for its drop")]
    pub head: ResponseBody,
    pub authorization: Option<StreamAuthorization>,
    pub websocket: bool,
    /// The time after which a peer that reads nothing counts as gone. `None`: the longest silence
    /// applies.
    pub stall: Option<Duration>,
    pub deadlines: Rc<Deadlines>,
}

/// The end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both sides have ended.
    Done,
    Cut(Ended),
    Stalled,
    /// A side broke off, or the gateway is stopping.
    Broken,
}

/// The end of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirectionEnd {
    All,
    /// Up to the end of a frame, as requested.
    Frame,
    Stalled,
    Broken,
}

/// The state of one direction's end.
#[derive(Debug, Default)]
struct TunnelClosing {
    asked: Cell<bool>,
    frames: RefCell<WebSocketFrames>,
}

impl Tunnel {
    /// Passes bytes until the end. `first` are the client's bytes after its request.
    pub(in crate::proxy) async fn run<S>(mut self, client: S, first: Bytes)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(backend) = (&mut self.backend).await else {
            self.exchange.end(ExchangeEnding::BackendTruncated, None);
            return;
        };
        let (mut client_reads, mut client_writes) = split(client);
        let (mut backend_reads, mut backend_writes) = split(TokioIo::new(backend));
        let progress = self.exchange.progress().cloned();
        let up_bytes = |bytes: usize| progress.iter().for_each(|progress| progress.passed(bytes));
        let sent = Cell::new(0_usize);
        let down_bytes = |bytes: usize| sent.set(sent.get().saturating_add(bytes));
        let (upward, downward) = (TunnelClosing::default(), TunnelClosing::default());
        let follows = self.websocket.then_some(&upward);
        let deadlines = &self.deadlines;
        let (up_deadline, down_deadline, last) =
            (deadlines.unset(), deadlines.unset(), deadlines.unset());
        let stall = self.stall();
        let moved = Cell::new(deadlines.now());
        let end = {
            let mut first = first;
            let up = async {
                if let Some(upward) = follows {
                    upward.frames.borrow_mut().passed(&first);
                }
                if backend_writes.write_all_buf(&mut first).await.is_err() {
                    return DirectionEnd::Broken;
                }
                let patience = Patience { deadline: &up_deadline, stall, moved: &moved };
                pump(&mut client_reads, &mut backend_writes, follows, patience, up_bytes).await
            };
            let down = pump(
                &mut backend_reads,
                &mut client_writes,
                Some(&downward),
                Patience { deadline: &down_deadline, stall, moved: &moved },
                down_bytes,
            );
            self.watch(up, down, [&upward, &downward], &last).await
        };
        if let End::Cut(ended) = end {
            let goodbye = self.goodbye(ended, &downward);
            let to_backend = async {
                if let Some(goodbye) = self.goodbye_to_backend(ended, &upward) {
                    say_goodbye(&mut backend_reads, &mut backend_writes, &goodbye).await;
                }
            };
            tokio::join!(say_goodbye(&mut client_reads, &mut client_writes, &goodbye), to_backend);
        }
        self.exchange.sent(sent.get());
        self.finish(end);
    }

    /// Returns the last frame for the client; empty if the protocol has none.
    fn goodbye(&self, ended: Ended, downward: &TunnelClosing) -> Vec<u8> {
        let status = match ended {
            Ended::GoingAway => websocket::GOING_AWAY,
            _ => websocket::POLICY_VIOLATION,
        };
        if self.websocket && downward.frames.borrow().at_boundary() {
            websocket::close_frame(status, ended.message())
        } else {
            Vec::new()
        }
    }

    /// Returns the last frame for the backend, if the gateway is the one that ends.
    fn goodbye_to_backend(&self, ended: Ended, upward: &TunnelClosing) -> Option<Vec<u8>> {
        let says =
            self.websocket && ended == Ended::GoingAway && upward.frames.borrow().at_boundary();
        let mut mask = [0; 4];
        (says && aws_lc_rs::rand::fill(&mut mask).is_ok())
            .then(|| websocket::masked_close_frame(websocket::GOING_AWAY, ended.message(), mask))
    }

    /// Runs both directions until the tunnel must end.
    async fn watch(
        &self,
        up: impl Future<Output = DirectionEnd>,
        down: impl Future<Output = DirectionEnd>,
        [upward, downward]: [&TunnelClosing; 2],
        last: &Deadline,
    ) -> End {
        let (mut up, mut down) = (pin!(up), pin!(down));
        let (mut up_done, mut down_done) = (None, None);
        let mut cut = None;
        poll_fn(|context| {
            if self.exchange.connection().poll_cut(context).is_ready() {
                return Poll::Ready(End::Broken);
            }
            if cut.is_none()
                && let Some(Poll::Ready(ended)) = self
                    .authorization
                    .as_ref()
                    .map(|authorization| authorization.poll_ended(context))
            {
                cut = Some(ended);
                upward.asked.set(true);
                downward.asked.set(true);
                last.set(GOODBYE);
            }
            poll_once(&mut up, &mut up_done, context);
            poll_once(&mut down, &mut down_done, context);
            if let Some(ended) = cut {
                let between = |closing: &TunnelClosing, done: Option<DirectionEnd>| {
                    !self.websocket || done.is_some() || closing.frames.borrow().at_boundary()
                };
                let over = (between(downward, down_done) && between(upward, up_done))
                    || last.poll(context).is_ready();
                return if over { Poll::Ready(End::Cut(ended)) } else { Poll::Pending };
            }
            match (up_done, down_done) {
                (Some(DirectionEnd::Stalled), _) | (_, Some(DirectionEnd::Stalled)) => {
                    Poll::Ready(End::Stalled)
                }
                (Some(DirectionEnd::Broken), _) | (_, Some(DirectionEnd::Broken)) => {
                    Poll::Ready(End::Broken)
                }
                (Some(_), Some(_)) => Poll::Ready(End::Done),
                // the other side gets some time to finish
                (Some(_), None) | (None, Some(_)) => last.poll(context).map(|()| End::Done),
                (None, None) => {
                    last.set(self.stall());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn stall(&self) -> Duration {
        self.stall.unwrap_or(IDLE)
    }

    fn finish(&mut self, end: End) {
        match end {
            End::Done => self.exchange.end(ExchangeEnding::Completed, None),
            End::Cut(ended) => {
                self.exchange.end(ExchangeEnding::GatewayClosed, Some(ended.message()));
            }
            End::Stalled => self.exchange.end(
                ExchangeEnding::GatewayClosed,
                Some("a side said nothing, or read nothing, for too long"),
            ),
            End::Broken => {
                self.exchange.end(ExchangeEnding::ClientAborted, Some("a side broke off"));
            }
        }
    }
}

/// The client's last bytes, and an orderly end after them.
async fn say_goodbye<R, W>(from: &mut R, to: &mut W, goodbye: &[u8])
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let _ = timeout(GOODBYE, async {
        if to.write_all(goodbye).await.is_ok() && to.shutdown().await.is_ok() {
            // closing over unread bytes would take the last frame back
            let _ = tokio::io::copy(from, &mut tokio::io::sink()).await;
        }
    })
    .await;
}

fn poll_once<F: Future<Output = DirectionEnd>>(
    future: &mut std::pin::Pin<&mut F>,
    done: &mut Option<DirectionEnd>,
    context: &mut Context<'_>,
) {
    if done.is_none()
        && let Poll::Ready(passed) = future.as_mut().poll(context)
    {
        *done = Some(passed);
    }
}

/// One direction.
async fn pump<R, W>(
    from: &mut R,
    to: &mut W,
    closing: Option<&TunnelClosing>,
    patience: Patience<'_>,
    count: impl Fn(usize),
) -> DirectionEnd
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Patience { deadline, stall, moved } = patience;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match patience.talks(from.read(&mut buffer)).await {
            None => return DirectionEnd::Stalled,
            Some(Ok(0)) => {
                let _ = to.shutdown().await;
                return DirectionEnd::All;
            }
            Some(Ok(read)) => read,
            Some(Err(_)) => return DirectionEnd::Broken,
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let asked = closing.filter(|closing| closing.asked.get());
            let most =
                asked.map_or(rest.len(), |closing| closing.frames.borrow().until_boundary(rest));
            if most == 0 {
                return DirectionEnd::Frame;
            }
            deadline.set(stall);
            let written =
                match within(deadline, to.write(rest.get(..most).unwrap_or_default())).await {
                    None => return DirectionEnd::Stalled,
                    Some(Ok(written)) if written > 0 => written,
                    Some(_) => return DirectionEnd::Broken,
                };
            let (passed, left) = rest.split_at_checked(written).unwrap_or((rest, &[]));
            if let Some(closing) = closing {
                closing.frames.borrow_mut().passed(passed);
            }
            count(passed.len());
            moved.set(deadline.now());
            rest = left;
        }
        match within(deadline, to.flush()).await {
            None => return DirectionEnd::Stalled,
            Some(Ok(())) => {}
            Some(Err(_)) => return DirectionEnd::Broken,
        }
    }
}

/// The patience of one direction.
#[derive(Clone, Copy)]
struct Patience<'p> {
    deadline: &'p Deadline,
    stall: Duration,
    /// The time when something last passed in either direction, in ticks.
    moved: &'p Cell<u64>,
}

impl Patience<'_> {
    /// Returns `None` if neither side sends anything for [`IDLE`].
    async fn talks<F: Future>(self, future: F) -> Option<F::Output> {
        let Self { deadline, moved, .. } = self;
        deadline.set(IDLE);
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            loop {
                ready!(deadline.poll(context));
                let quiet = deadline.now().saturating_sub(moved.get());
                let left = ticks(IDLE).saturating_sub(quiet);
                if left == 0 {
                    return Poll::Ready(None);
                }
                deadline.set(TICK.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)));
            }
        })
        .await
    }
}

/// Returns `None` if the deadline passes first.
async fn within<F: Future>(deadline: &Deadline, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => deadline.poll(context).map(|()| None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn one_side_may_be_silent_for_as_long_as_the_other_talks() {
        let deadlines = Rc::new(Deadlines::default());
        let (deadline, moved) = (deadlines.unset(), Cell::new(0));
        let patience = Patience { deadline: &deadline, stall: IDLE, moved: &moved };
        let mut silence = pin!(patience.talks(std::future::pending::<()>()));
        let hour = ticks(IDLE);
        assert!(poll(silence.as_mut()).is_pending());
        for _ in 0..3 {
            // the other side's traffic
            deadlines.advance(hour - 10);
            moved.set(deadlines.now());
            assert!(poll(silence.as_mut()).is_pending());
        }
        deadlines.advance(hour - 10);
        assert!(poll(silence.as_mut()).is_pending());
        deadlines.advance(12);
        assert_eq!(poll(silence.as_mut()), Poll::Ready(None), "both were silent");
    }
}
