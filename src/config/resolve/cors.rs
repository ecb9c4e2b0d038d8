//! Reads `[apis.cors]`.

use std::time::Duration;

use http::{HeaderName, Method, Uri};

use crate::config::reader::{Placed, Table};
use crate::model::cors::{AllowedHeaders, Cors, OriginPattern, Origins};

/// The default of `allow_methods`, as in WSO2.
const METHODS: [Method; 6] =
    [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS];

/// The default of `allow_headers`, besides the API's authorization header.
const HEADERS: [HeaderName; 2] =
    [http::header::CONTENT_TYPE, HeaderName::from_static("soapaction")];

pub(super) fn cors(table: &Table<'_>, authorization_header: &str) -> Option<Cors> {
    let origins = origins(table)?;
    let credentials = table.flag("allow_credentials", false);
    if credentials && origins == Origins::Any {
        let hint = Some("list the origins, or remove `allow_credentials`".to_owned());
        table.error(
            "allow_credentials",
            "credentials cannot be allowed for every origin".to_owned(),
            hint,
        );
    }
    Some(Cors {
        origins,
        methods: methods(table),
        headers: headers(table, authorization_header),
        exposed: table
            .texts("expose_headers")
            .unwrap_or_default()
            .iter()
            .filter_map(|name| header(table, name))
            .collect(),
        credentials,
        max_age: table.duration("max_age").map(|age| Duration::from_secs(age.value.as_secs())),
    })
}

fn origins(table: &Table<'_>) -> Option<Origins> {
    let hint = || Some("write [\"https://app.example\"], or [\"*\"] for any".to_owned());
    let written = table.texts("allow_origins").unwrap_or_default();
    if written.is_empty() {
        table.error("allow_origins", format!("`{}` is empty", table.path("allow_origins")), hint());
        return None;
    }
    if written.iter().any(|origin| origin.value == "*") {
        return Some(Origins::Any);
    }
    let mut patterns = Vec::new();
    for origin in written {
        match pattern(&origin.value.to_ascii_lowercase()) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let message = format!(
                    "{:?} is not an origin; an origin is a scheme, a host and perhaps a port",
                    origin.value
                );
                table.problems().error(origin.at, message, hint());
            }
        }
    }
    Some(Origins::Listed(patterns))
}

/// Returns the pattern of an origin. `null` is not one: any page can have it.
fn pattern(text: &str) -> Option<OriginPattern> {
    let sample = text.replacen('*', "star", 1);
    let uri: Uri = sample.parse().ok().filter(|_| !sample.contains('*'))?;
    let whole = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    if whole != sample || sample.contains('@') {
        return None;
    }
    Some(match text.split_once('*') {
        Some((before, after)) => {
            OriginPattern::Around { before: before.to_owned(), after: after.to_owned() }
        }
        None => OriginPattern::Exact(text.to_owned()),
    })
}

fn methods(table: &Table<'_>) -> Vec<Method> {
    let Some(written) = table.texts("allow_methods") else { return METHODS.to_vec() };
    let method = |text: &Placed<&str>| {
        let found = Method::from_bytes(text.value.as_bytes()).ok();
        if found.is_none() {
            table.problems().error(
                text.at.clone(),
                format!("{:?} is not a method", text.value),
                None,
            );
        }
        found
    };
    written.iter().filter_map(method).collect()
}

fn headers(table: &Table<'_>, authorization_header: &str) -> AllowedHeaders {
    let Some(written) = table.texts("allow_headers") else {
        let own = HeaderName::try_from(authorization_header).into_iter();
        return AllowedHeaders::Listed(own.chain(HEADERS).collect());
    };
    if written.iter().any(|name| name.value == "*") {
        return AllowedHeaders::Any;
    }
    AllowedHeaders::Listed(written.iter().filter_map(|name| header(table, name)).collect())
}

fn header(table: &Table<'_>, name: &Placed<&str>) -> Option<HeaderName> {
    let found = HeaderName::try_from(name.value).ok();
    if found.is_none() {
        table.problems().error(
            name.at.clone(),
            format!("{:?} is not a header name", name.value),
            None,
        );
    }
    found
}
