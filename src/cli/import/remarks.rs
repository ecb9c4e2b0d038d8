//! What to check about a discovery document, before any token is seen.

use crate::cli::import::address::{host, path};
use crate::cli::import::issuer;
use crate::cli::import::metadata::Metadata;
use crate::cli::import::text::shown;
use crate::model::key_manager::KeyManagerType;

/// Whether a token shows more than the document can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampled {
    Yes,
    No,
}

/// One sentence each, in the order of their weight.
pub(super) fn remarks(
    metadata: &Metadata,
    well_known_url: &str,
    kind: KeyManagerType,
    sampled: Sampled,
) -> Vec<String> {
    let issuer = metadata.issuer.as_str();
    let mut remarks = Vec::new();
    if issuer.contains('{') {
        remarks.push(
            "WRONG: the issuer is a pattern for many tenants, and no token has it: import the document of the one tenant that you trust \
             (https://login.microsoftonline.com/<tenant id>/v2.0/.well-known/openid-configuration)"
                .to_owned(),
        );
    } else if kind != KeyManagerType::AzureAD && !is_at_its_place(issuer, well_known_url) {
        remarks.push(format!(
            "CHECK: the document says the issuer is {}, and is not where such a server's document belongs: is it this server's?",
            shown(issuer)
        ));
    }
    if kind == KeyManagerType::Okta && !path(issuer).starts_with("/oauth2/") {
        remarks.push(
            "WRONG: this is Okta's org authorization server: its access tokens are for Okta itself, and nobody else can verify them. \
             Import a custom one: https://<domain>/oauth2/default/.well-known/openid-configuration"
                .to_owned(),
        );
    }
    let keys_host = host(&metadata.jwks_uri);
    if kind != KeyManagerType::AzureAD && keys_host != host(issuer) {
        remarks.push(format!(
            "CHECK: the key set is on another host than the issuer, {}: whoever holds it can make tokens",
            shown(&keys_host)
        ));
    }
    if sampled == Sampled::No && issuer::entra_version(issuer) == Some(2) {
        remarks.push(
            "CHECK: Entra writes v1 tokens, of another issuer and with appid, until requestedAccessTokenVersion is 2 in the manifest of \
             the API's app registration"
                .to_owned(),
        );
    }
    if !metadata.unusable.is_empty() {
        remarks.push(format!(
            "CHECK: left out, since they are no http or https addresses: {}",
            metadata.unusable.join(", ")
        ));
    }
    remarks
}

/// OpenID Connect appends the well-known path to the issuer, RFC 8414 puts it before the issuer's path.
fn is_at_its_place(issuer: &str, well_known_url: &str) -> bool {
    let bare = issuer.trim_end_matches('/');
    let own_path = path(bare);
    let own_path = own_path.trim_end_matches('/');
    let place = well_known_url.split(['?', '#']).next().unwrap_or_default();
    let origin = bare.strip_suffix(own_path).unwrap_or(bare);
    ["openid-configuration", "oauth-authorization-server"].iter().any(|name| {
        place == format!("{bare}/.well-known/{name}")
            || place == format!("{origin}/.well-known/{name}{own_path}")
    })
}
