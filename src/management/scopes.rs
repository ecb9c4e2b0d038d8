//! Finds the issuers that a key manager's name stands for: revocations are bound to issuers, but
//! calls name key managers.

use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::key_manager::KeyManager;
use crate::snapshot::{Snapshot, Unlisted};

use crate::management::fault::MessageFault;

/// Returns the issuers of the key managers with this name or type, or of all organizations of the
/// template with this name.
pub(super) fn named(snapshot: &Snapshot, name: &str) -> Result<Vec<String>, MessageFault> {
    let scopes = matching(snapshot, |definition| {
        definition.name.as_str().eq_ignore_ascii_case(name)
            || definition.kind.name().eq_ignore_ascii_case(name)
    });
    if scopes.is_empty() { Err(unknown(name)) } else { Ok(scopes) }
}

pub(super) fn all(snapshot: &Snapshot) -> Vec<String> {
    matching(snapshot, |_| true)
}

/// Returns this issuer, if the gateway accepts tokens of it.
pub(super) fn issuer(snapshot: &Snapshot, issuer: &str) -> Result<Vec<String>, MessageFault> {
    if is_known(snapshot, issuer) {
        Ok(vec![issuer.trim_end_matches('/').to_owned()])
    } else {
        Err(MessageFault::UnknownIssuer(issuer.chars().take(200).collect()))
    }
}

/// Returns true if a key manager (enabled or not) or an organization of a template has this issuer.
pub(super) fn is_known(snapshot: &Snapshot, issuer: &str) -> bool {
    let written = |key_manager: &CompiledKeyManager| {
        own_scopes(key_manager).iter().any(|scope| scope == issuer.trim_end_matches('/'))
    };
    let template = |template: &CompiledTemplate| {
        template.definition.revocation_scope() == issuer.trim_end_matches('/')
    };
    snapshot.key_manager_of(issuer).is_some()
        || snapshot.key_managers.iter().any(|key_manager| written(key_manager))
        || snapshot.key_managers.templates.iter().any(|own| template(own))
        || !matches!(snapshot.unlisted(issuer), Unlisted::Nobodys)
}

/// Returns the issuers that `X-WSO2-KEY-MANAGER` stands for: a key manager's name, or a type as
/// WSO2's manuals spell it. Identity Server 7 may send `WSO2-IS` too. `default` is API Manager's
/// own key manager, which can be any of ours.
pub(super) fn senders(snapshot: &Snapshot, sender: &str) -> Result<Vec<String>, MessageFault> {
    let found = named(snapshot, sender);
    let plain: String = sender
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "wso2is" => {
            let kinds = ["WSO2-IS", "WSO2-IS-7"]
                .into_iter()
                .filter_map(|kind| named(snapshot, kind).ok())
                .flatten();
            let mut scopes: Vec<_> = kinds.chain(found.unwrap_or_default()).collect();
            scopes.sort();
            scopes.dedup();
            if scopes.is_empty() { Err(unknown(sender)) } else { Ok(scopes) }
        }
        "default" if found.is_err() => Ok(all(snapshot)),
        _ => found,
    }
}

/// Returns the issuers of the key managers that a rule picks. A template stands for all of its
/// organizations.
fn matching(snapshot: &Snapshot, picks: impl Fn(&KeyManager) -> bool) -> Vec<String> {
    let templates = &snapshot.key_managers.templates;
    let templates = templates.iter().filter(|template| picks(template.definition.outline()));
    let of_picked_template = |definition: &KeyManager| {
        let template = definition.template().and_then(|slot| snapshot.template(slot));
        template.is_some_and(|template| picks(template.definition.outline()))
    };
    let picked = snapshot.key_managers.iter().filter(|key_manager| {
        picks(&key_manager.definition) && !of_picked_template(&key_manager.definition)
    });
    let mut scopes: Vec<_> = picked.flat_map(|key_manager| own_scopes(key_manager)).collect();
    scopes.extend(templates.map(|template| template.definition.revocation_scope().to_owned()));
    scopes.sort();
    scopes.dedup();
    scopes
}

/// Returns the issuers to which the revocations of a key manager are bound. A learned issuer is
/// included, so that they stay in force when an operator writes it into the file.
fn own_scopes(key_manager: &CompiledKeyManager) -> Vec<String> {
    let written = key_manager.definition.revocation_scope().into_owned();
    let learned = key_manager.keys.current().issuer.as_ref().map(|issuer| {
        let issuer: &str = issuer.as_str();
        issuer.trim_end_matches('/').to_owned()
    });
    let learned =
        learned.filter(|learned| key_manager.definition.issuer.is_none() && *learned != written);
    std::iter::once(written).chain(learned).collect()
}

fn unknown(sender: &str) -> MessageFault {
    MessageFault::UnknownKeyManager(sender.chars().take(100).collect())
}
