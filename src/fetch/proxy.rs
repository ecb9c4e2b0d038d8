//! Finds the way of a fetch: directly, or through a proxy.
//!
//! The gateway honors the usual variables (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in
//! either case) and always reaches loopback directly. A proxy's credentials are used and never
//! shown.

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::fetch::address::FetchUrl;
use crate::fetch::no_proxy;
use crate::model::key_manager::ProxyChoice;

/// The way to one address.
#[derive(Debug, Clone)]
pub struct Route {
    url: FetchUrl,
    pub(super) proxy: Option<Proxy>,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
    source: &'static str,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("uri", &self.name()).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Returns scheme, host and port: never the user or the password.
    pub(super) fn name(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        let port = self.uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{host}{port}", self.uri.scheme_str().unwrap_or("http"))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            None => write!(f, "{} directly", self.url),
            Some(proxy) => write!(f, "{} through {} ({})", self.url, proxy.name(), proxy.source),
        }
    }
}

/// The way to this address.
pub fn route(choice: &ProxyChoice, url: &FetchUrl) -> Route {
    let proxy = match choice {
        _ if url.is_loopback() => None,
        ProxyChoice::Direct => None,
        ProxyChoice::Environment if is_excepted(url) => None,
        ProxyChoice::Environment => through(&Matcher::from_env(), url, "from the environment"),
        ProxyChoice::Url(proxy) => {
            through(&Matcher::builder().all(proxy.clone()).build(), url, "as configured")
        }
    };
    Route { url: url.clone(), proxy }
}

/// Tells whether `NO_PROXY` names the address. The library reads the variable too, and knows fewer
/// forms.
fn is_excepted(url: &FetchUrl) -> bool {
    let list = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
    list.is_some_and(|list| no_proxy::lists(&list, url))
}

fn through(matcher: &Matcher, url: &FetchUrl, source: &'static str) -> Option<Proxy> {
    let intercept = matcher.intercept(url.uri())?;
    Some(Proxy {
        uri: intercept.uri().clone(),
        authorization: intercept.basic_auth().cloned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let far = FetchUrl::read("https://idp.example/jwks").unwrap();
        let choice = ProxyChoice::Url("http://user:secret@proxy.example:3128".to_owned());
        let shown = format!("{} {:?}", route(&choice, &far), route(&choice, &far));
        assert!(
            shown.contains("through http://proxy.example:3128") && !shown.contains("secret"),
            "{shown}"
        );
        let near = FetchUrl::read("https://localhost:9444/jwks").unwrap();
        assert!(route(&choice, &near).to_string().ends_with("directly"));
        assert!(route(&ProxyChoice::Direct, &far).to_string().ends_with("directly"));
    }
}
