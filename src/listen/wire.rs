//! The bytes of one client connection: plain or TLS, watched for framing and for stalls.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::deadline::Deadlines;
use crate::listen::guard::{Framing, Violation};
use crate::proxy::connection::Connection;

/// A client's socket.
#[derive(Debug)]
pub enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket as the HTTP library reads and writes it.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    /// Bytes that were read to tell the protocol.
    first: Bytes,
    /// HTTP/1 only.
    framing: Option<Framing>,
    violation: Option<Violation>,
    connection: Rc<Connection>,
    deadlines: Rc<Deadlines>,
}

impl Wire {
    pub fn http1(socket: Socket, first: Bytes, connection: Rc<Connection>, deadlines: Rc<Deadlines>) -> Self {
        Self { socket, first, framing: Some(Framing::default()), violation: None, connection, deadlines }
    }

    pub fn http2(socket: Socket, first: Bytes, connection: Rc<Connection>, deadlines: Rc<Deadlines>) -> Self {
        Self { socket, first, framing: None, violation: None, connection, deadlines }
    }

    /// What ended the connection's framing, if something did.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// A violation shows once nothing is being answered, so that a request accepted before it gets its response.
    fn refuse(&self) -> Poll<io::Result<()>> {
        if self.connection.is_serving() {
            Poll::Pending
        } else {
            Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "framing with two readings")))
        }
    }

    fn fill(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(self.first.get(..length).unwrap_or_default());
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }

    fn watch_write<T>(&self, result: &Poll<T>) {
        self.connection.write_blocked(result.is_pending(), self.deadlines.now());
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.violation.is_some() {
            return self.refuse();
        }
        let before = buffer.filled().len();
        let filled = self.fill(context, buffer);
        let Poll::Ready(Ok(())) = filled else { return filled };
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            return filled;
        }
        self.connection.bytes_came(self.deadlines.now());
        let verdict = self.framing.as_mut().map_or(Ok(()), |framing| framing.inspect(new));
        if let Err(violation) = verdict {
            buffer.set_filled(before);
            self.violation = Some(violation);
            return self.refuse();
        }
        filled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch_write(&result);
        result
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.socket).poll_flush(context);
        self.watch_write(&result);
        result
    }

    /// HTTP/1 is shut down by `serve`, which may still have an answer to write.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.framing.is_some() { self.poll_flush(context) } else { Pin::new(&mut self.socket).poll_shutdown(context) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
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
