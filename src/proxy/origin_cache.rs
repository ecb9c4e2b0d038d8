//! The host that a request names and the address that it comes from, read once for all requests of
//! a connection that repeat them.
//!
//! An origin holds for the next request if the host stands in one place, spelled as before, and the
//! peer is not a trusted proxy. `route` and `forward` interpret the host and the chain of
//! addresses.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use http::{HeaderMap, Uri, Version, header};

use crate::forward::forwarded::{Arrival, ClientOrigin, ClientScheme, WrittenOrigin};
use crate::model::proxies::TrustedProxies;
use crate::route::{self, InvalidAuthority};

/// The host that a request names, and the client that it comes from.
#[derive(Debug)]
pub struct RequestOrigin {
    /// The host in lower case, without a port; empty if the request names none.
    pub host: Box<str>,
    pub origin: ClientOrigin,
    /// The origin in the form that backends get.
    pub written: WrittenOrigin,
}

/// The origin of the last request of a connection.
#[derive(Debug, Default)]
pub struct OriginCache(RefCell<Option<Last>>);

#[derive(Debug)]
struct Last {
    /// The host as it was sent.
    sent: Box<[u8]>,
    origin: Rc<RequestOrigin>,
}

/// The connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'a> {
    pub peer: IpAddr,
    pub scheme: ClientScheme,
    pub trusted_proxies: &'a TrustedProxies,
}

impl OriginCache {
    /// Reads a request's host and origin, or finds them read.
    pub fn read(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        from: Arriving<'_>,
    ) -> Result<Rc<RequestOrigin>, InvalidAuthority> {
        let sent = if from.trusted_proxies.include(from.peer) {
            None
        } else {
            only_host(version, uri, headers)
        };
        let mut last = self.0.borrow_mut();
        if let (Some(sent), Some(last)) = (sent, &*last)
            && sent == &*last.sent
        {
            return Ok(Rc::clone(&last.origin));
        }
        let authority = route::request_authority(version, uri, headers)?;
        let Arriving { peer, scheme, trusted_proxies } = from;
        let origin = ClientOrigin::read(
            headers,
            &Arrival { peer, scheme, authority: authority.as_ref(), trusted_proxies },
        );
        let host = authority.as_ref().map_or("", route::Authority::host);
        // the requests of a trusted proxy's connection may all come from one client
        if let Some(last) = &*last
            && last.origin.origin == origin
            && *last.origin.host == *host
        {
            return Ok(Rc::clone(&last.origin));
        }
        let origin =
            Rc::new(RequestOrigin { host: host.into(), written: origin.written(), origin });
        *last = Some(Last { sent: sent.unwrap_or_default().into(), origin: Rc::clone(&origin) });
        Ok(origin)
    }
}

/// Returns the host if it stands in one place alone: the `Host` field, or `:authority`. It is never
/// empty.
fn only_host<'r>(version: Version, uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r [u8]> {
    let mut fields = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), fields.next()) {
        (None, Some(field)) if fields.next().is_none() => field.as_bytes(),
        // over HTTP/1.1 `Host` must be present all the same
        (Some(authority), None) if version == Version::HTTP_2 => authority.as_str().as_bytes(),
        _ => return None,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use ipnet::IpNet;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn from(trusted_proxies: &TrustedProxies) -> Arriving<'_> {
        Arriving { peer: CLIENT, scheme: ClientScheme::Https, trusted_proxies }
    }

    fn with(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn read(
        last: &OriginCache,
        uri: &'static str,
        fields: &[(&'static str, &'static str)],
    ) -> Result<Rc<RequestOrigin>, InvalidAuthority> {
        last.read(
            Version::HTTP_11,
            &Uri::from_static(uri),
            &with(fields),
            from(&TrustedProxies::NONE),
        )
    }

    #[test]
    fn a_host_that_is_named_again_is_not_read_again() {
        let last = OriginCache::default();
        let first = read(&last, "/", &[("host", "Bank.example:8443")]).unwrap();
        assert_eq!(
            (&*first.host, first.origin.host()),
            ("bank.example", Some("bank.example:8443"))
        );
        assert!(Rc::ptr_eq(
            &first,
            &read(&last, "/other", &[("host", "Bank.example:8443")]).unwrap()
        ));
        let other = read(&last, "/", &[("host", "shop.example")]).unwrap();
        assert_eq!(&*other.host, "shop.example");
    }

    #[test]
    fn what_is_wrong_is_wrong_every_time() {
        let last = OriginCache::default();
        let host = ("host", "bank.example");
        read(&last, "/", &[host]).unwrap();
        for _ in 0..2 {
            assert_eq!(read(&last, "/", &[host, host]).unwrap_err(), InvalidAuthority::Several);
            assert_eq!(read(&last, "/", &[]).unwrap_err(), InvalidAuthority::Missing);
            assert_eq!(
                read(&last, "http://bank.example/", &[]).unwrap_err(),
                InvalidAuthority::Missing
            );
            assert_eq!(
                read(&last, "http://shop.example/", &[host]).unwrap_err(),
                InvalidAuthority::Disagree
            );
            assert_eq!(read(&last, "/", &[("host", "")]).unwrap_err(), InvalidAuthority::Host);
        }
        assert_eq!(&*read(&last, "http://bank.example/", &[host]).unwrap().host, "bank.example");
    }

    #[test]
    fn a_trusted_proxy_names_another_client_with_each_request() {
        let last = OriginCache::default();
        let trusted =
            TrustedProxies { networks: vec![IpNet::from(CLIENT)], ..TrustedProxies::NONE };
        let nobody = TrustedProxies::NONE;
        let read = |client, trusted| {
            let headers = with(&[("host", "bank.example"), ("x-forwarded-for", client)]);
            last.read(Version::HTTP_11, &Uri::from_static("/"), &headers, from(trusted)).unwrap()
        };
        let first = read("192.0.2.1", &trusted);
        assert_eq!(first.origin.client().to_string(), "192.0.2.1");
        assert!(Rc::ptr_eq(&first, &read("192.0.2.1", &trusted)));
        assert_eq!(read("192.0.2.2", &trusted).origin.client().to_string(), "192.0.2.2");
        // the operator has changed the setting in the meantime
        assert_eq!(read("192.0.2.2", &nobody).origin.client(), CLIENT);
        assert_eq!(read("192.0.2.2", &nobody).origin.client(), CLIENT);
        assert_eq!(read("192.0.2.2", &trusted).origin.client().to_string(), "192.0.2.2");
    }
}
