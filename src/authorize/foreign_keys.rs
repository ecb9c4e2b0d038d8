//! Finds a consumer key under the key managers that did not issue the token.

use crate::key_managers::CompiledKeyManager;
use crate::model::directory::KeyOwner;
use crate::model::names::KeyManagerName;
use crate::snapshot::Snapshot;

/// Returns the other key managers for which an application has this consumer key. A consumer key is
/// only valid under its own key manager. This tells an operator of a mistake, and admits no caller.
pub fn holders_elsewhere<'s>(
    snapshot: &'s Snapshot,
    key_manager: &'s CompiledKeyManager,
    consumer_key: &'s str,
) -> impl Iterator<Item = (&'s KeyManagerName, KeyOwner)> {
    let listed = snapshot.key_managers.iter().map(|other| (other.slot, &other.definition.name));
    let templates = snapshot.key_managers.templates.iter().map(|template| &template.definition);
    let templates = templates.map(|definition| (definition.slot(), definition.name()));
    listed
        .chain(templates)
        .filter(|(slot, _)| !key_manager.meanings().any(|own| own == *slot))
        .filter_map(|(slot, name)| Some((name, snapshot.directory.find(slot, consumer_key)?)))
}
