//! Reads the endpoints of a key manager.

use http::Uri;

use crate::config::reader::Table;
use crate::model::key_manager::KeyManagerEndpoints;

pub(super) fn endpoints(table: &Table<'_>) -> KeyManagerEndpoints {
    let url = |key: &str| {
        let Some(text) = table.wanted(key) else { return String::new() };
        let good = text.value.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
        });
        if !good {
            table.problems().error(
                text.at,
                format!("`{}` is not an http or https address: {:?}", table.path(key), text.value),
                None,
            );
        }
        text.value.to_owned()
    };
    KeyManagerEndpoints {
        token: url("token_endpoint"),
        display_token: url("display_token_endpoint"),
        revoke: url("revoke_endpoint"),
        display_revoke: url("display_revoke_endpoint"),
        introspection: url("introspection_endpoint"),
        userinfo: url("userinfo_endpoint"),
        authorize: url("authorize_endpoint"),
        client_registration: url("client_registration_endpoint"),
        scope_management: url("scope_management_endpoint"),
        grant_types: table
            .texts("grant_types")
            .unwrap_or_default()
            .iter()
            .map(|grant| grant.value.to_owned())
            .collect(),
    }
}
