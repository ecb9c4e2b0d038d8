//! Warns of settings that work but are probably not meant, seen over all tables.
//!
//! Each warning is given once, at the first place, with the number of the others.

use crate::config::problems::At;
use crate::config::problems::Problems;
use crate::model::KeyManagerTemplate;
use crate::model::api::{Api, AuthScheme, Lifecycle, SubscriptionRule};
use crate::model::directory::Directory;
use crate::model::key_manager::{KeyManager, KeyManagerType};
use crate::model::provenance::{Provenance, SourceFiles};

/// The most names that a warning lists.
const MOST: usize = 5;

/// All objects of a configuration.
pub(super) struct Nouns<'m> {
    pub(super) key_managers: &'m [KeyManager],
    pub(super) templates: &'m [KeyManagerTemplate],
    pub(super) apis: &'m [Api],
    pub(super) directory: &'m Directory,
    pub(super) files: &'m SourceFiles,
}

impl Nouns<'_> {
    /// Warns, unless there are errors: then parts of the model are missing.
    pub(super) fn warn(&self, problems: &Problems) {
        if problems.has_errors() {
            return;
        }
        self.no_audience(problems);
        self.nobody_subscribed(problems);
        self.without_keys(problems);
        self.cognito(problems);
    }

    fn at(&self, place: Provenance) -> At {
        let path = self.files.path(place).map(ToOwned::to_owned).unwrap_or_default();
        At::Line { path, line: place.line }
    }

    /// Returns the key managers whose tokens an API accepts.
    fn taken<'s>(&'s self, api: &'s Api) -> impl Iterator<Item = &'s KeyManager> {
        let named = |slot| api.key_managers.is_empty() || api.key_managers.contains(&slot);
        self.written().filter(move |key_manager| key_manager.enabled && named(key_manager.slot()))
    }

    /// Returns the key managers as they are written: a template for all of its organizations.
    fn written(&self) -> impl Iterator<Item = &KeyManager> {
        let alone = self.key_managers.iter().filter(|own| own.organization.is_none());
        alone.chain(self.templates.iter().map(KeyManagerTemplate::outline))
    }

    /// Warns of APIs that accept tokens for any audience. Access tokens of Cognito have no audience
    /// that could be checked.
    fn no_audience(&self, problems: &Problems) {
        let open: Vec<&Api> = self
            .apis
            .iter()
            .filter(|api| {
                asks_for_tokens(api)
                    && api.audiences.is_empty()
                    && self.taken(api).any(|key_manager| {
                        key_manager.rules.audiences.is_empty()
                            && key_manager.kind != KeyManagerType::Cognito
                    })
            })
            .collect();
        let Some(first) = open.first() else { return };
        problems.warning(
            self.at(first.place),
            format!(
                "no audience is checked: neither {} nor the key manager has `audiences`, so tokens \
                 that were issued for another service are accepted too",
                names(&open)
            ),
            Some("write `audiences` for the key manager or for the API".to_owned()),
        );
    }

    fn nobody_subscribed(&self, problems: &Problems) {
        let subscribed = self.directory.subscribed();
        let idle: Vec<&Api> = self
            .apis
            .iter()
            .filter(|api| {
                asks_for_tokens(api)
                    && api.subscription == SubscriptionRule::Required
                    && !subscribed.contains(&api.slot())
            })
            .collect();
        let Some(first) = idle.first() else { return };
        problems.warning(
            self.at(first.place),
            format!(
                "no application is subscribed to {}, so every token is refused there",
                names(&idle)
            ),
            Some(
                "add it to `subscriptions` of an application, or write `subscription_required = \
                 false`"
                    .to_owned(),
            ),
        );
    }

    fn without_keys(&self, problems: &Problems) {
        let without = self.directory.without_keys();
        let Some((first, others)) = without.split_first() else { return };
        let others = match others.len() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        problems.warning(
            self.at(first.place),
            format!("application {:?}{others} has no keys, so no token belongs to it", first.name),
            Some(
                "write `keys = [{ type = \"production\", key_manager = \"...\", consumer_key = \
                 \"...\" }]`"
                    .to_owned(),
            ),
        );
    }

    fn cognito(&self, problems: &Problems) {
        const WHY: &str = "access tokens of Cognito have no `aud`, so all of them are refused";
        let is_cognito = |key_manager: &KeyManager| key_manager.kind == KeyManagerType::Cognito;
        for key_manager in self.written() {
            if is_cognito(key_manager) && !key_manager.rules.audiences.is_empty() {
                problems.warning(
                    self.at(key_manager.place),
                    format!("key manager \"{}\" has `audiences`: {WHY}", key_manager.name),
                    Some(
                        "remove `audiences`; the client (`client_id`) identifies the caller"
                            .to_owned(),
                    ),
                );
            }
        }
        for api in self.apis.iter().filter(|api| !api.audiences.is_empty()) {
            if let Some(key_manager) = self.taken(api).find(|key_manager| is_cognito(key_manager)) {
                problems.warning(
                    self.at(api.place),
                    format!(
                        "API {} {} has `audiences` and accepts tokens of key manager \"{}\": {WHY}",
                        api.name, api.version, key_manager.name
                    ),
                    Some(
                        "remove `audiences`, or name other key managers in `key_managers`"
                            .to_owned(),
                    ),
                );
            }
        }
    }
}

/// Returns true if the API is served and at least one operation needs a token.
fn asks_for_tokens(api: &Api) -> bool {
    !matches!(api.lifecycle, Lifecycle::Blocked | Lifecycle::Retired)
        && api.operations.iter().any(|operation| operation.auth == AuthScheme::Required)
}

fn names(apis: &[&Api]) -> String {
    let named: Vec<_> =
        apis.iter().take(MOST).map(|api| format!("API {} {}", api.name, api.version)).collect();
    match apis.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
