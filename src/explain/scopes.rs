//! Finds other claims with the needed scopes: candidates for `scopes_claim`.

use crate::jwt::JsonValue;
use crate::model::names::Scope;

/// The depth of claims at known servers: `resource_access.CLIENT.roles`.
const DEEPEST: usize = 3;

/// The most claims that are returned.
const MOST: usize = 5;

/// Returns the claims that hold one of the needed scopes, except the one that is read already.
pub(super) fn elsewhere<'c>(
    claims: impl Iterator<Item = (&'c str, &'c JsonValue)>,
    read: &str,
    needed: &[Scope],
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in claims {
        look(name.to_owned(), value, needed, 1, &mut found);
    }
    found.retain(|(path, _)| path != read);
    found.truncate(MOST);
    found
}

fn look(
    path: String,
    value: &JsonValue,
    needed: &[Scope],
    depth: usize,
    found: &mut Vec<(String, String)>,
) {
    let held = |scope: &&Scope| match value {
        JsonValue::String(text) => text.split(' ').any(|held| held == scope.as_str()),
        JsonValue::Array(elements) => {
            elements.iter().filter_map(JsonValue::as_str).any(|held| held == scope.as_str())
        }
        _ => false,
    };
    if let Some(scope) = needed.iter().find(held) {
        found.push((path, scope.as_str().to_owned()));
    } else if let JsonValue::Object(members) = value
        && depth < DEEPEST
    {
        for (name, value) in members.iter() {
            look(format!("{path}.{name}"), value, needed, depth.saturating_add(1), found);
        }
    }
}
