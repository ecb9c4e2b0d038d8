//! Reads one `[[key_managers]]`.

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::introspection;
use crate::config::resolve::key_manager::endpoints::endpoints;
use crate::config::resolve::key_manager::keys::key_source;
use crate::config::resolve::key_manager::rules::{kind, override_claims, rules};
use crate::config::resolve::key_manager::settings::{Settings, fetch, settings};
use crate::config::resolve::naming::named;
use crate::config::source::Sources;
use crate::model::identity::{Identities, Identity};
use crate::model::key_manager::{KeyManager, KeyManagerType, KeySource, TokenValidation};
use crate::model::names::KeyManagerName;

pub(super) fn key_manager(
    table: &Table<'_>,
    sources: &Sources,
    defaults: &Settings,
    identities: &Identities,
) -> Option<KeyManager> {
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
            "keys may be fetched over plain http: everybody on the way to the server can forge \
             tokens"
                .to_owned();
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
            "`key_managers.issuer` is missing, and there is no `well_known_url` to learn it from"
                .to_owned(),
            None,
        );
        return None;
    }
    let mut claims = kind.default_claims();
    override_claims(table, &mut claims);
    let text = |key| table.wanted(key).map(|text| text.value.to_owned());
    Some(KeyManager {
        identity: identity(&name, table, identities)?,
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

fn identity(name: &Placed<&str>, table: &Table<'_>, identities: &Identities) -> Option<Identity> {
    let identity = identities.key_manager(name.value);
    if identity.is_none() {
        let message = format!("there are more than {} key managers", u16::MAX);
        table.problems().error(name.at.clone(), message, None);
    }
    identity
}
