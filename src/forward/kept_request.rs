//! The parts of a request that are kept so that it can be sent again.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use http::Request;
use http_body::Body;

use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;

/// Copies the head of a request that can be sent twice without harm (RFC 9110 section 9.2.2).
pub(super) fn spare(request: &Request<RequestBody>) -> Option<Request<()>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    Some(head(request))
}

fn head(request: &Request<RequestBody>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    if let Some(protocol) = request.extensions().get::<hyper::ext::Protocol>() {
        head.extensions_mut().insert(protocol.clone());
    }
    head
}

/// Keeps a request that a backend of HTTP/2 may refuse.
pub(super) fn keep(request: &Request<RequestBody>, progress: &Rc<RequestProgress>) -> Request<()> {
    if !request.body().is_end_stream() {
        progress.keep();
    }
    head(request)
}

/// Makes a kept request again, with its whole body. `None` if a part of the body is lost, or the
/// time for an answer is over.
pub(super) async fn again(
    head: Request<()>,
    progress: &Rc<RequestProgress>,
) -> Option<Box<Request<RequestBody>>> {
    if !progress.keeps() {
        return Some(again_without_body(head, progress));
    }
    let body = poll_fn(|context| match RequestBody::poll_again(progress, context) {
        Poll::Ready(body) => Poll::Ready(body),
        Poll::Pending => progress.poll_response_deadline(context).map(|()| None),
    });
    let body = body.await?;
    Some(Box::new(head.map(|()| body)))
}

pub(super) fn again_without_body(
    head: Request<()>,
    progress: &Rc<RequestProgress>,
) -> Box<Request<RequestBody>> {
    Box::new(head.map(|()| RequestBody::empty(Rc::clone(progress))))
}
