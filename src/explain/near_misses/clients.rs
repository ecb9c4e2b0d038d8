//! Hints on the client: its consumer key, its organization, its scopes, its subscriptions.

use crate::authenticate::Principal;
use crate::authorize::holders_elsewhere;
use crate::explain::scopes;
use crate::jwt::JsonValue;
use crate::key_managers::CompiledKeyManager;
use crate::model::names::Scope;
use crate::snapshot::{CompiledApi, Snapshot};

/// Returns key managers under which the consumer key is registered.
pub(super) fn consumer_key(
    snapshot: &Snapshot,
    key_manager: &CompiledKeyManager,
    consumer_key: &str,
) -> Vec<String> {
    let mut hints: Vec<_> = holders_elsewhere(snapshot, key_manager, consumer_key)
        .filter_map(|(other, mapping)| {
            let application = snapshot.directory.application(mapping.application)?;
            Some(format!(
                "application {:?} has this consumer key under key manager \"{other}\"",
                application.name
            ))
        })
        .take(MOST)
        .collect();
    if hints.is_empty() {
        let claim =
            key_manager.definition.claims.consumer_key.as_deref().unwrap_or("consumerKey or azp");
        hints.push(format!(
            "the consumer key {consumer_key:?} comes from the claim {claim}; add it \
                            to an application's keys"
        ));
    }
    hints
}

pub(super) fn consumer_key_claim<'c>(
    key_manager: &CompiledKeyManager,
    claims: impl Iterator<Item = &'c str>,
) -> Vec<String> {
    const USUAL: [&str; 5] = ["azp", "client_id", "cid", "appid", "consumerKey"];
    let usual: Vec<_> = claims.filter(|name| USUAL.contains(name)).collect();
    if usual.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the token has the claims {usual:?}; set consumer_key_claim of key manager \"{}\" to the \
         right one",
        key_manager.definition.name
    )]
}

pub(super) fn organizations(snapshot: &Snapshot, principal: &Principal) -> Vec<String> {
    let mapping = principal
        .consumer_key()
        .and_then(|client| principal.key_manager().find(&snapshot.directory, client));
    let application =
        mapping.and_then(|mapping| snapshot.directory.application(mapping.application));
    let wanted = application.and_then(|application| application.organization).unwrap_or("none");
    vec![format!(
        "the application's organization is {wanted:?}; the token's is {:?}",
        principal.organization().unwrap_or("none")
    )]
}

/// Returns other versions of the API that the application is subscribed to.
pub(super) fn subscriptions(
    snapshot: &Snapshot,
    principal: &Principal,
    api: &CompiledApi,
) -> Vec<String> {
    let mapping = principal
        .consumer_key()
        .and_then(|key| principal.key_manager().find(&snapshot.directory, key));
    let Some(mapping) = mapping else { return Vec::new() };
    let name = snapshot
        .directory
        .application(mapping.application)
        .map(|application| application.name)
        .unwrap_or_default();
    let subscribed = snapshot
        .directory
        .subscriptions(mapping.application)
        .filter_map(|view| snapshot.api(view.api));
    let same_name: Vec<_> =
        subscribed.filter(|other| other.definition.name == api.definition.name).collect();
    if same_name.is_empty() {
        let wanted = format!("{}:{}", api.definition.name, api.definition.version);
        return vec![format!("application {name:?} needs a subscription {{ api = \"{wanted}\" }}")];
    }
    let versions: Vec<_> =
        same_name.iter().map(|other| other.definition.version.as_str()).collect();
    vec![format!(
        "application {name:?} is subscribed to this API in version {}",
        versions.join(", ")
    )]
}

/// Returns claims that hold the missing scopes.
pub(super) fn scope_claims<'c>(
    key_manager: &CompiledKeyManager,
    claims: impl Iterator<Item = (&'c str, &'c JsonValue)>,
    needed: &[Scope],
) -> Vec<String> {
    let definition = &key_manager.definition;
    let read = definition.claims.scopes.as_deref().unwrap_or("scope");
    let found = scopes::elsewhere(claims, read, needed).into_iter().map(|(path, scope)| {
        format!(
            "the claim {path:?} holds {scope:?}, but scopes are read from {read:?}; write \
             scopes_claim = {path:?} for key manager \"{}\"",
            definition.name
        )
    });
    found.collect()
}

/// The most entries of a list in a hint.
const MOST: usize = 5;
