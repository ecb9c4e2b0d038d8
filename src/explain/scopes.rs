//! Other claims that hold the scopes that an operation needs: what to write in `scopes_claim`.

use crate::jwt::JsonValue;
use crate::model::names::Scope;

/// How deep claims of known servers lie: `resource_access.CLIENT.roles`.
const DEEPEST: usize = 3;

/// At most this many claims are named.
const MOST: usize = 5;

/// The claims that hold one of the scopes, except the one that is read.
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
