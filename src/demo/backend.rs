//! The demo's backends. Each answers with its name and the request that reached it, so that a
//! reader sees where a key was sent, and what the gateway added or removed.
//!
//! A backend checks nothing: the gateway does. It never repeats an `Authorization` header.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::demo::loopback::{RunningServer, json};

const STREAM_LINES: u32 = 10;
const STREAM_PAUSE: Duration = Duration::from_millis(200);

/// The embedded backends.
#[derive(Debug)]
pub(super) struct DemoBackend;

impl DemoBackend {
    /// Listens on a loopback address; its answers contain `name`.
    pub(super) async fn start(
        address: SocketAddr,
        name: &'static str,
    ) -> io::Result<RunningServer> {
        RunningServer::serve(address, move |request| async move { answer(name, &request) }).await
    }
}

fn answer(name: &str, request: &Request<Incoming>) -> Response<Either<Full<Bytes>, Lines>> {
    let path = request.uri().path();
    if path.ends_with("/stream") {
        let mut response = Response::new(Either::Right(Lines::new(name)));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        return response;
    }
    let body = if path.ends_with("/health") {
        json!({ "backend": name, "status": "up" })
    } else {
        json!({
            "backend": name,
            "method": request.method().as_str(),
            "path": path,
            "query": request.uri().query(),
            "headers": shown(request.headers()),
        })
    };
    json(StatusCode::OK, &body).map(Either::Left)
}

fn shown(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let secret = *name == header::AUTHORIZATION
            || *name == header::PROXY_AUTHORIZATION
            || *name == header::COOKIE;
        let value =
            if secret { "(withheld)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        shown.entry(name.as_str()).or_default().push(value.into_owned());
    }
    shown
}

/// A body that arrives line by line, which shows that the gateway does not buffer it.
#[derive(Debug)]
struct Lines {
    backend: String,
    sent: u32,
    clock: Interval,
}

impl Lines {
    fn new(backend: &str) -> Lines {
        let mut clock = interval(STREAM_PAUSE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Lines { backend: backend.to_owned(), sent: 0, clock }
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent == STREAM_LINES {
            return Poll::Ready(None);
        }
        ready!(self.clock.poll_tick(context));
        self.sent += 1;
        let line = format!("{} {} of {STREAM_LINES}\n", self.backend, self.sent);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(line)))))
    }
}
