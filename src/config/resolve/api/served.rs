//! Finds APIs that would answer at the same base path and host.

use crate::config::problems::At;
use crate::config::reader::Table;
use crate::model::api::{Api, HostPattern};

/// A base path that an API uses, for some hosts.
pub(super) struct ServedBasePath {
    base_path: String,
    hosts: Vec<HostPattern>,
    name: String,
    at: At,
}

/// Reports an API whose base path another API uses for the same host.
pub(super) fn check_served(served: &mut Vec<ServedBasePath>, api: &Api, table: &Table<'_>) {
    for base_path in std::iter::once(&api.base_path).chain(&api.default_base_path) {
        let other = served
            .iter()
            .find(|other| other.base_path == *base_path && overlap(&other.hosts, &api.hosts));
        if let Some(other) = other {
            let shown = if base_path.is_empty() { "/" } else { base_path };
            let message = format!(
                "API {} {} is served at {shown}, and so is API {}",
                api.name, api.version, other.name
            );
            table.problems().conflict(
                table.at_key("context"),
                other.at.clone(),
                message,
                Some("change the context, the version or the hosts of one of them".to_owned()),
            );
        }
        served.push(ServedBasePath {
            base_path: base_path.clone(),
            hosts: api.hosts.clone(),
            name: format!("{} {}", api.name, api.version),
            at: table.at_key("context"),
        });
    }
}

/// Returns true for equal patterns. A more specific pattern is no conflict: it wins.
fn overlap(one: &[HostPattern], two: &[HostPattern]) -> bool {
    (one.is_empty() && two.is_empty()) || one.iter().any(|host| two.contains(host))
}
