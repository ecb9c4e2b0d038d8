//! `[[key_managers]]` and their defaults.

use std::time::Duration;

use http::Uri;

use crate::config::contract::{ALGORITHMS, KEY_MANAGER_TYPES};
use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::{References, Unique, Whole, introspection, organizations};
use crate::config::source::Sources;
use crate::model::gateway::ByteLimit;
use crate::model::key_manager::{
    ClaimNames, ClientCertificate, Fetch, IdTokens, KeyManager, KeyManagerEndpoints,
    KeyManagerType, KeySource, PemFile, ProxyChoice, SignatureAlgorithm, TokenRules,
    TokenValidation,
};
use crate::model::names::{Issuer, KeyManagerIndex, KeyManagerName};
use crate::model::token_handling::TokenHandling;

/// More than this is no clock skew.
const MOST_LEEWAY: Duration = Duration::from_mins(5);

/// What a key manager may set for itself.
#[derive(Debug, Clone)]
struct Settings {
    leeway: Duration,
    refresh: Duration,
    min_refetch: Duration,
    keep_stale: Duration,
    connect_timeout: Duration,
    request_timeout: Duration,
    max_document_bytes: u64,
    allow_http: bool,
    proxy: ProxyChoice,
    max_lifetime: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        let fetch = Fetch::default();
        Self {
            leeway: Duration::from_secs(30),
            refresh: fetch.refresh,
            min_refetch: fetch.min_refetch,
            keep_stale: fetch.keep_stale,
            connect_timeout: fetch.connect_timeout,
            request_timeout: fetch.request_timeout,
            max_document_bytes: fetch.max_document_bytes,
            allow_http: fetch.allow_http,
            proxy: fetch.proxy,
            max_lifetime: None,
        }
    }
}

pub(super) fn key_managers(
    whole: &Whole<'_>,
    sources: &Sources,
    references: &mut References,
) -> Vec<KeyManager> {
    let defaults = Settings::default();
    let defaults = match whole.once("key_manager_defaults") {
        Some(table) => settings(&table, &defaults),
        None => defaults,
    };
    let (mut names, mut issuers, mut templates) =
        (Unique::default(), Unique::default(), Templates::default());
    let mut key_managers = Vec::new();
    for table in whole.every("key_managers") {
        let name = table.needed("name");
        let built = key_manager(&table, sources, &defaults);
        let Some(name) = name else { continue };
        let Ok(index) = u16::try_from(key_managers.len()).map(KeyManagerIndex) else { continue };
        if !names.claim(name.value, &name.at, "key manager", table.problems()) {
            continue;
        }
        // a name is known even if the rest is wrong, so that one error does not become many
        references.key_managers.insert(name.value.to_owned(), index);
        let Some(mut built) = built else { continue };
        let organizations = organizations::expand(&table, &built, index);
        let rule = organizations::rule(&table, &built);
        let template = built.enabled
            && built.issuer.as_ref().is_some_and(|issuer| issuer.as_str().contains('{'));
        if template {
            if rule.is_some() {
                templates.claim_template(&built, &table);
            }
            built.organizations = rule;
            // it stands for its organizations, and believes nothing itself
            built.enabled = false;
        }
        if let Some(issuer) = built.issuer.as_ref().filter(|_| built.enabled) {
            one_issuer(&mut issuers, issuer, &built, &key_managers, &table);
        }
        references.key_managers.insert(
            name.value.to_owned(),
            KeyManagerIndex(u16::try_from(key_managers.len()).unwrap_or(u16::MAX)),
        );
        key_managers.push(built);
        for own in organizations.into_iter().filter(|_| template) {
            let name = Placed { value: own.name.as_str(), at: table.at_key("organizations") };
            if names.claim(name.value, &name.at, "organization", table.problems()) {
                if let Some(issuer) = &own.issuer {
                    one_issuer(&mut issuers, issuer, &own, &key_managers, &table);
                }
                let index = KeyManagerIndex(u16::try_from(key_managers.len()).unwrap_or(u16::MAX));
                references.key_managers.insert(own.name.to_string(), index);
                key_managers.push(own);
            }
        }
    }
    key_managers
}

/// Templates whose organizations are not listed: two of one issuer would be a coin toss for each token.
#[derive(Debug, Default)]
struct Templates(Unique);

impl Templates {
    fn claim_template(&mut self, built: &KeyManager, table: &Table<'_>) {
        let shape = built.issuer.as_ref().map(|issuer| {
            let segments = issuer
                .as_str()
                .split('/')
                .map(|segment| if segment.starts_with('{') { "{}" } else { segment });
            segments.collect::<Vec<_>>().join("/")
        });
        if let Some(shape) = shape {
            self.0.claim(
                &shape,
                &table.at_key("issuer"),
                "a template with a pattern and the issuer",
                table.problems(),
            );
        }
    }
}

/// Several key managers may have one issuer where each says by claims which tokens are its own, and no two say the same.
fn one_issuer(
    issuers: &mut Unique,
    issuer: &Issuer,
    built: &KeyManager,
    others: &[KeyManager],
    table: &Table<'_>,
) {
    let at = table.at_key("issuer");
    let Some(other_at) = issuers.seen.get(issuer.as_str()) else {
        issuers.seen.insert(issuer.to_string(), at);
        return;
    };
    let picks = |key_manager: &KeyManager| -> Vec<TokenHandling> {
        key_manager
            .handling
            .iter()
            .filter(|rule| matches!(rule, TokenHandling::Jwt { .. }))
            .cloned()
            .collect()
    };
    let own = picks(built);
    let mut same_issuer =
        others.iter().filter(|other| other.enabled && other.issuer.as_ref() == Some(issuer));
    let ambiguous = own.is_empty()
        || same_issuer.any(|other| {
            picks(other).is_empty() || picks(other).iter().any(|rule| own.contains(rule))
        });
    if ambiguous {
        let message = format!(
            "two enabled key managers have the issuer {:?}: which of them judges a token would be a coin toss",
            issuer.as_str()
        );
        let hint = "disable one, or give each a `token_handling` of the type jwt that fits its own tokens only";
        table.problems().conflict(at, other_at.clone(), message, Some(hint.to_owned()));
    }
}

fn key_manager(table: &Table<'_>, sources: &Sources, defaults: &Settings) -> Option<KeyManager> {
    let settings = settings(table, defaults);
    let kind = kind(table);
    let endpoints = endpoints(table);
    let rules = rules(table, &settings, kind);
    let issuer = table.wanted("issuer").and_then(|text| named(&text, table));
    let validation = introspection::validation(table);
    let shown = kind.unwrap_or(KeyManagerType::CustomKeyManager);
    let introspection =
        introspection::introspection(table, &endpoints.introspection, sources, validation, shown);
    let credentials_for = introspection::credentials_for(table, sources, shown);
    let unsigned = validation == TokenValidation::Introspection
        && !table.has("certificates")
        && !table.has("well_known_url");
    let keys = if unsigned { Some(KeySource::None) } else { key_source(table, sources, &settings) };
    let ca = pem::authorities(table, "ca", sources);
    let client_certificate =
        table.table("client_certificate").and_then(|pair| pem::client_certificate(&pair, sources));
    if settings.allow_http {
        let message =
            "keys may be fetched over plain http: whoever is on the way can make tokens".to_owned();
        table.problems().warning(table.at_key("allow_http"), message, None);
    }
    let name = table.text("name")?;
    let (kind, keys) = (kind?, keys?);
    let well_known = !matches!(
        keys,
        KeySource::None
            | KeySource::Pem { .. }
            | KeySource::JwksFile { .. }
            | KeySource::Jwks { well_known_url: None, .. }
    );
    if issuer.is_none() && !well_known && !unsigned {
        table.problems().error(
            table.at(),
            "`key_managers.issuer` is missing, and there is no `well_known_url` to take it from"
                .to_owned(),
            None,
        );
        return None;
    }
    let mut claims = kind.default_claims();
    override_claims(table, &mut claims);
    let text = |key| table.wanted(key).map(|text| text.value.to_owned());
    Some(KeyManager {
        display_name: text("display_name").unwrap_or_else(|| name.value.to_owned()),
        description: text("description").unwrap_or_default(),
        name: named::<KeyManagerName>(&name, table)?,
        kind,
        enabled: table.flag("enabled", true),
        issuer,
        keys,
        fetch: fetch(settings, ca, client_certificate),
        claims,
        rules,
        claim_mapping: table
            .named_texts("claim_mapping")
            .into_iter()
            .map(|(from, to)| (from.value.to_owned(), to.value.to_owned()))
            .collect(),
        family: None,
        made_of: None,
        template_issuer: None,
        organizations: None,
        organization: None,
        tenant: None,
        validation,
        introspection,
        credentials_for,
        handling: introspection::handling(table),
        endpoints,
        place: sources.place(&table.at()),
    })
}

fn fetch(
    settings: Settings,
    ca: Option<PemFile>,
    client_certificate: Option<ClientCertificate>,
) -> Fetch {
    Fetch {
        refresh: settings.refresh,
        min_refetch: settings.min_refetch,
        keep_stale: settings.keep_stale,
        connect_timeout: settings.connect_timeout,
        request_timeout: settings.request_timeout,
        max_document_bytes: settings.max_document_bytes,
        allow_http: settings.allow_http,
        proxy: settings.proxy,
        ca,
        client_certificate,
    }
}

/// A text as one of the model's names.
pub(super) fn named<'t, N>(text: &Placed<&'t str>, table: &Table<'_>) -> Option<N>
where
    N: TryFrom<&'t str, Error = crate::model::names::InvalidName>,
{
    N::try_from(text.value)
        .map_err(|error| {
            table.problems().error(text.at.clone(), format!("{:?} {error}", text.value), None);
        })
        .ok()
}

fn kind(table: &Table<'_>) -> Option<KeyManagerType> {
    if !table.has("type") {
        return Some(KeyManagerType::CustomKeyManager);
    }
    Some(match table.choice("type", KEY_MANAGER_TYPES)? {
        "WSO2-IS" => KeyManagerType::Wso2Is,
        "WSO2-IS-7" => KeyManagerType::Wso2Is7,
        "fsKeyManager" => KeyManagerType::FsKeyManager,
        "Auth0" => KeyManagerType::Auth0,
        "Okta" => KeyManagerType::Okta,
        "KeyCloak" => KeyManagerType::KeyCloak,
        "PingFederate" => KeyManagerType::PingFederate,
        "Forgerock" => KeyManagerType::Forgerock,
        "AzureAD" => KeyManagerType::AzureAD,
        "Asgardeo" => KeyManagerType::Asgardeo,
        "Cognito" => KeyManagerType::Cognito,
        _ => KeyManagerType::CustomKeyManager,
    })
}

fn override_claims(table: &Table<'_>, claims: &mut ClaimNames) {
    if let Some(claim) = table.wanted("consumer_key_claim") {
        claims.consumer_key = Some(claim.value.to_owned());
    }
    if let Some(claim) = table.wanted("scopes_claim") {
        claims.scopes = Some(claim.value.to_owned());
    }
}

fn key_source(table: &Table<'_>, sources: &Sources, settings: &Settings) -> Option<KeySource> {
    let well_known_url = table.wanted("well_known_url");
    let well_known_url = match &well_known_url {
        Some(url) => Some(fetchable(table, url, settings)?),
        None => None,
    };
    let Some(certificates) = table.table("certificates") else {
        if table.has("certificates") {
            return None;
        }
        let missing = || {
            let hint = Some(
                "write `certificates = { jwks = \"https://...\" }`, or `well_known_url`".to_owned(),
            );
            table.problems().error(
                table.at(),
                "nothing says where this key manager's keys are".to_owned(),
                hint,
            );
        };
        return match well_known_url {
            Some(well_known_url) => Some(KeySource::Discovery { well_known_url }),
            None => {
                missing();
                None
            }
        };
    };
    let (jwks, pem, jwks_file) =
        (certificates.wanted("jwks"), certificates.wanted("pem"), certificates.wanted("jwks_file"));
    match (jwks, pem, jwks_file) {
        (Some(url), None, None) => {
            Some(KeySource::Jwks { url: fetchable(table, &url, settings)?, well_known_url })
        }
        (None, Some(named), None) => {
            let found = pem::verification_keys(&named, sources, table.problems())?;
            Some(KeySource::Pem { path: found.path, content: found.content })
        }
        (None, None, Some(named)) => {
            let found = pem::file(&named, sources, table.problems())?;
            match crate::jwt::KeySet::from_jwks(&found.content) {
                Ok(_) => Some(KeySource::JwksFile { path: found.path, content: found.content }),
                Err(error) => {
                    table.problems().error(
                        named.at,
                        format!("{}: {error}", found.path.display()),
                        None,
                    );
                    None
                }
            }
        }
        _ => {
            table.problems().error(
                certificates.at(),
                "`certificates` takes exactly one of jwks, pem and jwks_file".to_owned(),
                None,
            );
            None
        }
    }
}

/// An address that keys may be fetched from: https, or loopback, or plain http where that is allowed.
fn fetchable(table: &Table<'_>, url: &Placed<&str>, settings: &Settings) -> Option<String> {
    let uri: Option<Uri> = url.value.parse().ok();
    let uri = uri.filter(|uri| uri.host().is_some());
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("https") => Some(url.value.to_owned()),
        Some("http") if settings.allow_http || uri.as_ref().is_some_and(is_loopback) => {
            Some(url.value.to_owned())
        }
        Some("http") => {
            let hint = Some(
                "write https, or `allow_http = true` if you trust everyone on the way".to_owned(),
            );
            table.problems().error(
                url.at.clone(),
                "keys are not fetched over plain http, except from loopback".to_owned(),
                hint,
            );
            None
        }
        _ => {
            table.problems().error(
                url.at.clone(),
                format!("{:?} is not an http or https address", url.value),
                None,
            );
            None
        }
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

fn endpoints(table: &Table<'_>) -> KeyManagerEndpoints {
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

fn rules(table: &Table<'_>, settings: &Settings, of: Option<KeyManagerType>) -> TokenRules {
    let mut algorithms = SignatureAlgorithm::ALL.to_vec();
    if let Some(written) = table.texts("algorithms") {
        algorithms = written.iter().filter_map(|name| algorithm(table, name)).collect();
        if written.is_empty() {
            table.error(
                "algorithms",
                "without an algorithm no token can be good".to_owned(),
                Some("leave `algorithms` out to accept all".to_owned()),
            );
        }
    }
    let texts =
        |key| table.texts(key).unwrap_or_default().into_iter().map(|text| text.value.to_owned());
    let kind = |text: String| {
        let lower = text.to_ascii_lowercase();
        lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
    };
    // an empty list that is written takes the usual ones, whatever the type
    let token_types = if table.has("token_types") {
        texts("token_types").map(kind).collect()
    } else {
        let usual = of.map_or(&[][..], KeyManagerType::default_token_types);
        usual.iter().map(|&name| name.to_owned()).collect()
    };
    TokenRules {
        algorithms,
        token_types,
        id_tokens: match table.choice("id_tokens", &["refuse", "allow"]) {
            Some("allow") => IdTokens::Allow,
            _ => IdTokens::Refuse,
        },
        audiences: texts("audiences").collect(),
        leeway: settings.leeway,
        max_lifetime: settings.max_lifetime,
    }
}

fn algorithm(table: &Table<'_>, name: &Placed<&str>) -> Option<SignatureAlgorithm> {
    let found = SignatureAlgorithm::from_name(name.value);
    if found.is_none() {
        if name.value.eq_ignore_ascii_case("none")
            || name.value.to_ascii_uppercase().starts_with("HS")
        {
            let hint = Some("whoever can read a public key set could sign with it; only public-key signatures are accepted".to_owned());
            table.problems().error(
                name.at.clone(),
                format!("{:?} is never accepted", name.value),
                hint,
            );
        } else {
            table.not_a_choice("algorithms", name, ALGORITHMS);
        }
    }
    found
}

fn settings(table: &Table<'_>, defaults: &Settings) -> Settings {
    let leeway = table.duration("leeway").map_or(defaults.leeway, |leeway| {
        if leeway.value > MOST_LEEWAY {
            table.problems().error(
                leeway.at,
                format!("`{}` may be 5m at most", table.path("leeway")),
                Some("set the clocks instead".to_owned()),
            );
        }
        leeway.value
    });
    let max_document_bytes = match table.size("max_document_bytes") {
        None => defaults.max_document_bytes,
        Some(Placed { value: ByteLimit::Bytes(bytes @ 1..=16_777_216), .. }) => bytes,
        Some(found) => {
            table.problems().error(
                found.at,
                format!("`{}` must be from 1B to 16MiB", table.path("max_document_bytes")),
                None,
            );
            defaults.max_document_bytes
        }
    };
    Settings {
        leeway,
        refresh: table.time("jwks_refresh", defaults.refresh),
        min_refetch: table.time("jwks_min_refetch", defaults.min_refetch),
        keep_stale: table
            .duration("jwks_keep_stale")
            .map_or(defaults.keep_stale, |found| found.value),
        connect_timeout: table.time("connect_timeout", defaults.connect_timeout),
        request_timeout: table.time("request_timeout", defaults.request_timeout),
        max_document_bytes,
        allow_http: table.flag("allow_http", defaults.allow_http),
        proxy: proxy(table, &defaults.proxy),
        max_lifetime: table.optional_time("max_lifetime", defaults.max_lifetime),
    }
}

fn proxy(table: &Table<'_>, default: &ProxyChoice) -> ProxyChoice {
    let Some(text) = table.wanted("proxy") else { return default.clone() };
    match text.value {
        "env" => ProxyChoice::Environment,
        "none" => ProxyChoice::Direct,
        url if url
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some()) =>
        {
            ProxyChoice::Url(url.to_owned())
        }
        _ => {
            let hint = Some("\"env\", \"none\", or \"http://proxy:3128\"".to_owned());
            // the text may hold a password
            table.problems().error(
                text.at,
                format!("`{}` is not a proxy", table.path("proxy")),
                hint,
            );
            default.clone()
        }
    }
}
