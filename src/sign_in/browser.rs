//! Tells calls of web pages from those of programs, and calls of the gateway's own pages from
//! others.
//!
//! A browser adds the name and password that it knows for a site, whichever page makes a call. So
//! calls of other sites' pages are refused, by header fields that only the browser itself can
//! write.

use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// The relation of the page that made a call to the site that is called (Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origin of a call, as far as the browser tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserCall {
    /// No browser: programs do not send these fields.
    No,
    /// A page of this very listener.
    SameOrigin,
    /// A page of another site, or an unknown one.
    OtherSite,
}

impl BrowserCall {
    pub fn of(parts: &Parts) -> Self {
        let headers = &parts.headers;
        let mut sites = headers.get_all(FETCH_SITE).iter();
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (site, origin) = (sites.next(), origins.next());
        if site.is_none() && origin.is_none() {
            return Self::No;
        }
        if sites.next().is_some() || origins.next().is_some() {
            return Self::OtherSite;
        }
        let site_is_own = site.is_none_or(|site| match site.as_bytes() {
            b"same-origin" => true,
            // a person typed the address into the browser
            b"none" => parts.method.is_safe(),
            _ => false,
        });
        let origin_is_own = origin.is_none_or(|origin| {
            origin.to_str().is_ok_and(|text| is_own(text, headers, &parts.uri))
        });
        if site_is_own && origin_is_own { Self::SameOrigin } else { Self::OtherSite }
    }
}

/// Tells whether no page of another site makes this call.
pub fn same_origin(parts: &Parts) -> bool {
    BrowserCall::of(parts) != BrowserCall::OtherSite
}

/// Compares an origin with the authority of the call. A page cannot choose the authority that its
/// browser sends, and the listener answers only to its own names.
fn is_own(origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let called = uri.authority().cloned().or_else(|| host?.parse().ok());
    let (Ok(origin), Some(called)) = (origin.parse::<Authority>(), called) else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    origin.host().eq_ignore_ascii_case(called.host()) && port(&origin) == port(&called)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn call(method: &str, fields: &[(&str, &str)]) -> BrowserCall {
        let mut request = Request::builder().method(method).uri("/api").header("host", "gw:9443");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        BrowserCall::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_pages_of_this_listener_are_of_the_same_origin() {
        assert_eq!(call("POST", &[]), BrowserCall::No);
        for own in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("origin", "https://gw:9443")],
            &[("origin", "https://GW:9443"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(call("POST", own), BrowserCall::SameOrigin, "{own:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null")],
            &[("origin", "https://gw")],
            &[("origin", "https://gw:9443.evil.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "ftp://gw:9443")],
            &[("origin", "https://gw:9443"), ("origin", "https://evil.example")],
        ] {
            assert_eq!(call("POST", other), BrowserCall::OtherSite, "{other:?}");
        }
        assert_eq!(call("GET", &[("sec-fetch-site", "none")]), BrowserCall::SameOrigin);
    }
}
