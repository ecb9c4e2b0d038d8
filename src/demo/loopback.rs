//! A small HTTP/1.1 server on a loopback address, used by all servers of the demo.
//!
//! It never listens on an address that other machines can reach, and never has more than
//! [`MAX_CONNECTIONS`] connections.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::http_server::{self, ACCEPT_PAUSE};

/// The most connections: enough for a demo.
const MAX_CONNECTIONS: usize = 512;

/// A listening server. Dropping it closes the listener and all connections.
#[derive(Debug)]
pub(super) struct RunningServer {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl RunningServer {
    /// Listens on `address`, whose port may be 0, and answers each request with `answer`.
    pub(super) async fn serve<A, F, B>(address: SocketAddr, answer: A) -> io::Result<RunningServer>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the demo listens on loopback only, not on {address}"),
            ));
        }
        let listener = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("the demo cannot listen on {address}: {error}"))
        })?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, answer));
        Ok(RunningServer { address, tasks })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and all connections.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept<A, F, B>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    // the connections end with this task
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let answer = answer.clone();
        connections.spawn(async move {
            // a client may break off at any time
            let _ = http_server::serve(stream, std::future::pending(), answer).await;
        });
    }
}

/// Returns a response with a JSON body.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
