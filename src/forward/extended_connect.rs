//! Asks backends of HTTP/2 for a WebSocket, by extended CONNECT (RFC 8441).
//!
//! Decides which upgrades a backend of HTTP/2 can be asked for, and translates the request. It does
//! not judge the answer. A backend is asked only if its settings invite it, so its connection is
//! opened first.

use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Request};
use hyper::ext::Protocol;

use crate::forward::body::request::RequestBody;

/// The outcome of turning an upgrade into an extended CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpgradeSupport {
    Asked,
    /// Another protocol than WebSocket, for which no extended CONNECT is defined, or a WebSocket
    /// client without a key.
    Impossible,
}

/// Turns a request with `Upgrade` into an extended CONNECT; leaves one alone that is one already.
pub(super) fn ask(request: &mut Request<RequestBody>) -> UpgradeSupport {
    if request.method() == Method::CONNECT {
        return UpgradeSupport::Asked;
    }
    let headers = request.headers_mut();
    let websocket = headers.get(UPGRADE).is_some_and(|protocol| {
        protocol.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket")
    });
    if !websocket || !headers.contains_key(SEC_WEBSOCKET_KEY) {
        return UpgradeSupport::Impossible;
    }
    // the key is HTTP/1.1's own proof that a server understood (section 5)
    for name in [UPGRADE, CONNECTION, SEC_WEBSOCKET_KEY] {
        headers.remove(name);
    }
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    UpgradeSupport::Asked
}
