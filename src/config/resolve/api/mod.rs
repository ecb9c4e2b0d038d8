//! Reads `[[apis]]`.

mod context;
mod operations;
mod served;

use std::time::Duration;

use http::HeaderName;

use crate::config::reader::{Placed, Table};
use crate::config::resolve::header_rules::header_rules;
use crate::config::resolve::naming::named;
use crate::config::resolve::references::References;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::unique::Unique;
use crate::config::resolve::{backend, cors, references};
use crate::config::source::Sources;
use crate::model::api::{
    Api, ApiPolicies, AuthorizationForwarding, BindingRule, BodyStall, Concurrency, HostPattern,
    Lifecycle, PathRules, QueryTokenRule, RefusalMode, SubscriptionRule,
};
use crate::model::backend::Backend;
use crate::model::names::{ApiName, ApiSlot, KeyManagerSlot};
use crate::model::network::NetworkRule;
use crate::model::policy::PolicyLevel;

pub(super) fn apis(
    roots: &RootTables<'_>,
    sources: &Sources,
    references: &mut References,
) -> Vec<Api> {
    let mut names = Unique::default();
    let mut served: Vec<served::ServedBasePath> = Vec::new();
    let mut apis = Vec::new();
    for table in roots.every("apis") {
        let built = api(&table, sources, references);
        let (Some(name), Some(version)) = (table.text("name"), table.text("version")) else {
            continue;
        };
        let whole_name = format!("{}:{}", name.value, version.value);
        if !names.claim(&whole_name, &name.at, "API", table.problems()) {
            continue;
        }
        // a name is known even if the rest is wrong, so that one error does not become many
        let identity = references.identities.api(&whole_name);
        let slot = ApiSlot(identity.slot());
        references.apis.insert(whole_name, slot);
        let Some(api) = built else { continue };
        if !api.policies.offered.is_empty() {
            references.offered.insert(slot, api.policies.offered.clone());
        }
        served::check_served(&mut served, &api, &table);
        apis.push(api);
    }
    apis
}

fn api(table: &Table<'_>, sources: &Sources, references: &References) -> Option<Api> {
    let name = table.needed("name").and_then(|name| named::<ApiName>(&name, table));
    let version = context::version(table);
    let context = context::context(table);
    let key_managers = key_managers(table, references);
    let operations = operations::operations(table, sources, references);
    let (production, sandbox) = backends(table, sources, &references.foreign);
    let authorization_header = authorization_header(table);
    let cors = table.table("cors").and_then(|cors| cors::cors(&cors, &authorization_header));
    let (request_headers, response_headers) =
        (header_rules(table, "request_headers"), header_rules(table, "response_headers"));
    let concurrency = concurrency(table);
    let policies = policies(table, references);
    let hosts = hosts(table);
    let (name, version, context) = (name?, version?, context?);
    if operations.is_empty() {
        let message =
            format!("API {name} {version} has no operations, so every request to it gets 404");
        table.problems().warning(table.at(), message, Some("write [[apis.operations]]".to_owned()));
    }
    let (base_path, default_base_path) = context::base_paths(&context, &version);
    let default_version = table.flag("default_version", false);
    Some(Api {
        identity: references.identities.api(&format!("{name}:{version}")),
        base_path,
        default_base_path: default_base_path.filter(|_| default_version),
        hosts,
        key_managers,
        audiences: audiences(table),
        subscription: subscription_rule(table),
        binding: binding_rule(table),
        refusals: refusal_mode(table),
        dpop_nonce: table.flag("dpop_nonce", false),
        authorization_header,
        query_token: query_token_rule(table),
        authorization: authorization_forwarding(table),
        backend_jwt: table.flag("backend_jwt", false),
        lifecycle: lifecycle(table),
        paths: path_rules(table),
        max_body_bytes: table.size("max_body_bytes").map(|size| size.value),
        body_stall: body_stall(table),
        concurrency,
        policies,
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

fn backends(
    table: &Table<'_>,
    sources: &Sources,
    foreign: &NetworkRule,
) -> (Option<Backend>, Option<Backend>) {
    if !table.has("production") && !table.has("sandbox") {
        table.problems().error(
            table.at(),
            "the API has no backend; write [apis.production], [apis.sandbox] or both".to_owned(),
            None,
        );
    }
    let read = |key| {
        let table = table.table(key);
        table.and_then(|backend: Table<'_>| backend::backend(&backend, sources, foreign))
    };
    (read("production"), read("sandbox"))
}

fn audiences(table: &Table<'_>) -> Vec<String> {
    let written = table.texts("audiences").unwrap_or_default();
    written.iter().map(|text| text.value.to_owned()).collect()
}

fn subscription_rule(table: &Table<'_>) -> SubscriptionRule {
    if table.flag("subscription_required", true) {
        SubscriptionRule::Required
    } else {
        SubscriptionRule::NotRequired
    }
}

fn binding_rule(table: &Table<'_>) -> BindingRule {
    if table.flag("require_bound_token", false) {
        BindingRule::Required
    } else {
        BindingRule::NotRequired
    }
}

fn refusal_mode(table: &Table<'_>) -> RefusalMode {
    if references::observing(table) { RefusalMode::Observed } else { RefusalMode::Enforced }
}

fn query_token_rule(table: &Table<'_>) -> QueryTokenRule {
    if table.flag("access_token_query", false) {
        QueryTokenRule::OnHandshakes
    } else {
        QueryTokenRule::Never
    }
}

fn authorization_forwarding(table: &Table<'_>) -> AuthorizationForwarding {
    if table.flag("forward_authorization", false) {
        AuthorizationForwarding::Forward
    } else {
        AuthorizationForwarding::Remove
    }
}

fn path_rules(table: &Table<'_>) -> PathRules {
    PathRules {
        keep_encoded_slashes: table.choice("encoded_slashes", &["refuse", "keep"]) == Some("keep"),
        keep_empty_segments: !table.flag("merge_slashes", true),
    }
}

fn body_stall(table: &Table<'_>) -> BodyStall {
    if !table.has("body_stall_timeout") {
        return BodyStall::Limits;
    }
    table.optional_time("body_stall_timeout", None).map_or(BodyStall::Never, BodyStall::After)
}

fn policies(table: &Table<'_>, references: &References) -> ApiPolicies {
    let offered = table.texts("policies").unwrap_or_default();
    let named = |name: &Placed<&str>| {
        let level = PolicyLevel::Subscription;
        references::named_policy(name, level, references, table.problems())
    };
    ApiPolicies {
        api: references::policy(table, "policy", PolicyLevel::Advanced, references),
        offered: offered.iter().filter_map(named).collect(),
    }
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

fn key_managers(table: &Table<'_>, references: &References) -> Vec<KeyManagerSlot> {
    let names = table.texts("key_managers").unwrap_or_default();
    names
        .iter()
        .filter_map(|name| references::key_manager(name, references, table.problems()))
        .collect()
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
            format!("the header {:?} cannot carry a token", text.value),
            Some("write one such as \"Authorization\" or \"X-Authorization\"".to_owned()),
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
