//! The HTTP library's side of the walk: a request in, a response out, whatever happens in between.
//!
//! A panic ends one request and not the connection's others. Dropping the future (the client left)
//! ends the walk, and writes the exchange's line.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;

use crate::forward::body::ResponseBody;
use crate::proxy::answer::AnswerBody;
use crate::proxy::connection::{Continuation, InFlight};
use crate::proxy::cors;
use crate::proxy::exchange::Exchange;
use crate::proxy::inbound::Inbound;
use crate::proxy::local_reply;
use crate::proxy::reply::{Reply, SwitchedProtocol};
use crate::proxy::stream::tunnel::Tunnel;
use crate::proxy::walk::walk;
use crate::proxy::worker::Worker;

/// Answers one request. Never fails: a failure is a response too.
///
/// The walk lives in a box of its own while it lasts. So an idle connection holds none, and the
/// large future is moved once.
pub fn handle(
    worker: Rc<Worker>,
    in_flight: InFlight,
    request: Request<Incoming>,
) -> RequestHandling {
    let inbound = Inbound::new(&worker, &in_flight, request);
    RequestHandling {
        worker: Rc::clone(&worker),
        serving: Box::pin(serve(worker, in_flight, inbound)),
    }
}

/// One request in progress.
pub struct RequestHandling {
    worker: Rc<Worker>,
    serving: Pin<Box<dyn Future<Output = Response<AnswerBody>>>>,
}

impl std::fmt::Debug for RequestHandling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHandling").finish_non_exhaustive()
    }
}

impl Future for RequestHandling {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let serving = &mut self.serving;
        // a bug in one request must not end the others of its connection, let alone the worker's
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context)));
        let polled = polled.unwrap_or_else(|_| {
            self.worker.counters().panicked();
            Poll::Ready(local_reply::after_panic(&self.worker).map(AnswerBody::orphan))
        });
        polled.map(Ok)
    }
}

async fn serve(
    worker: Rc<Worker>,
    in_flight: InFlight,
    mut inbound: Inbound,
) -> Response<AnswerBody> {
    let worker = &worker;
    inbound.read_upgrade(in_flight.connection());
    let unrouted = Arc::clone(&worker.snapshots().load().routes.unrouted);
    let request = &mut *inbound.request;
    let mut exchange = Box::new(Exchange::begin(Rc::clone(worker), in_flight, unrouted, request));
    let origin = request.headers().get(header::ORIGIN).cloned();
    let upgrading = inbound.is_http1_upgrade();
    let mut response = match walk(worker, &mut exchange, inbound).await {
        Ok(Reply { mut response, stream, limit, switched }) => {
            decorate(&exchange, origin.as_ref(), response.headers_mut());
            if let Some(switched) = switched {
                return switch(worker, exchange, response, switched);
            }
            response.map(|body| AnswerBody::backend(body, exchange, stream, limit))
        }
        Err(refusal) => {
            let mut response = local_reply::respond(worker, &mut exchange, &refusal);
            decorate(&exchange, origin.as_ref(), response.headers_mut());
            response.map(|body| AnswerBody::own(body, exchange))
        }
    };
    if upgrading {
        // the bytes after the request were not read as HTTP
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Lets a page of another origin read the response. Errors too: a page that may call should see why
/// it could not.
fn decorate(exchange: &Exchange, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if let Some(cors) = exchange.api().and_then(|api| api.definition.cors.as_ref())
        && !exchange.is_preflight()
    {
        cors::decorate(cors, origin, headers);
    }
}

/// Answers with the backend's switch, and sets up the tunnel that follows it.
fn switch(
    worker: &Rc<Worker>,
    exchange: Box<Exchange>,
    response: Response<ResponseBody>,
    switched: SwitchedProtocol,
) -> Response<AnswerBody> {
    let SwitchedProtocol { mut upgrade, authorization, stall } = switched;
    let (mut parts, head) = response.into_parts();
    let mut whole = Response::from_parts(parts.clone(), ());
    let backend = hyper::upgrade::on(&mut whole);
    parts.extensions.clear();
    let connection = exchange.connection_handle();
    let tunnel = Tunnel {
        exchange,
        backend,
        head,
        authorization,
        websocket: upgrade.is_websocket(),
        stall,
        deadlines: Rc::clone(worker.deadlines()),
    };
    match upgrade.stream.take() {
        None => connection.switch(Continuation::new(|client, first| tunnel.run(client, first))),
        // owned by the worker's runtime; it ends with its stream, and the stream's connection waits
        // for it
        Some(stream) => drop(spawn_local(async move {
            if let Ok(client) = stream.await {
                tunnel.run(TokioIo::new(client), Bytes::new()).await;
            }
        })),
    }
    Response::from_parts(parts, AnswerBody::orphan(Bytes::new()))
}
