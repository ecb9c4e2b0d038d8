//! Hands a client's socket over to the protocol that follows a switch.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// A client's socket, whatever its transport.
pub trait ClientSocket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSocket for S {}

type Ended = Pin<Box<dyn Future<Output = ()>>>;

/// Takes over a client's socket, with the bytes that followed its request.
pub struct Continuation(Box<dyn FnOnce(Box<dyn ClientSocket>, Bytes) -> Ended>);

impl Continuation {
    pub fn new<F>(run: impl FnOnce(Box<dyn ClientSocket>, Bytes) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self(Box::new(|socket, first| Box::pin(run(socket, first))))
    }

    pub async fn run(self, socket: Box<dyn ClientSocket>, first: Bytes) {
        (self.0)(socket, first).await;
    }
}

impl fmt::Debug for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Continuation")
    }
}
