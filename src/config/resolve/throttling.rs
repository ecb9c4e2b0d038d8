//! `[throttling]` and `[[throttling_policies]]`.

use http::HeaderName;

use crate::config::contract::POLICY_LEVELS;
use crate::config::reader::{Placed, Table, nearest};
use crate::config::resolve::references::{self, References};
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::unique::Unique;
use crate::config::resolve::{condition, figures, shared_counters};
use crate::config::source::Sources;
use crate::model::identity::Identities;
use crate::model::names::MAX_NAME_BYTES;
use crate::model::policy::{
    ExcessRule, InvalidKeyTemplate, KeyTemplate, Policies, Policy, PolicyIndex, PolicyLevel,
    PolicyLimits, QuotaUnit, Throttling, UNLIMITED, VARIABLES, built_in,
};

/// The default number of counters: 192 MiB at most.
const DEFAULT_COUNTERS: i64 = 1_000_000;

/// A hundred million counters take 19 GiB.
const MOST_COUNTERS: i64 = 100_000_000;

/// Reads `[throttling]`, without the deny conditions, which refer to APIs and applications.
pub(super) fn throttling(
    roots: &RootTables<'_>,
    references: &References,
    sources: &Sources,
) -> Throttling {
    let table = roots.once("throttling");
    let most = table.as_ref().map_or(DEFAULT_COUNTERS, |table| {
        table.integer("max_counters", 1..=MOST_COUNTERS, DEFAULT_COUNTERS)
    });
    let default = |key| {
        let level = PolicyLevel::Subscription;
        table
            .as_ref()
            .map_or(PolicyIndex::UNLIMITED, |t| references::policy(t, key, level, references))
    };
    Throttling {
        max_counters: usize::try_from(most).unwrap_or(usize::MAX),
        headers: table.as_ref().is_none_or(|table| table.flag("headers", true)),
        unauthenticated: default("unauthenticated_policy"),
        subscriptionless: default("subscriptionless_policy"),
        shared: table.as_ref().and_then(|table| shared_counters::shared_counters(table, sources)),
        policies: Policies::default(),
        deny: Vec::new(),
    }
}

/// The built-in policies, and those that are written.
pub(super) fn policies(
    roots: &RootTables<'_>,
    sources: &Sources,
    identities: &Identities,
) -> Policies {
    let mut policies = Policies::default();
    for policy in built_in() {
        policies.add(policy, identities);
    }
    let mut names = Unique::default();
    for table in roots.every("throttling_policies") {
        let Some((name, policy)) = policy(&table, sources) else { continue };
        let unique = format!("{} {}", policy.level.as_str(), policy.name);
        if !names.claim(&unique, &name.at, "throttling policy", table.problems()) {
            continue;
        }
        if !policies.add(policy, identities) {
            table.problems().error(table.at(), "too many throttling policies".to_owned(), None);
        }
    }
    policies
}

fn policy<'t>(table: &Table<'t>, sources: &Sources) -> Option<(Placed<&'t str>, Policy)> {
    let level = level(table);
    let limits = figures::limits(table);
    let conditions: Vec<_> =
        table.tables("conditions").iter().filter_map(condition::condition).collect();
    let name = name(table)?;
    let level = level?;
    let mut policy = Policy::new(name.value, level, limits);
    policy.conditions = conditions;
    policy.per_user = table.flag("per_user", false);
    policy.excess = excess(table);
    policy.events_header = events_header(table, &policy);
    policy.key = key(table, level);
    policy.users = users(table);
    policy.sync_interval = shared_counters::interval(table);
    policy.place = Some(sources.place(&table.at()));
    refuse_keys_of_other_levels(table, level);
    if policy.limits == PolicyLimits::default() && !figures::are_written(table) {
        let hint = Some("write `requests` and `per`, or a `burst`".to_owned());
        let message = format!("throttling policy {:?} has no limit", name.value);
        table.problems().error(table.at(), message, hint);
    }
    Some((name, policy))
}

fn name<'t>(table: &Table<'t>) -> Option<Placed<&'t str>> {
    let name = table.needed("name")?;
    // it stands in a header and in metrics
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ';
    if name.value == UNLIMITED
        || name.value.len() > MAX_NAME_BYTES
        || !name.value.chars().all(plain)
    {
        let message = if name.value == UNLIMITED {
            "\"Unlimited\" is the policy without limits, and stays so".to_owned()
        } else {
            format!("{:?} cannot be a policy's name", name.value)
        };
        let hint = Some("letters, digits and signs of ASCII, without quotes".to_owned());
        table.problems().error(name.at, message, hint);
        return None;
    }
    Some(name)
}

fn level(table: &Table<'_>) -> Option<PolicyLevel> {
    table.needed("level")?;
    let word = table.choice("level", POLICY_LEVELS)?;
    PolicyLevel::ALL.into_iter().find(|level| level.as_str() == word)
}

fn excess(table: &Table<'_>) -> ExcessRule {
    if table.flag("observe", false) {
        let message = "requests beyond this policy are forwarded (`observe = true`)".to_owned();
        let hint = Some("remove `observe` when the log shows no more of them".to_owned());
        table.problems().warning(table.at_key("observe"), message, hint);
        ExcessRule::Observe
    } else if table.flag("stop_on_quota_reach", true) {
        ExcessRule::Refuse
    } else {
        ExcessRule::Mark
    }
}

fn events_header(table: &Table<'_>, policy: &Policy) -> Option<HeaderName> {
    let of_events =
        |limits: &PolicyLimits| limits.quotas.iter().any(|q| q.unit == QuotaUnit::Events);
    let counts_events = policy.every_limits().any(of_events);
    let Some(text) = table.wanted("events_header") else {
        if counts_events {
            let hint = Some("write `events_header = \"x-usage\"`".to_owned());
            let message = "`events` needs `events_header`: the header of the backend's number";
            table.problems().error(table.at(), message.to_owned(), hint);
        }
        return None;
    };
    if !counts_events {
        table.error("events_header", "`events_header` needs `events`".to_owned(), None);
    }
    let name = HeaderName::try_from(text.value);
    if name.is_err() {
        let message = format!("{:?} is not a header's name", text.value);
        table.problems().error(text.at, message, None);
    }
    name.ok()
}

fn key(table: &Table<'_>, level: PolicyLevel) -> Option<KeyTemplate> {
    if level != PolicyLevel::Custom {
        return None;
    }
    let text = table.needed("key")?;
    match KeyTemplate::try_from(text.value) {
        Ok(key) => Some(key),
        Err(error) => {
            let hint = match &error {
                InvalidKeyTemplate::Variable(name) => nearest(name, VARIABLES.into_iter())
                    .map(|near| format!("did you mean \"${near}\"?")),
                _ => None,
            };
            let known = || {
                let all: Vec<_> = VARIABLES.iter().map(|name| format!("${name}")).collect();
                format!("variables are {} and $claim.NAME", all.join(", "))
            };
            let hint = hint.unwrap_or_else(known);
            table.problems().error(text.at, format!("`key`: {error}"), Some(hint));
            None
        }
    }
}

/// The users of a custom policy. An empty name is that of no user.
fn users(table: &Table<'_>) -> Vec<String> {
    let written = table.texts("users").unwrap_or_default();
    for user in written.iter().filter(|user| user.value.is_empty()) {
        table.problems().error(user.at.clone(), "`users` has an empty name".to_owned(), None);
    }
    written.into_iter().map(|user| user.value.to_owned()).collect()
}

/// A key that this level would ignore.
fn refuse_keys_of_other_levels(table: &Table<'_>, level: PolicyLevel) {
    use PolicyLevel::{Advanced, Application, Custom};
    let rules: [(&str, &[PolicyLevel]); 4] = [
        ("conditions", &[Advanced]),
        ("key", &[Custom]),
        ("users", &[Custom]),
        ("per_user", &[Application, Advanced]),
    ];
    for (key, levels) in rules {
        let is_off = key == "per_user" && !table.flag(key, false);
        if table.has(key) && !is_off && !levels.contains(&level) {
            let all: Vec<_> = levels.iter().map(|level| format!("{:?}", level.as_str())).collect();
            table.error(
                key,
                format!("`{key}` is for policies of level {}", all.join(" and ")),
                None,
            );
        }
    }
}
