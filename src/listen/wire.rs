//! The bytes of one client connection: plain or TLS, watched for framing and for stalls.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::deadline::{Deadline, Deadlines};
use crate::listen::http1_framing::{Framing, Violation};
use crate::listen::http2_flood::FrameFollower;
use crate::proxy::connection::Connection;

/// A client's socket.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket as the HTTP library reads and writes it.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    /// Bytes that were read to tell the protocol.
    first: Bytes,
    /// Bytes that were looked at before, and that the HTTP library gave back.
    unread: Bytes,
    /// The framing of HTTP/1.
    framing: Option<Framing>,
    /// The frames of HTTP/2.
    frames: Option<FrameFollower>,
    violation: Option<Violation>,
    /// The status of an answer that the parser wanted to give by itself.
    swallowed: Option<u16>,
    /// Runs once the client has ended its sending side while it is being answered.
    leaving: Option<Deadline>,
    connection: Rc<Connection>,
    deadlines: Rc<Deadlines>,
}

/// A client that ends its sending side may still read its answer, or may have left: one that is
/// ready this soon is still sent, and then the request is canceled.
const LEAVING_GRACE: Duration = Duration::from_millis(600);

impl Wire {
    pub(super) fn http1(
        socket: Socket,
        first: Bytes,
        connection: Rc<Connection>,
        deadlines: Rc<Deadlines>,
    ) -> Self {
        Self {
            framing: Some(Framing::default()),
            ..Self::new(socket, first, connection, deadlines)
        }
    }

    pub(super) fn http2(
        socket: Socket,
        first: Bytes,
        connection: Rc<Connection>,
        deadlines: Rc<Deadlines>,
    ) -> Self {
        let frames = FrameFollower::new(deadlines.now());
        Self { frames: Some(frames), ..Self::new(socket, first, connection, deadlines) }
    }

    fn new(
        socket: Socket,
        first: Bytes,
        connection: Rc<Connection>,
        deadlines: Rc<Deadlines>,
    ) -> Self {
        Self {
            socket,
            first,
            unread: Bytes::new(),
            framing: None,
            frames: None,
            violation: None,
            swallowed: None,
            leaving: None,
            connection,
            deadlines,
        }
    }

    /// Returns the violation that ended the connection's framing, if there was one.
    pub(super) fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// The status with which the parser refused the client's bytes; its bare answer was not sent.
    pub(super) fn swallowed(&self) -> Option<u16> {
        self.swallowed
    }

    /// Returns the length of the last request line, or of its part that has come.
    pub(super) fn request_line(&self) -> usize {
        self.framing.as_ref().map_or(0, Framing::request_line)
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Takes unused bytes back. It copies them, mostly nothing, because the whole buffer behind
    /// them would live as long.
    pub(super) fn give_back(&mut self, unread: &[u8]) {
        self.unread = Bytes::copy_from_slice(unread);
    }

    /// Ready when bytes, or the end, can be read.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.unread.is_empty() || !self.first.is_empty() {
            return Poll::Ready(());
        }
        let stream = match &self.socket {
            Socket::Plain(stream) => stream,
            // all decrypted bytes have been read: the library reads until there are none
            Socket::Tls(stream) => stream.get_ref().0,
        };
        stream.poll_read_ready(context).map(|_| ())
    }

    /// A violation shows once nothing is being answered, so that a request accepted before it gets
    /// its response.
    fn refuse(&self) -> Poll<io::Result<()>> {
        if self.connection.is_serving() {
            Poll::Pending
        } else {
            Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "framing with two readings",
            )))
        }
    }

    fn fill(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        take(&mut self.first, buffer);
        Poll::Ready(Ok(()))
    }

    /// The client sends no more.
    fn end(&mut self, context: &Context<'_>, buffer: &ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.framing.is_none() || !self.connection.is_serving() || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let deadlines = &self.deadlines;
        self.leaving.get_or_insert_with(|| deadlines.after(LEAVING_GRACE)).poll(context).map(Ok)
    }

    /// Swallows the parser's own refusal: it writes one when no answer is owed.
    fn swallow(&mut self, bytes: &[u8]) -> bool {
        if self.framing.is_none() || self.connection.owes_bytes() {
            return false;
        }
        let status = bytes
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        self.swallowed = self.swallowed.or(status);
        self.swallowed.is_some()
    }

    /// Writes the interim responses that precede the answer. Pending while the socket is full.
    fn say_interim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.connection.interim().is_waiting() {
            return Poll::Ready(Ok(()));
        }
        let interim = Arc::clone(self.connection.interim());
        let socket = &mut self.socket;
        let said = interim.write(|bytes| match Pin::new(&mut *socket).poll_write(context, bytes) {
            Poll::Ready(result) => result.map_err(Some),
            Poll::Pending => Err(None),
        });
        match said {
            Ok(()) => Pin::new(&mut self.socket).poll_flush(context),
            Err(Some(error)) => Poll::Ready(Err(error)),
            Err(None) => Poll::Pending,
        }
    }

    fn watch_write<T>(&self, result: &Poll<T>) {
        self.connection.write_blocked(result.is_pending(), self.deadlines.now());
    }

    fn watch_written(&mut self, result: &Poll<io::Result<usize>>) {
        self.watch_write(result);
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut self.frames, result) {
            frames.answered(*bytes);
        }
    }
}

fn take(bytes: &mut Bytes, buffer: &mut ReadBuf<'_>) {
    let length = bytes.len().min(buffer.remaining());
    buffer.put_slice(bytes.get(..length).unwrap_or_default());
    bytes.advance(length);
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.violation.is_some() {
            return self.refuse();
        }
        if self.framing.is_some() {
            // reading goes on even if the hints could not be written; the answer's first byte waits
            // for them
            let _ = self.say_interim(context)?;
        }
        if !self.unread.is_empty() {
            take(&mut self.unread, buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let filled = self.fill(context, buffer);
        let Poll::Ready(Ok(())) = filled else { return filled };
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            return self.end(context, buffer);
        }
        let now = self.deadlines.now();
        if let Some(frames) = &mut self.frames {
            frames.inspect(new, now).map_err(io::Error::other)?;
            let within_head = frames.within_head();
            self.connection.frames_came(within_head, now);
            return filled;
        }
        self.connection.bytes_came(now);
        if self.connection.is_upgrading() {
            return filled;
        }
        let Some(framing) = &mut self.framing else { return filled };
        let verdict = framing.inspect(new);
        let within_message = !framing.is_between_messages();
        self.connection.within_message(within_message);
        if let Err(violation) = verdict {
            buffer.set_filled(before);
            self.violation = Some(violation);
            return self.refuse();
        }
        filled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.swallow(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.say_interim(context))?;
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && self.swallow(first)
        {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        ready!(self.say_interim(context))?;
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.socket).poll_flush(context);
        self.watch_write(&result);
        if result.is_ready() {
            self.connection.flushed();
        }
        result
    }

    /// `serve` shuts HTTP/1 down, because it may still have an answer to write.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.framing.is_some() {
            self.poll_flush(context)
        } else {
            Pin::new(&mut self.socket).poll_shutdown(context)
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
