//! Reads `[backend_jwt]`.

use std::time::Duration;

use http::HeaderName;

use crate::config::pem;
use crate::config::resolve::root_tables::RootTables;
use crate::config::source::Sources;
use crate::model::api::Api;
use crate::model::backend_jwt::{AssertionEncoding, BackendJwt};

/// The default of `header`, as in WSO2; `issuer` and `ttl` below are WSO2's too.
const HEADER: HeaderName = HeaderName::from_static("x-jwt-assertion");
const ISSUER: &str = "wso2.org/products/am";
const TTL: Duration = Duration::from_mins(15);

pub(super) fn backend_jwt(
    roots: &RootTables<'_>,
    sources: &Sources,
    apis: &[Api],
) -> Option<BackendJwt> {
    let table = roots.once("backend_jwt");
    let Some(table) = table else {
        for api in apis.iter().filter(|api| api.backend_jwt) {
            let message = format!(
                "API {} {} has `backend_jwt = true`, but there is no [backend_jwt] with a key",
                api.name, api.version
            );
            roots.problems.error(
                sources.at(api.place),
                message,
                Some("write [backend_jwt] with `key = \"file\"`".to_owned()),
            );
        }
        return None;
    };
    let key = table.needed("key").and_then(|named| pem::file(&named, sources, table.problems()));
    let previous = table.texts("previous_keys").unwrap_or_default();
    let previous =
        previous.iter().filter_map(|named| pem::file(named, sources, table.problems())).collect();
    let header = match table.wanted("header") {
        None => HEADER,
        Some(text) => match HeaderName::try_from(text.value) {
            Ok(name) => name,
            Err(_) => {
                table.problems().error(
                    text.at,
                    format!("{:?} is not a header name", text.value),
                    None,
                );
                HEADER
            }
        },
    };
    let encoding = match table.choice("encoding", &["base64url", "base64"]) {
        Some("base64") => AssertionEncoding::Base64,
        _ => AssertionEncoding::Base64Url,
    };
    let issuer = table.wanted("issuer").map_or(ISSUER, |issuer| issuer.value).to_owned();
    Some(BackendJwt { header, key: key?, previous, issuer, ttl: table.time("ttl", TTL), encoding })
}
