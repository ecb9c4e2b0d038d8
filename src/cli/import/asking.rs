//! Tries introspection at the server, and finds the settings for the gateway. It tries the usual
//! ways to send a client secret, the type's own one first. A secret is never shown; the settings
//! name its source.

use std::fmt::Write;
use std::path::Path;

use crate::cli::arguments::ImportOptions;
use crate::cli::import::error::ImportError;
use crate::cli::import::metadata::Metadata;
use crate::cli::import::sample::{TokenSample, rules};
use crate::cli::import::text::{quoted, shown};
use crate::fetch::FetchUrl;
use crate::introspect::probe::Probe;
use crate::jwt::{Introspected, WrongType};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{ClientProof, Credentials, Fetch, KeyManagerType, SecretCarrier};
use crate::model::secret::Secret;

/// The variable with the client's secret, if no file is given.
const SECRET_VARIABLE: &str = "PORTCULLIS_CLIENT_SECRET";

/// A token that no server has issued.
const NOBODYS_TOKEN: &str = "portcullis-import-asks-whether-it-may-ask";

/// The question to the server, and its answer.
#[derive(Debug)]
pub(super) struct IntrospectionTrial {
    pub(super) endpoint: String,
    /// The inline table `credentials`.
    pub(super) credentials: String,
    pub(super) said: Result<IntrospectionVerdict, String>,
}

/// The server's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IntrospectionVerdict {
    /// The server answers; there was no sample.
    Answers,
    Inactive,
    NotAccess(WrongType),
    Active {
        client: Option<String>,
        claim: String,
        scopes: Vec<String>,
    },
}

/// Asks about the sample, or about an unknown token.
pub(super) async fn ask(
    options: &ImportOptions,
    settings: &Fetch,
    metadata: &Metadata,
    kind: KeyManagerType,
    sample: Option<&TokenSample>,
    now: UnixSeconds,
) -> Result<IntrospectionTrial, ImportError> {
    let endpoint = options
        .introspection_endpoint
        .as_deref()
        .or_else(|| metadata.endpoint("introspection_endpoint"))
        .ok_or(ImportError::NoIntrospection)?;
    FetchUrl::permitted(settings, endpoint).map_err(|_| ImportError::IntrospectionAddress)?;
    let secret = read_secret(options)?;
    let token = sample.map_or(NOBODYS_TOKEN, TokenSample::text);
    let rules = rules(kind);
    let mut first_failure = None;
    let ways = ways(options.client_id.as_deref(), secret.as_ref(), kind);
    for (method, credentials) in &ways {
        let probe = Probe {
            fetch: settings,
            endpoint,
            issuer: &metadata.issuer,
            credentials,
            rules: &rules,
        };
        match probe.ask(token, now).await {
            Ok(answer) => {
                return Ok(IntrospectionTrial {
                    endpoint: endpoint.to_owned(),
                    credentials: written(options, *method),
                    said: Ok(said(answer, sample, kind)),
                });
            }
            Err(why) => first_failure = first_failure.or(Some(why)),
        }
    }
    let method = ways.first().and_then(|(method, _)| *method);
    Ok(IntrospectionTrial {
        endpoint: endpoint.to_owned(),
        credentials: written(options, method),
        said: Err(first_failure.unwrap_or_default()),
    })
}

/// Returns the ways to authenticate, with the `method` to write if it is not the type's own.
fn ways(
    client_id: Option<&str>,
    secret: Option<&Secret>,
    kind: KeyManagerType,
) -> Vec<(Option<&'static str>, Credentials)> {
    let username = client_id.unwrap_or_default().to_owned();
    let Some(secret) = secret else {
        return vec![(Some("none"), Credentials { username, proof: ClientProof::None })];
    };
    let usual = kind.default_carrier();
    let mut carriers = vec![
        (SecretCarrier::Basic, "basic"),
        (SecretCarrier::BasicRaw, "basic_raw"),
        (SecretCarrier::Form, "post"),
    ];
    carriers.sort_by_key(|(carrier, _)| *carrier != usual);
    let way = |(carrier, name): (SecretCarrier, &'static str)| {
        let proof = ClientProof::Password { secret: secret.clone(), carrier };
        let method = (carrier != usual).then_some(name);
        (method, Credentials { username: username.clone(), proof })
    };
    carriers.into_iter().map(way).collect()
}

fn read_secret(options: &ImportOptions) -> Result<Option<Secret>, ImportError> {
    if options.client_id.is_none() {
        return Ok(None);
    }
    let text = match &options.client_secret_file {
        Some(path) => Some(read_file(path)?),
        None => std::env::var(SECRET_VARIABLE).ok(),
    };
    Ok(text.map(|text| Secret::new(text.trim_end_matches(['\n', '\r']).to_owned())))
}

fn read_file(path: &Path) -> Result<String, ImportError> {
    std::fs::read_to_string(path)
        .map_err(|source| ImportError::Secret { file: path.display().to_string(), source })
}

/// Returns the inline table for this way.
fn written(options: &ImportOptions, method: Option<&str>) -> String {
    let mut members = Vec::new();
    if let Some(id) = &options.client_id {
        members.push(format!("username = {}", quoted(id)));
    }
    if method != Some("none") {
        members.push(match &options.client_secret_file {
            Some(path) => {
                format!("password = {{ file = {} }}", quoted(&path.display().to_string()))
            }
            None => format!("password = {{ env = {} }}", quoted(SECRET_VARIABLE)),
        });
    }
    if let Some(method) = method {
        members.push(format!("method = {}", quoted(method)));
    }
    format!("{{ {} }}", members.join(", "))
}

fn said(
    answer: Introspected,
    sample: Option<&TokenSample>,
    kind: KeyManagerType,
) -> IntrospectionVerdict {
    match answer {
        Introspected::Active(claims, ..) => {
            let names = kind.default_claims();
            let by_default = claims.consumer_key(&names);
            // RFC 7662 has one name for the client, which the gateway uses as a fallback
            let told = claims.get(CLIENT_ID).and_then(crate::jwt::JsonValue::as_str);
            let usual = names.consumer_key.as_deref().unwrap_or("azp");
            let claim = if by_default.is_some() { usual } else { CLIENT_ID };
            IntrospectionVerdict::Active {
                client: by_default.or(told).map(str::to_owned),
                claim: claim.to_owned(),
                scopes: claims.scopes(&names).into_iter().map(str::to_owned).collect(),
            }
        }
        Introspected::NotAccess(wrong) => IntrospectionVerdict::NotAccess(wrong),
        Introspected::Inactive if sample.is_none() => IntrospectionVerdict::Answers,
        Introspected::Inactive => IntrospectionVerdict::Inactive,
    }
}

impl IntrospectionTrial {
    /// Returns the client that the server named.
    pub(super) fn client(&self) -> Option<&str> {
        match &self.said {
            Ok(IntrospectionVerdict::Active { client, .. }) => client.as_deref(),
            _ => None,
        }
    }

    /// Returns the comment above the settings for this way.
    pub(super) fn introduction(&self) -> &'static str {
        if self.credentials.contains("username") {
            "the gateway asks here about opaque tokens, as its own client"
        } else {
            "the gateway asks here about opaque tokens, without credentials; make sure that only \
             the gateway can reach this address"
        }
    }

    /// Returns the findings, each with its weight in front.
    pub(super) fn findings(&self) -> Vec<String> {
        let asked = shown(&self.endpoint);
        match &self.said {
            Err(why) => vec![format!("WRONG: introspection at {asked} failed: {why}")],
            Ok(IntrospectionVerdict::Answers) => {
                vec![format!("good: introspection works, at {asked}")]
            }
            Ok(IntrospectionVerdict::Inactive) => vec![format!(
                "WRONG: the server says that the sample is not active: it has expired, or another \
                 server issued it, or the gateway's client may not ask about it (Keycloak 26.7 and \
                 later want that client in the token's `aud`)"
            )],
            Ok(IntrospectionVerdict::NotAccess(wrong)) => vec![format!(
                "WRONG: the server knows the sample, but it is not an access token: {wrong}. Use \
                 the `access_token` of the server's answer"
            )],
            Ok(IntrospectionVerdict::Active { client, claim, scopes }) => {
                let mut findings =
                    vec![format!("good: the server at {asked} says that the sample is active")];
                match client {
                    Some(client) => findings.push(format!(
                        "good: {claim} of the answer holds the \
                        client, {}",
                        shown(client)
                    )),
                    None => findings.push(
                        "WRONG: the answer has no `client_id` and no other claim with the client: \
                         write its name as consumer_key_claim"
                            .to_owned(),
                    ),
                }
                let mut names = String::new();
                for scope in scopes.iter().take(MOST_NAMES) {
                    let _ = write!(
                        names,
                        "{}{}",
                        if names.is_empty() { "" } else { ", " },
                        shown(scope)
                    );
                }
                findings.push(if names.is_empty() {
                    "CHECK: the answer has no scopes, so every operation that needs scopes refuses \
                     the token"
                        .to_owned()
                } else {
                    format!("good: the answer has the scopes {names}")
                });
                findings
            }
        }
    }
}

/// The member for the client in RFC 7662.
const CLIENT_ID: &str = "client_id";

/// The most names in a list: enough to recognize something.
const MOST_NAMES: usize = 8;
