//! Writes a `[[key_managers]]` table for gateway.toml, with the facts about the server and its
//! tokens as comments.
//!
//! This file only chooses words. Everything from outside is quoted by [`text`](super::text).

use std::fmt::Write;

use crate::cli::import::asking::IntrospectionTrial;
use crate::cli::import::completion::Wanted;
use crate::cli::import::diagnosis::Diagnosis;
use crate::cli::import::evidence::ClaimForm;
use crate::cli::import::metadata::Metadata;
use crate::cli::import::product::{Guess, names, usual_claims};
use crate::cli::import::remarks::{Sampled, remarks};
use crate::cli::import::text::{comment, quoted, shown};
use crate::cli::import::trouble::TroubleWeight;
use crate::fetch::FetchUrl;
use crate::jwt::ParsedKeySet;
use crate::model::key_manager::{Fetch, KeyManagerType};

/// The facts to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings<'f> {
    pub(super) well_known_url: &'f str,
    /// The name that the operator chose.
    pub(super) name: Option<&'f str>,
    pub(super) ca: Option<&'f str>,
    pub(super) metadata: &'f Metadata,
    pub(super) guess: &'f Guess,
    pub(super) keys: &'f ParsedKeySet,
    /// The diagnosis of a sample token, if there is one.
    pub(super) diagnosis: Option<&'f Diagnosis<'f>>,
    /// The result of introspection, if it was tried.
    pub(super) asked: Option<&'f IntrospectionTrial>,
    pub(super) wanted: &'f Wanted,
    /// The sample's client, according to the server or to the token.
    pub(super) client: Option<&'f str>,
}

pub(super) fn render(findings: Findings<'_>) -> String {
    let mut text = about_the_server(findings);
    if let Some(diagnosis) = findings.diagnosis {
        text.push_str(&about_the_token(diagnosis));
    }
    if let Some(asked) = findings.asked {
        text.push_str("#\n");
        for finding in asked.findings() {
            text.push_str(&listed(&finding));
        }
    }
    text.push_str("#\n");
    text.push_str(&comment("", "Then: portcullis check --fetch"));
    text.push('\n');
    text.push_str(&table(findings));
    text
}

fn about_the_server(findings: Findings<'_>) -> String {
    let Findings { metadata, guess, keys, .. } = findings;
    let mut text =
        comment("", &format!("Read by `portcullis import` from {}", findings.well_known_url));
    let kids: Vec<String> = keys.keys.key_ids().take(MOST_NAMES).map(shown).collect();
    let named = if kids.is_empty() { String::new() } else { format!(": {}", kids.join(", ")) };
    let count = keys.keys.len();
    let plural = if count == 1 { "" } else { "s" };
    text.push_str(&comment("", &format!("the key set has {count} usable key{plural}{named}")));
    for skipped in keys.skipped.iter().take(MOST_NAMES) {
        let name = skipped.key_id.as_deref().map(shown).unwrap_or_default();
        text.push_str(&comment(
            "  ",
            &format!(
                "not usable: key {} {name}: {}",
                skipped.position,
                shown(&skipped.reason.to_string())
            ),
        ));
    }
    text.push_str(&comment("", &format!("type {}: {}", guess.kind.name(), guess.because)));
    let sampled = if findings.diagnosis.is_some() { Sampled::Yes } else { Sampled::No };
    for remark in remarks(metadata, findings.well_known_url, guess.kind, sampled) {
        text.push_str(&listed(&remark));
    }
    text
}

fn about_the_token(diagnosis: &Diagnosis<'_>) -> String {
    let mut text = String::from("#\n# The sample token, which is never shown:\n");
    if let Some(signed_with) = &diagnosis.signed_with {
        text.push_str(&listed(&format!("good: signed {signed_with}")));
    }
    // without a good signature the claims are unproven
    let head = if diagnosis.signed_with.is_some() { "good" } else { "seen" };
    if let Some(client) = &diagnosis.client {
        text.push_str(&listed(&format!(
            "{head}: {} holds the client, {}",
            client.claim,
            shown(client.value)
        )));
    }
    if let Some(scopes) = &diagnosis.scopes {
        let form = match scopes.form {
            ClaimForm::Text => "a string",
            ClaimForm::Array => "an array",
        };
        let names: Vec<String> =
            scopes.names.iter().take(MOST_NAMES).map(|name| shown(name)).collect();
        text.push_str(&listed(&format!(
            "{head}: {} holds the scopes, {form}: {}",
            scopes.claim,
            names.join(", ")
        )));
    }
    for weight in [TroubleWeight::Wrong, TroubleWeight::Check] {
        for trouble in diagnosis.troubles.iter().filter(|trouble| trouble.weight() == weight) {
            let head = if weight == TroubleWeight::Wrong { "WRONG" } else { "CHECK" };
            text.push_str(&listed(&format!("{head}: {trouble}")));
        }
    }
    text
}

/// Returns a finding below its heading, aligned with its first word.
fn listed(finding: &str) -> String {
    match finding.split_once(": ") {
        Some((head, prose)) => comment(&format!("  {:<7}", format!("{head}:")), prose),
        None => comment("  ", finding),
    }
}

fn table(findings: Findings<'_>) -> String {
    let Findings { metadata, guess, .. } = findings;
    let (name, display_name) = names(guess.kind, &metadata.issuer);
    let mut text = String::from("[[key_managers]]\n");
    line(&mut text, "name", findings.name.unwrap_or(&name));
    line(&mut text, "display_name", &display_name);
    line(&mut text, "type", guess.kind.name());
    line(&mut text, "well_known_url", findings.well_known_url);
    line(&mut text, "issuer", &metadata.issuer);
    text.push_str(&issuer_notes(findings));
    let _ = writeln!(text, "certificates = {{ jwks = {} }}", quoted(&metadata.jwks_uri));
    text.push_str(&transport(findings));
    text.push_str(&client(findings));
    text.push_str(&scopes(findings));
    text.push_str(&audiences(findings));
    for (key, address) in
        metadata.endpoints.iter().filter(|(key, _)| *key != "introspection_endpoint")
    {
        line(&mut text, key, address);
    }
    text.push_str(&introspection(findings));
    if !metadata.grant_types.is_empty() {
        let grants: Vec<String> = metadata.grant_types.iter().map(|grant| quoted(grant)).collect();
        let _ = writeln!(text, "grant_types = [{}]", grants.join(", "));
    }
    let name = findings.name.unwrap_or(&name);
    if let Some(client) = findings.client.filter(|_| !findings.wanted.has_application()) {
        let (name, client) = (quoted(name), quoted(client));
        text.push_str(&comment(
            "",
            "the sample token's client, for the application that it belongs to:",
        ));
        let _ = writeln!(
            text,
            "# keys = [{{ type = \"production\", key_manager = {name}, consumer_key = {client} }}]"
        );
    }
    text.push_str(&findings.wanted.render(name, findings.client));
    text
}

fn issuer_notes(findings: Findings<'_>) -> String {
    let mut text = String::new();
    if findings.metadata.issuer.contains('{') {
        // a pattern stands for the listed organizations, and for no others
        text.push_str("# the issuer is a pattern: list the tenants whose tokens you trust\n");
        text.push_str("organizations = [\"00000000-0000-0000-0000-000000000000\"]\n");
    }
    if let Some(other) = findings.diagnosis.and_then(|diagnosis| diagnosis.other_issuer) {
        text.push_str(&comment("", "the sample token has this issuer:"));
        let _ = writeln!(text, "# issuer = {}", quoted(other));
    }
    text
}

fn transport(findings: Findings<'_>) -> String {
    let mut text = String::new();
    if let Some(ca) = findings.ca {
        text.push_str(&comment("", "a relative path starts at the folder of gateway.toml"));
        line(&mut text, "ca", ca);
    }
    let usual = Fetch::default();
    let addresses = [findings.well_known_url, &findings.metadata.jwks_uri];
    if addresses.iter().any(|url| FetchUrl::permitted(&usual, url).is_err()) {
        let prose =
            "everybody on the way to the server can replace the keys, and then forge tokens";
        text.push_str(&comment("", prose));
        text.push_str("allow_http = true\n");
    }
    text
}

/// Returns the introspection settings for tokens that only their server can read.
fn introspection(findings: Findings<'_>) -> String {
    let mut text = String::new();
    if let Some(asked) = findings.asked {
        text.push_str(&comment("", asked.introduction()));
        line(&mut text, "introspection_endpoint", &asked.endpoint);
        let _ = writeln!(text, "credentials = {}", asked.credentials);
    } else if let Some(endpoint) = findings.metadata.endpoint("introspection_endpoint") {
        text.push_str(&comment(
            "",
            "the gateway can ask here about opaque tokens, once it has a client of its own at the \
             server (try it with --introspect):",
        ));
        line(&mut text, "introspection_endpoint", endpoint);
        text.push_str(
            "# credentials = { username = \"gateway\", password = { env = \
             \"PORTCULLIS_CLIENT_SECRET\" } }\n",
        );
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", quoted(value));
}

fn client(findings: Findings<'_>) -> String {
    let kind = findings.guess.kind;
    let mut text = String::new();
    if let Some(client) = findings.diagnosis.and_then(|diagnosis| diagnosis.client.as_ref()) {
        if client.is_default {
            text.push_str(&comment(
                "",
                &format!(
                    "the client is read from {}, the default of {}",
                    client.claim,
                    kind.name()
                ),
            ));
        } else {
            text.push_str(&comment("", "the client, according to the sample token"));
            line(&mut text, "consumer_key_claim", &client.claim);
        }
        return text;
    }
    let default = kind.default_claims().consumer_key;
    let usual = usual_claims(kind, &findings.metadata.issuer).consumer_key;
    if let Some(claim) = usual.as_ref().filter(|claim| Some(*claim) != default.as_ref()) {
        text.push_str(&comment(
            "",
            "the client: this product's own claim, not yet seen in a token",
        ));
        line(&mut text, "consumer_key_claim", claim);
    } else {
        let claim = default.as_deref().unwrap_or("consumerKey, then azp");
        let other = if kind == KeyManagerType::AzureAD { "appid" } else { "client_id" };
        let prose = format!(
            "unknown without an access token: the client is read from {claim}; some tokens have it \
             in {other}"
        );
        text.push_str(&comment("", &prose));
        let _ = writeln!(text, "# consumer_key_claim = {}", quoted(other));
    }
    text
}

fn scopes(findings: Findings<'_>) -> String {
    let kind = findings.guess.kind;
    let mut text = String::new();
    if let Some(scopes) = findings.diagnosis.and_then(|diagnosis| diagnosis.scopes.as_ref()) {
        if scopes.is_default {
            text.push_str(&comment(
                "",
                &format!(
                    "the scopes are read from {}, the default of {}",
                    scopes.claim,
                    kind.name()
                ),
            ));
        } else {
            text.push_str(&comment("", "the scopes, according to the sample token"));
            line(&mut text, "scopes_claim", &scopes.claim);
        }
        return text;
    }
    if kind == KeyManagerType::AzureAD {
        let prose = "unknown without an access token: Entra writes the scopes of users' tokens \
                     into scp, and an application's permissions into roles; choose one";
        text.push_str(&comment("", prose));
        text.push_str("# scopes_claim = \"scp\"\n# scopes_claim = \"roles\"\n");
        return text;
    }
    let default = kind.default_claims().scopes;
    let usual = usual_claims(kind, &findings.metadata.issuer).scopes;
    if let Some(claim) = usual.as_ref().filter(|claim| Some(*claim) != default.as_ref()) {
        text.push_str(&comment(
            "",
            "the scopes: this product's own claim, not yet seen in a token",
        ));
        line(&mut text, "scopes_claim", claim);
    } else {
        let claim = default.as_deref().unwrap_or("scope");
        let other = if claim == "scope" { "scp" } else { "scope" };
        let prose = format!(
            "unknown without an access token that has scopes: they are read from {claim}; some \
             tokens have them in {other}"
        );
        text.push_str(&comment("", &prose));
        let _ = writeln!(text, "# scopes_claim = {}", quoted(other));
    }
    text
}

/// Returns `audiences` as a comment: no document says which audience belongs to the operator.
fn audiences(findings: Findings<'_>) -> String {
    let known = findings.diagnosis.filter(|diagnosis| diagnosis.client.is_some());
    let found = known.map(|diagnosis| diagnosis.audiences.as_slice()).unwrap_or_default();
    let client = known.and_then(|diagnosis| diagnosis.client.as_ref());
    if client.is_some_and(|client| client.claim == "aud") {
        return comment(
            "",
            "this server's audience is the client, so it cannot say which APIs a token is for",
        );
    }
    let is_client = found.len() == 1 && found.first().copied() == client.map(|client| client.value);
    let prose = if known.is_some() && found.is_empty() {
        "the sample token has no audience; if the server can write one, require it here"
    } else if is_client {
        "the sample token's audience is only its client; have the server write one for your APIs, \
         and require it here"
    } else if found == [ACCOUNT] {
        "the sample token's audience is Keycloak's own client `account`; add an audience mapper \
         for your APIs, and require that audience here"
    } else if found.contains(&ACCOUNT) {
        "the sample token's audience, without Keycloak's own client `account`, which is in most of \
         its tokens; if it means your APIs, remove the #, so that tokens for others are refused"
    } else if !found.is_empty() {
        "the sample token's audience; if it means your APIs, remove the #, so that tokens for \
         others are refused"
    } else {
        "unknown: the `aud` of tokens for your APIs; until it is written here, tokens for others \
         are accepted too"
    };
    let theirs = found.iter().filter(|audience| **audience != ACCOUNT);
    let values: Vec<String> = theirs.take(MOST_NAMES).map(|audience| quoted(audience)).collect();
    let is_theirs = !values.is_empty() && !is_client;
    let values = if is_theirs { values.join(", ") } else { quoted("https://api.example") };
    format!("{}# audiences = [{values}]\n", comment("", prose))
}

/// A client of every Keycloak realm, which its tokens name besides their APIs.
const ACCOUNT: &str = "account";

/// The most names in a list: enough to recognize something.
const MOST_NAMES: usize = 8;
