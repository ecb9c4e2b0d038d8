//! Recognizes an authorization server's product by its addresses. The product decides the `type` of
//! the key manager and the claims that it is known to write. A guess names its evidence.

use crate::cli::import::address::{host, path};
use crate::cli::import::issuer;
use crate::cli::import::metadata::Metadata;
use crate::model::key_manager::{ClaimNames, KeyManagerType};

/// A type, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) kind: KeyManagerType,
    pub(super) because: String,
}

/// Returns the product behind these addresses. Hosts are tried first, because any server can use a
/// path.
pub(super) fn guess(metadata: &Metadata) -> Guess {
    by_host(metadata).or_else(|| by_path(metadata)).unwrap_or_else(|| Guess {
        kind: KeyManagerType::CustomKeyManager,
        because: "neither the hosts nor the paths belong to a known product".to_owned(),
    })
}

fn by_host(metadata: &Metadata) -> Option<Guess> {
    let hosts = [metadata.issuer.as_str(), metadata.jwks_uri.as_str()].map(host);
    hosts.iter().find_map(|host| {
        let (domain, kind) = DOMAINS.into_iter().find(|(domain, _)| is_below(host, domain))?;
        let is_cognito =
            host.starts_with("cognito-idp.") || host.starts_with("issuer-cognito-idp.");
        let fits = kind != KeyManagerType::Cognito || is_cognito;
        fits.then(|| Guess { kind, because: format!("{host} is below the domain {domain}") })
    })
}

fn by_path(metadata: &Metadata) -> Option<Guess> {
    let issuer = path(&metadata.issuer);
    let keys = path(&metadata.jwks_uri);
    let token = metadata.endpoint("token_endpoint").map(path).unwrap_or_default();
    let guessed =
        |kind, what: &str| Some(Guess { kind, because: format!("the addresses have {what}") });
    if token.ends_with("/protocol/openid-connect/token") {
        return guessed(KeyManagerType::KeyCloak, "Keycloak's /protocol/openid-connect/");
    }
    if keys.ends_with("/pf/JWKS") || token.ends_with("/as/token.oauth2") {
        return guessed(
            KeyManagerType::PingFederate,
            "PingFederate's /as/token.oauth2 or /pf/JWKS",
        );
    }
    if keys.ends_with("/connect/jwk_uri") {
        return guessed(KeyManagerType::Forgerock, "ForgeRock's /connect/jwk_uri");
    }
    if token.ends_with("/oauth2/token")
        && keys.ends_with("/oauth2/jwks")
        && issuer.ends_with("/oauth2/token")
    {
        return if metadata.has_recent_members {
            guessed(
                KeyManagerType::Wso2Is7,
                "WSO2's /oauth2/token and /oauth2/jwks, and the document has members of late \
                 versions; if the version is below 7, write WSO2-IS",
            )
        } else {
            guessed(
                KeyManagerType::Wso2Is,
                "WSO2's /oauth2/token and /oauth2/jwks; if this is version 7, write WSO2-IS-7",
            )
        };
    }
    if token.contains("/oauth2/") && token.ends_with("/v1/token") && keys.ends_with("/v1/keys") {
        return guessed(KeyManagerType::Okta, "Okta's /oauth2/.../v1/");
    }
    // ADFS uses these paths too, and is not Entra
    if (keys.ends_with("/discovery/v2.0/keys") || keys.ends_with("/discovery/keys"))
        && !keys.starts_with("/adfs/")
    {
        return guessed(KeyManagerType::AzureAD, "Entra's /discovery/.../keys");
    }
    if token == "/oauth/token"
        && keys == "/.well-known/jwks.json"
        && issuer == "/"
        && metadata.issuer.ends_with('/')
    {
        return guessed(KeyManagerType::Auth0, "Auth0's /oauth/token and /.well-known/jwks.json");
    }
    None
}

/// Returns the claims that the product itself documents. The defaults of the type are those of
/// WSO2's connectors, and some of them differ.
pub(super) fn usual_claims(kind: KeyManagerType, issuer: &str) -> ClaimNames {
    let mut claims = kind.default_claims();
    match kind {
        KeyManagerType::PingFederate => claims.consumer_key = Some("client_id".to_owned()),
        KeyManagerType::Forgerock => claims.scopes = Some("scope".to_owned()),
        KeyManagerType::AzureAD if issuer::entra_version(issuer) == Some(1) => {
            claims.consumer_key = Some("appid".to_owned());
        }
        _ => {}
    }
    claims
}

/// Returns a name for the key manager, and one for people.
pub(super) fn names(kind: KeyManagerType, issuer: &str) -> (String, String) {
    let (name, display) = match kind {
        KeyManagerType::Wso2Is => ("wso2-is", "WSO2 Identity Server"),
        KeyManagerType::Wso2Is7 => ("wso2-is-7", "WSO2 Identity Server 7"),
        KeyManagerType::FsKeyManager => ("fs", "WSO2 Financial Services"),
        KeyManagerType::Auth0 => ("auth0", "Auth0"),
        KeyManagerType::Okta => ("okta", "Okta"),
        KeyManagerType::KeyCloak => ("keycloak", "Keycloak"),
        KeyManagerType::PingFederate => ("pingfederate", "PingFederate"),
        KeyManagerType::Forgerock => ("forgerock", "ForgeRock"),
        KeyManagerType::AzureAD => ("entra", "Microsoft Entra ID"),
        KeyManagerType::Asgardeo => ("asgardeo", "Asgardeo"),
        KeyManagerType::Cognito => ("cognito", "Amazon Cognito"),
        KeyManagerType::CustomKeyManager => {
            let host = host(issuer);
            let host = if host.is_empty() { "custom".to_owned() } else { host };
            let name = host
                .chars()
                .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
                .collect::<String>();
            return (name.trim_matches('-').to_owned(), host);
        }
    };
    (name.to_owned(), display.to_owned())
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// The domains of vendors' own services.
const DOMAINS: [(&str, KeyManagerType); 20] = [
    ("asgardeo.io", KeyManagerType::Asgardeo),
    ("auth0.com", KeyManagerType::Auth0),
    ("auth0app.com", KeyManagerType::Auth0),
    ("okta.com", KeyManagerType::Okta),
    ("oktapreview.com", KeyManagerType::Okta),
    ("okta-emea.com", KeyManagerType::Okta),
    ("okta-gov.com", KeyManagerType::Okta),
    ("okta.mil", KeyManagerType::Okta),
    ("sts.windows.net", KeyManagerType::AzureAD),
    ("login.windows.net", KeyManagerType::AzureAD),
    ("login.microsoftonline.com", KeyManagerType::AzureAD),
    ("login.microsoft.com", KeyManagerType::AzureAD),
    ("login.microsoftonline.us", KeyManagerType::AzureAD),
    ("login.partner.microsoftonline.cn", KeyManagerType::AzureAD),
    ("ciamlogin.com", KeyManagerType::AzureAD),
    ("b2clogin.com", KeyManagerType::AzureAD),
    ("amazonaws.com", KeyManagerType::Cognito),
    ("amazonaws.com.cn", KeyManagerType::Cognito),
    ("forgeblocks.com", KeyManagerType::Forgerock),
    ("forgerock.io", KeyManagerType::Forgerock),
];
