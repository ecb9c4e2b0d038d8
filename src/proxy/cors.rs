//! Lets pages of other origins read answers (the Fetch standard, section 3.2).
//!
//! Decides headers and nothing else: route, token and subscription decide whether a request may be
//! made. A backend's own CORS headers go before the gateway's. `proxy/routing.rs` decides which
//! OPTIONS request is a preflight that the gateway answers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::model::cors::{AllowedHeaders, Cors, Origins};

/// Tells a preflight, which a browser sends before the request that it has.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns the headers of the gateway's own answer to an `OPTIONS`. `served` are the path's
/// methods; `None` stands for any method.
pub(super) fn preflight(cors: &Cors, served: Option<&[Method]>, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let methods: Vec<&str> = match served {
        Some(served) => cors
            .methods
            .iter()
            .filter(|method| served.contains(method))
            .map(Method::as_str)
            .collect(),
        None => cors.methods.iter().map(Method::as_str).collect(),
    };
    insert(
        &mut headers,
        ALLOW,
        &served
            .map_or_else(|| methods.join(", "), |served| listed(served.iter().map(Method::as_str))),
    );
    headers.insert(
        VARY,
        HeaderValue::from_static(
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
    );
    if !is_preflight(&Method::OPTIONS, request)
        || !allow_origin(cors, request.get(ORIGIN), &mut headers)
    {
        return headers;
    }
    insert(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
    match &cors.headers {
        AllowedHeaders::Listed(names) => insert(
            &mut headers,
            ACCESS_CONTROL_ALLOW_HEADERS,
            &listed(names.iter().map(HeaderName::as_str)),
        ),
        AllowedHeaders::Any => {
            insert(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, &requested(request));
        }
    }
    if let Some(age) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age.as_secs()));
    }
    headers
}

/// Makes an answer readable for the page that asked, unless its backend has set CORS headers
/// itself.
pub(super) fn decorate(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    if cors.origins != Origins::Any {
        // caches must give no origin the answer to another one, nor the answer to a request without
        // an origin
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if allow_origin(cors, origin, headers) && !cors.exposed.is_empty() {
        insert(
            headers,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &listed(cors.exposed.iter().map(HeaderName::as_str)),
        );
    }
}

fn allow_origin(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    let Some(origin) = origin else { return false };
    let allowed = match &cors.origins {
        Origins::Any => HeaderValue::from_static("*"),
        listed @ Origins::Listed(_) => match origin.to_str() {
            Ok(text) if listed.allow(text) => origin.clone(),
            _ => return false,
        },
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials && cors.origins != Origins::Any {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

/// Lists the headers that the page wants to send, rebuilt from their names.
fn requested(request: &HeaderMap) -> String {
    let lines = request
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let names = lines
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let names: Vec<HeaderName> = names.collect();
    listed(names.iter().map(HeaderName::as_str))
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cors::OriginPattern;

    fn cors(origins: Origins) -> Cors {
        let methods = vec![Method::GET, Method::POST, Method::DELETE];
        let headers = AllowedHeaders::Listed(vec![http::header::AUTHORIZATION]);
        Cors {
            origins,
            methods,
            headers,
            exposed: Vec::new(),
            credentials: true,
            max_age: Some(std::time::Duration::from_mins(10)),
        }
    }

    fn listed_origin() -> Origins {
        Origins::Listed(vec![OriginPattern::Exact("https://app.example".to_owned())])
    }

    fn asking(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers.insert(
            ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_static("x-one,X-Two, not a name"),
        );
        headers
    }

    #[test]
    fn a_preflight_hears_what_the_path_serves_and_the_api_allows() {
        let answer = preflight(
            &cors(listed_origin()),
            Some(&[Method::GET, Method::POST, Method::PUT]),
            &asking("https://app.example"),
        );
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "600");
    }

    #[test]
    fn another_origin_hears_nothing() {
        for origin in [
            "https://evil.example",
            "null",
            "https://app.example.evil.example",
            "http://app.example",
        ] {
            let answer = preflight(&cors(listed_origin()), None, &asking(origin));
            assert!(
                !answer.keys().any(|name| name.as_str().starts_with("access-control-")),
                "{origin}: {answer:?}"
            );
        }
    }

    #[test]
    fn any_origin_never_comes_with_credentials() {
        let mut any = cors(Origins::Any);
        any.headers = AllowedHeaders::Any;
        let answer = preflight(&any, None, &asking("https://evil.example"));
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x-one, x-two");
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn what_the_backend_says_goes_first() {
        let mut headers = HeaderMap::new();
        headers
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://other.example"));
        decorate(
            &cors(listed_origin()),
            Some(&HeaderValue::from_static("https://app.example")),
            &mut headers,
        );
        assert_eq!(headers.len(), 1);
        let mut headers = HeaderMap::new();
        decorate(&cors(listed_origin()), None, &mut headers);
        assert_eq!(headers[VARY], "Origin", "also where no origin asked");
        assert_eq!(headers.len(), 1);
    }
}
