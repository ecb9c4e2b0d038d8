//! Reads one `[[key_managers]]`.

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::introspection;
use crate::config::resolve::key_manager::endpoints::endpoints;
use crate::config::resolve::key_manager::keys::key_source;
use crate::config::resolve::key_manager::provisioning::{provisioning, registration};
use crate::config::resolve::key_manager::rules::{kind, override_claims, rules};
use crate::config::resolve::key_manager::settings::{Settings, fetch, settings};
use crate::config::resolve::naming::named;
use crate::config::source::Sources;
use crate::model::KeyManagerTemplate;
use crate::model::identity::{Identities, Identity};
use crate::model::key_manager::{
    ClientCertificate, Fetch, KeyManager, KeyManagerType, KeySource, PemFile, TokenValidation,
};
use crate::model::names::{KeyManagerName, KeyManagerSlot};
use crate::model::provenance::Provenance;

/// One `[[key_managers]]`; a template if its issuer has braces.
pub(super) enum Declared {
    KeyManager(Box<KeyManager>),
    Template(Box<KeyManagerTemplate>),
}

impl Declared {
    pub(super) fn slot(&self) -> KeyManagerSlot {
        match self {
            Self::KeyManager(key_manager) => key_manager.slot(),
            Self::Template(template) => template.slot(),
        }
    }
}

pub(super) fn key_manager(
    table: &Table<'_>,
    sources: &Sources,
    defaults: &Settings,
    identities: &Identities,
) -> Option<Declared> {
    let settings = settings(table, defaults);
    let kind = kind(table);
    let endpoints = endpoints(table);
    let rules = rules(table, &settings, kind);
    let issuer = table.wanted("issuer").and_then(|text| named(&text, table));
    let validation = introspection::validation(table);
    let shown = kind.unwrap_or(KeyManagerType::CustomKeyManager);
    let credentials = introspection::written_credentials(table, sources, shown);
    let introspection =
        introspection::introspection(table, &endpoints.introspection, validation, &credentials);
    let credentials_for = introspection::credentials_for(table, sources, shown);
    let keys = keys(table, sources, &settings, validation);
    let ca = pem::authorities(table, "ca", sources);
    let client_certificate =
        table.table("client_certificate").and_then(|pair| pem::client_certificate(&pair, sources));
    warn_of_plain_http(table, &settings);
    let name = table.text("name")?;
    let (kind, keys) = (kind?, keys?);
    if issuer.is_none() {
        check_learnable(table, &keys)?;
    }
    let mut claims = kind.default_claims();
    override_claims(table, &mut claims);
    let text = |key| table.wanted(key).map(|text| text.value.to_owned());
    let place = sources.place(&table.at());
    let declared = KeyManager {
        identity: identity(&name, table, identities)?,
        display_name: text("display_name").unwrap_or_else(|| name.value.to_owned()),
        description: text("description").unwrap_or_default(),
        name: named::<KeyManagerName>(&name, table)?,
        kind,
        enabled: table.flag("enabled", true),
        issuer,
        keys,
        fetch: fetch_from(place, settings, ca, client_certificate),
        claims,
        rules,
        claim_mapping: claim_mapping(table),
        organization: None,
        validation,
        introspection,
        handling: introspection::handling(table),
        endpoints,
        provisioning: provisioning(table),
        registration: registration(table, sources, credentials.flatten()),
        place,
    };
    Some(match KeyManagerTemplate::try_of(declared, credentials_for) {
        Ok(template) => Declared::Template(Box::new(template)),
        Err(key_manager) => Declared::KeyManager(key_manager),
    })
}

/// Reports a missing issuer that no discovery document can give.
fn check_learnable(table: &Table<'_>, keys: &KeySource) -> Option<()> {
    if can_learn_issuer(keys) {
        return Some(());
    }
    let message =
        "`key_managers.issuer` is missing, and there is no `well_known_url` to learn it from";
    table.problems().error(table.at(), message.to_owned(), None);
    None
}

/// A file may name any server, the management API only servers in permitted networks.
fn fetch_from(
    place: Provenance,
    settings: Settings,
    ca: Option<PemFile>,
    client_certificate: Option<ClientCertificate>,
) -> Fetch {
    let networks = place.revision().map(|_| settings.networks.clone());
    Fetch { networks, ..fetch(settings, ca, client_certificate) }
}

fn identity(name: &Placed<&str>, table: &Table<'_>, identities: &Identities) -> Option<Identity> {
    let identity = identities.key_manager(name.value);
    if identity.is_none() {
        let message = format!("there are more than {} key managers", u16::MAX);
        table.problems().error(name.at.clone(), message, None);
    }
    identity
}

/// Returns the source of the keys. A key manager needs none if its server confirms every token.
fn keys(
    table: &Table<'_>,
    sources: &Sources,
    settings: &Settings,
    validation: TokenValidation,
) -> Option<KeySource> {
    let is_written = table.has("certificates") || table.has("well_known_url");
    if validation == TokenValidation::Introspection && !is_written {
        Some(KeySource::None)
    } else {
        key_source(table, sources, settings)
    }
}

fn warn_of_plain_http(table: &Table<'_>, settings: &Settings) {
    if settings.allow_http {
        let message = "keys may be fetched over plain http: everybody on the way to the server \
                       can forge tokens";
        table.problems().warning(table.at_key("allow_http"), message.to_owned(), None);
    }
}

/// Returns true if the discovery document can name the issuer, or if no token needs one.
fn can_learn_issuer(keys: &KeySource) -> bool {
    match keys {
        KeySource::None | KeySource::Discovery { .. } => true,
        KeySource::Jwks { well_known_url, .. } => well_known_url.is_some(),
        KeySource::Pem { .. } | KeySource::JwksFile { .. } => false,
    }
}

fn claim_mapping(table: &Table<'_>) -> Vec<(String, String)> {
    let written = table.named_texts("claim_mapping").into_iter();
    written.map(|(from, to)| (from.value.to_owned(), to.value.to_owned())).collect()
}
