//! `[[apis]]` with their operations.

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderName, Method};

use crate::config::reader::{Placed, Table, nearest};
use crate::config::report::At;
use crate::config::resolve::header_rules::header_rules;
use crate::config::resolve::key_manager::named;
use crate::config::resolve::{References, Unique, Whole, backend, cors};
use crate::config::source::Sources;
use crate::model::api::{
    Api, AuthScheme, AuthorizationForwarding, BindingRule, BodyStall, Concurrency, HostPattern,
    Lifecycle, Operation, OperationMethod, PathRules, QueryTokenRule, SubscriptionRule,
};
use crate::model::names::{ApiIndex, ApiName, KeyManagerIndex, Scope, Version};
use crate::model::template::{Template, literal};

pub(super) fn apis(whole: &Whole<'_>, sources: &Sources, references: &mut References) -> Vec<Api> {
    let mut names = Unique::default();
    let mut served: Vec<ServedBasePath> = Vec::new();
    let mut apis = Vec::new();
    for table in whole.every("apis") {
        let built = api(&table, sources, references);
        let (Some(name), Some(version)) = (table.text("name"), table.text("version")) else {
            continue;
        };
        let whole_name = format!("{}:{}", name.value, version.value);
        if !names.claim(&whole_name, &name.at, "API", table.problems()) {
            continue;
        }
        let Ok(index) = u32::try_from(apis.len()).map(ApiIndex) else { continue };
        references.apis.insert(whole_name, index);
        let Some(api) = built else { continue };
        check_served(&mut served, &api, &table);
        apis.push(api);
    }
    apis
}

/// A base path that is taken, for some hosts.
struct ServedBasePath {
    base_path: String,
    hosts: Vec<HostPattern>,
    name: String,
    at: At,
}

/// Two APIs on one base path cannot both answer the same host.
fn check_served(served: &mut Vec<ServedBasePath>, api: &Api, table: &Table<'_>) {
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
                Some("change a context, a version or the hosts".to_owned()),
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

/// Equal patterns overlap; a more specific one is a choice and no conflict.
fn overlap(one: &[HostPattern], two: &[HostPattern]) -> bool {
    (one.is_empty() && two.is_empty()) || one.iter().any(|host| two.contains(host))
}

fn api(table: &Table<'_>, sources: &Sources, references: &References) -> Option<Api> {
    let name = table.needed("name").and_then(|name| named::<ApiName>(&name, table));
    let version = version(table);
    let context = context(table);
    let key_managers = key_managers(table, references);
    let operations = operations(table, sources);
    let production =
        table.table("production").and_then(|backend| backend::backend(&backend, sources));
    let sandbox = table.table("sandbox").and_then(|backend| backend::backend(&backend, sources));
    if !table.has("production") && !table.has("sandbox") {
        table.problems().error(
            table.at(),
            "the API has no backend: write [apis.production], [apis.sandbox] or both".to_owned(),
            None,
        );
    }
    let authorization_header = authorization_header(table);
    let cors = table.table("cors").and_then(|cors| cors::cors(&cors, &authorization_header));
    let (request_headers, response_headers) =
        (header_rules(table, "request_headers"), header_rules(table, "response_headers"));
    let concurrency = concurrency(table);
    let hosts = hosts(table);
    let (name, version, context) = (name?, version?, context?);
    if operations.is_empty() {
        let message = format!("API {name} {version} has no operations: nothing of it is served");
        table.problems().warning(table.at(), message, Some("write [[apis.operations]]".to_owned()));
    }
    let (base_path, default_base_path) = base_paths(&context, &version);
    let default_version = table.flag("default_version", false);
    Some(Api {
        base_path,
        default_base_path: default_base_path.filter(|_| default_version),
        hosts,
        key_managers,
        audiences: table
            .texts("audiences")
            .unwrap_or_default()
            .iter()
            .map(|text| text.value.to_owned())
            .collect(),
        subscription: if table.flag("subscription_required", true) {
            SubscriptionRule::Required
        } else {
            SubscriptionRule::NotRequired
        },
        binding: if table.flag("require_bound_token", false) {
            BindingRule::Required
        } else {
            BindingRule::NotRequired
        },
        dpop_nonce: table.flag("dpop_nonce", false),
        authorization_header,
        query_token: if table.flag("access_token_query", false) {
            QueryTokenRule::OnHandshakes
        } else {
            QueryTokenRule::Never
        },
        authorization: if table.flag("forward_authorization", false) {
            AuthorizationForwarding::Forward
        } else {
            AuthorizationForwarding::Remove
        },
        backend_jwt: table.flag("backend_jwt", false),
        lifecycle: lifecycle(table),
        paths: PathRules {
            keep_encoded_slashes: table.choice("encoded_slashes", &["refuse", "keep"])
                == Some("keep"),
            keep_empty_segments: !table.flag("merge_slashes", true),
        },
        max_body_bytes: table.size("max_body_bytes").map(|size| size.value),
        body_stall: body_stall(table),
        concurrency,
        close_on_token_expiry: table.flag("close_on_token_expiry", true),
        cors,
        request_headers,
        response_headers,
        production,
        sandbox,
        operations,
        place: sources.place(&table.at()),
        name,
        version,
        context,
    })
}

fn body_stall(table: &Table<'_>) -> BodyStall {
    if !table.has("body_stall_timeout") {
        return BodyStall::Limits;
    }
    table.optional_time("body_stall_timeout", None).map_or(BodyStall::Never, BodyStall::After)
}

fn concurrency(table: &Table<'_>) -> Option<Concurrency> {
    let number = |key, range, default| {
        usize::try_from(table.integer(key, range, default)).unwrap_or(usize::MAX)
    };
    if !table.has("max_concurrent_requests") {
        for key in ["max_queued_requests", "queue_timeout"].into_iter().filter(|key| table.has(key))
        {
            table.error(
                key,
                format!("`{}` needs `max_concurrent_requests`", table.path(key)),
                None,
            );
        }
        return None;
    }
    let most = number("max_concurrent_requests", 1..=1_000_000, 1);
    let queue = number(
        "max_queued_requests",
        0..=1_000_000,
        i64::try_from(most.div_ceil(4)).unwrap_or_default(),
    );
    Some(Concurrency {
        most,
        queue,
        queue_timeout: table.time("queue_timeout", Duration::from_secs(1)),
    })
}

fn version(table: &Table<'_>) -> Option<Version> {
    let text = table.needed("version")?;
    if let Err(error) = literal(text.value) {
        table.problems().error(
            text.at,
            format!("`apis.version` is a part of the path: {error}"),
            None,
        );
        return None;
    }
    if text.value.len() > 30 {
        table.problems().error(
            text.at,
            "`apis.version` may have 30 characters at most".to_owned(),
            None,
        );
        return None;
    }
    named(&text, table)
}

/// A context in normal form, without a slash at its end unless it is the root.
fn context(table: &Table<'_>) -> Option<String> {
    let text = table.needed("context")?;
    let refuse = |message: String| {
        table.problems().error(
            text.at.clone(),
            message,
            Some("a context is \"/accounts\", \"/\", or \"/api/{version}/accounts\"".to_owned()),
        );
        None
    };
    let Some(body) = text.value.strip_prefix('/') else {
        return refuse("`apis.context` starts with \"/\"".to_owned());
    };
    let body = body.strip_suffix('/').unwrap_or(body);
    let mut versions = 0_usize;
    for segment in body.split('/').filter(|_| !body.is_empty()) {
        match segment {
            "{version}" => versions = versions.saturating_add(1),
            "" | "." | ".." => {
                return refuse(format!(
                    "`apis.context` has the segment {segment:?}, which no request path has"
                ));
            }
            _ => {
                if let Err(error) = literal(segment) {
                    return refuse(format!("`apis.context`: {error}"));
                }
            }
        }
    }
    if versions > 1 {
        refuse("`apis.context` names {version} twice".to_owned())
    } else {
        Some(format!("/{body}"))
    }
}

/// Where an API is served with its version and, if it is the default, without.
fn base_paths(context: &str, version: &Version) -> (String, Option<String>) {
    let trimmed = context.trim_end_matches('/');
    if trimmed.contains("/{version}") {
        (
            trimmed.replace("/{version}", &format!("/{version}")),
            Some(trimmed.replace("/{version}", "")),
        )
    } else {
        (format!("{trimmed}/{version}"), Some(trimmed.to_owned()))
    }
}

fn key_managers(table: &Table<'_>, references: &References) -> Vec<KeyManagerIndex> {
    let names = table.texts("key_managers").unwrap_or_default();
    names.iter().filter_map(|name| key_manager(name, references, table.problems())).collect()
}

/// The key manager of a name, or what was probably meant.
pub(super) fn key_manager(
    name: &Placed<&str>,
    references: &References,
    problems: &crate::config::problems::Problems,
) -> Option<KeyManagerIndex> {
    let found = references.key_managers.get(name.value).copied();
    if found.is_none() {
        let (message, hint) = no_such_key_manager(name.value, references);
        problems.error(name.at.clone(), message, hint);
    }
    found
}

/// What to say of a key manager that is not there. Never proposes the template of an organization that is not listed: that
/// name stands for all organizations, so that the proposal would let in more than was asked for.
pub(in crate::config) fn no_such_key_manager(
    name: &str,
    references: &References,
) -> (String, Option<String>) {
    let message = format!("there is no key manager {name:?}");
    let template = name
        .split_once('/')
        .filter(|(template, _)| references.key_managers.contains_key(*template));
    if let Some((template, organization)) = template {
        let hint = format!(
            "write {organization:?} into `organizations` of key manager {template:?}; an application can also name {template:?} \
             together with its own `organization`"
        );
        return (message, Some(hint));
    }
    let is_of_a_kind = |known: &&str| known.contains('/') == name.contains('/');
    let near =
        nearest(name, references.key_managers.keys().map(String::as_str).filter(is_of_a_kind));
    (message, near.map(|near| format!("did you mean {near:?}?")))
}

fn hosts(table: &Table<'_>) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for text in table.texts("hosts").unwrap_or_default() {
        let host = text.value.to_ascii_lowercase();
        let (name, wildcard) =
            host.strip_prefix("*.").map_or((host.as_str(), false), |name| (name, true));
        let good = !name.is_empty()
            && name.chars().all(|character| {
                character.is_ascii_alphanumeric()
                    || matches!(character, '-' | '.' | '_' | ':' | '[' | ']')
            });
        if good {
            hosts.push(if wildcard {
                HostPattern::Below(format!(".{name}"))
            } else {
                HostPattern::Exact(name.to_owned())
            });
        } else {
            let hint =
                Some("write \"api.bank.example\" or \"*.bank.example\", without a port".to_owned());
            table.problems().error(text.at, format!("{:?} is not a host", text.value), hint);
        }
    }
    hosts
}

fn authorization_header(table: &Table<'_>) -> String {
    const REFUSED: [&str; 8] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "cookie",
        "content-type",
    ];
    let Some(text) = table.wanted("authorization_header") else {
        return "authorization".to_owned();
    };
    let name = text.value.to_ascii_lowercase();
    if HeaderName::try_from(name.as_str()).is_err() || REFUSED.contains(&name.as_str()) {
        table.problems().error(
            text.at,
            format!("{:?} cannot carry a token", text.value),
            Some("such as \"Authorization\" or \"X-Authorization\"".to_owned()),
        );
    }
    name
}

fn lifecycle(table: &Table<'_>) -> Lifecycle {
    match table
        .choice("lifecycle", &["published", "prototyped", "deprecated", "blocked", "retired"])
    {
        Some("prototyped") => Lifecycle::Prototyped,
        Some("deprecated") => Lifecycle::Deprecated,
        Some("blocked") => Lifecycle::Blocked,
        Some("retired") => Lifecycle::Retired,
        _ => Lifecycle::Published,
    }
}

fn operations(table: &Table<'_>, sources: &Sources) -> Vec<Operation> {
    let mut seen: HashMap<(String, String), At> = HashMap::new();
    let mut operations = Vec::new();
    for table in table.tables("operations") {
        let (method, template, scopes) = (method(&table), template(&table), scopes(&table));
        let auth = match table.choice("auth", &["required", "none"]) {
            Some("none") => AuthScheme::None,
            _ => AuthScheme::Required,
        };
        if auth == AuthScheme::None && !scopes.is_empty() {
            let hint = Some("take the scopes out, or `auth = \"none\"`".to_owned());
            table.error(
                "scopes",
                "scopes are in a token, and auth = \"none\" asks for none".to_owned(),
                hint,
            );
        }
        let (Some(method), Some(template)) = (method, template) else { continue };
        let key = (method.as_str().to_owned(), template.shape());
        if let Some(other) = seen.get(&key) {
            let message = format!("operation {} {} is defined twice", key.0, template);
            table.problems().conflict(
                table.at(),
                other.clone(),
                message,
                Some("parameters' names do not tell operations apart".to_owned()),
            );
            continue;
        }
        seen.insert(key, table.at());
        operations.push(Operation {
            method,
            template,
            auth,
            scopes,
            place: sources.place(&table.at()),
        });
    }
    operations
}

fn method(table: &Table<'_>) -> Option<OperationMethod> {
    let text = table.needed("method")?;
    if text.value == "*" {
        return Some(OperationMethod::Any);
    }
    let upper = text.value.to_ascii_uppercase();
    if matches!(upper.as_str(), "CONNECT" | "TRACE") {
        table.problems().error(text.at, format!("{upper} is never forwarded"), None);
        return None;
    }
    match Method::from_bytes(text.value.as_bytes()) {
        Ok(method) if upper == text.value => Some(OperationMethod::Exact(method)),
        _ => {
            let hint = Some(format!("methods are case-sensitive: {upper:?}, or \"*\" for any"));
            table.problems().error(text.at, format!("{:?} is not a method", text.value), hint);
            None
        }
    }
}

fn template(table: &Table<'_>) -> Option<Template> {
    let text = table.needed("path")?;
    Template::try_from(text.value)
        .map_err(|error| {
            table.problems().error(text.at.clone(), format!("{:?}: {error}", text.value), None);
        })
        .ok()
}

fn scopes(table: &Table<'_>) -> Vec<Scope> {
    // RFC 6749 section 3.3
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
    };
    let mut scopes = Vec::new();
    for text in table.texts("scopes").unwrap_or_default() {
        if token(text.value) {
            scopes.extend(named::<Scope>(&text, table));
        } else {
            table.problems().error(
                text.at,
                format!("{:?} is not one scope", text.value),
                Some("one scope a text, without spaces or quotes".to_owned()),
            );
        }
    }
    scopes
}
