//! Checks a discovery document, before any token is seen.

use crate::cli::import::address::{host, path};
use crate::cli::import::issuer;
use crate::cli::import::metadata::Metadata;
use crate::cli::import::text::shown;
use crate::model::key_manager::KeyManagerType;

/// Says if there is a token, which shows more than the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampled {
    Yes,
    No,
}

/// Returns one sentence for each finding, the most important first.
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
            "WRONG: the issuer is a pattern for many tenants, and no token has it; import the \
             document of the one tenant that you trust (https://login.microsoftonline.com/<tenant \
             id>/v2.0/.well-known/openid-configuration)"
                .to_owned(),
        );
    } else if kind != KeyManagerType::AzureAD && !is_at_its_place(issuer, well_known_url) {
        remarks.push(format!(
            "CHECK: the document names the issuer {}, but is not where the document of that issuer \
             belongs; is it this server's?",
            shown(issuer)
        ));
    }
    if kind == KeyManagerType::Okta && !path(issuer).starts_with("/oauth2/") {
        remarks.push(
            "WRONG: this is Okta's org authorization server, whose access tokens are for Okta \
             itself; nobody else can verify them. Import a custom server: \
             https://<domain>/oauth2/default/.well-known/openid-configuration"
                .to_owned(),
        );
    }
    let keys_host = host(&metadata.jwks_uri);
    if kind != KeyManagerType::AzureAD && keys_host != host(issuer) {
        remarks.push(format!(
            "CHECK: the key set is not on the issuer's host, but on {}: its owner can forge tokens",
            shown(&keys_host)
        ));
    }
    if sampled == Sampled::No && issuer::entra_version(issuer) == Some(2) {
        remarks.push(
            "CHECK: Entra issues v1 tokens, with another issuer and with appid, until \
             requestedAccessTokenVersion is 2 in the manifest of the API's app registration"
                .to_owned(),
        );
    }
    if !metadata.unusable.is_empty() {
        remarks.push(format!(
            "CHECK: left out, because they are not http or https addresses: {}",
            metadata.unusable.join(", ")
        ));
    }
    remarks
}

/// Returns true if the document is at one of the issuer's well-known addresses: OpenID Connect
/// appends the well-known path to the issuer, RFC 8414 puts it before the issuer's path.
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
