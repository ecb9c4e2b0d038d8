//! Hints on host and path: APIs that are served elsewhere.

use crate::model::api::{Api, HostPattern};
use crate::snapshot::Snapshot;

/// The most APIs in a hint.
const MOST: usize = 5;

/// The largest edit distance between names that count as similar.
const ALIKE: usize = 2;

/// Returns APIs at this path for other hosts; if there are none, APIs near the path.
pub(super) fn hints(snapshot: &Snapshot, host: &str, path: &str) -> Vec<String> {
    let apis = || snapshot.routes.apis.iter().map(|api| &api.definition);
    let other_hosts = apis().filter(|api| !api.hosts.is_empty() && is_below(path, api));
    let other_hosts: Vec<_> = other_hosts.filter(|api| !serves(api, host)).take(MOST).collect();
    if !other_hosts.is_empty() {
        return other_hosts.into_iter().map(|api| of_host(api, host)).collect();
    }
    let near = apis().filter(|api| {
        path.starts_with(&api.context)
            || api.base_path.starts_with(path)
            || is_alike(&first(path), &first(&api.base_path))
    });
    let near = near.take(MOST).map(|api| {
        format!(
            "API {} {} is served at {} for {}",
            api.name,
            api.version,
            if api.base_path.is_empty() { "/" } else { &api.base_path },
            hosts(api)
        )
    });
    near.collect()
}

fn of_host(api: &Api, host: &str) -> String {
    let served =
        format!("API {} {} is served at this path for {} only", api.name, api.version, hosts(api));
    if host.is_empty() {
        return format!("{served}; write the whole address, with the host");
    }
    let alike = api.hosts.iter().map(name).find(|name| is_alike(name, host));
    let below = api.hosts.iter().find(|pattern| {
        matches!(pattern, HostPattern::Below(suffix) if suffix.trim_start_matches('.') == host)
    });
    if below.is_some() {
        format!("{served}; {host:?} itself does not match: add it beside the pattern")
    } else if let Some(alike) = alike {
        format!("{served}; the request is for {host:?}: did you mean {alike:?}?")
    } else {
        format!("{served}; the request is for {host:?}: add that to the API's hosts if it is right")
    }
}

fn serves(api: &Api, host: &str) -> bool {
    api.hosts.iter().any(|pattern| pattern.matches(host))
}

/// Returns true if a path belongs to the API, whatever the host.
fn is_below(path: &str, api: &Api) -> bool {
    [Some(&api.base_path), api.default_base_path.as_ref()].into_iter().flatten().any(|base| {
        path.strip_prefix(base.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn hosts(api: &Api) -> String {
    if api.hosts.is_empty() {
        return "any host".to_owned();
    }
    let names: Vec<_> = api.hosts.iter().map(name).map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

fn name(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Below(suffix) => format!("*.{}", suffix.trim_start_matches('.')),
    }
}

fn first(path: &str) -> String {
    path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default().to_owned()
}

/// Returns true for names that are not equal, but similar.
fn is_alike(one: &str, two: &str) -> bool {
    let (one, two) = (one.trim_end_matches('.'), two.trim_end_matches('.'));
    let (one, two) = (one.trim_start_matches("www."), two.trim_start_matches("www."));
    !one.is_empty() && !two.is_empty() && strsim::damerau_levenshtein(one, two) <= ALIKE
}
