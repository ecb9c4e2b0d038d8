//! Requests that ask to go on in another protocol: `Upgrade` of HTTP/1.1 (RFC 9110 section 7.8) and
//! extended CONNECT of HTTP/2 (RFC 8441).
//!
//! Decides which requests are upgrades, and whether a backend's answer fits: 101, or 200 to an
//! extended CONNECT. The token is judged on the handshake, like that of any request. No client can
//! upgrade to HTTP itself, since `h2c` would open a way around the walk.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::proxy::stream::websocket;

/// A request for another protocol.
#[derive(Debug)]
pub(in crate::proxy) struct UpgradeRequest {
    pub protocol: HeaderValue,
    /// For HTTP/2: the stream, once it is answered.
    pub stream: Option<OnUpgrade>,
    /// The answer that the backend must give to a key that the gateway made.
    accept: Option<String>,
    /// The client's key, which the gateway answers if the backend cannot.
    key: Option<HeaderValue>,
}

impl UpgradeRequest {
    /// Takes the upgrade out of a request. An extended CONNECT becomes the GET that it stands for.
    pub(in crate::proxy) fn take<B: Body>(request: &mut Request<B>) -> Option<Self> {
        if request.version() == Version::HTTP_2 {
            let protocol = request.extensions().get::<Protocol>()?;
            if *request.method() != Method::CONNECT || protocol.as_str() != "websocket" {
                return None;
            }
            let stream = Some(hyper::upgrade::on(&mut *request));
            *request.method_mut() = Method::GET;
            return Some(Self {
                protocol: HeaderValue::from_static("websocket"),
                stream,
                accept: None,
                key: None,
            });
        }
        if request.version() != Version::HTTP_11
            || !request.body().is_end_stream()
            || !says_upgrade(request.headers())
        {
            return None;
        }
        let mut named = request.headers().get_all(UPGRADE).iter();
        let (protocol, None) = (named.next()?, named.next()) else { return None };
        let name = protocol.to_str().ok()?.trim().to_ascii_lowercase();
        // a list is a choice for the server, and these speak HTTP
        let plain = !name.is_empty()
            && !name.contains(',')
            && name != "h2c"
            && !name.starts_with("http/")
            && !name.starts_with("tls/");
        plain.then(|| Self { protocol: protocol.clone(), stream: None, accept: None, key: None })
    }

    pub(in crate::proxy) fn is_websocket(&self) -> bool {
        self.protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
    }

    /// Puts the upgrade on a request to the backend, whose headers were stripped. Fails if the
    /// system has no random numbers.
    pub(in crate::proxy) fn ask(&mut self, headers: &mut HeaderMap) -> Result<(), Unspecified> {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
        if self.stream.is_none() {
            self.key = headers.get(SEC_WEBSOCKET_KEY).cloned();
        } else {
            let mut random = [0; 16];
            rand::fill(&mut random)?;
            let key = websocket::key(random);
            self.accept = Some(websocket::accept(&key));
            if let Ok(key) = HeaderValue::try_from(key) {
                headers.insert(SEC_WEBSOCKET_KEY, key);
            }
            headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        }
        Ok(())
    }

    /// Tells whether a 101 is the answer to this request.
    pub(in crate::proxy) fn is_answered_by(&self, headers: &HeaderMap) -> bool {
        let same = |value: &HeaderValue| {
            value
                .as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(self.protocol.as_bytes().trim_ascii())
        };
        let accepted = self.accept.as_ref().is_none_or(|wanted| {
            headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|found| found == wanted)
        });
        headers.get(UPGRADE).is_some_and(same) && says_upgrade(headers) && accepted
    }

    /// Writes the answer to the client's upgrade. The headers of the backend's own were stripped.
    pub(in crate::proxy) fn answer<B>(&self, response: &mut Response<B>) {
        let answered_for = response.status() == StatusCode::OK;
        let headers = response.headers_mut();
        if self.stream.is_some() {
            headers.remove(SEC_WEBSOCKET_ACCEPT);
            *response.status_mut() = StatusCode::OK;
        } else {
            let key = self.key.as_ref().filter(|_| answered_for).and_then(|key| key.to_str().ok());
            if let Some(accept) =
                key.and_then(|key| HeaderValue::try_from(websocket::accept(key)).ok())
            {
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            }
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, self.protocol.clone());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
    }
}

fn says_upgrade(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}
