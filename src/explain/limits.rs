//! Explains the limits that a granted request counts against: policy, figures, the counted subject,
//! and the rest. Nothing is counted.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::HeaderMap;

use crate::authorize::Grant;
use crate::explain::explained_limit::{ExplainedBurst, ExplainedLimit, ExplainedQuota};
use crate::explain::grounds::{CountsKnown, Grounds};
use crate::explain::request::ExplainRequest;
use crate::limiter::shared::counter_name;
use crate::limiter::time::CountingTime;
use crate::model::policy::{Burst, ExcessRule, KeyPart, PolicyLevel, Quota, Window};
use crate::model::provenance::Provenance;
use crate::model::reason::Reason;
use crate::model::throttling::{CounterMode, OnCounterFailure};
use crate::snapshot::throttling::{CompiledDeny, DeniedBy};
use crate::throttle::levels::{CallFacts, LevelKind, LevelLeft, Levels};

/// The limits of a request, and the verdict by them.
#[derive(Debug)]
pub(super) struct LimitFindings {
    pub(super) steps: Vec<LimitStep>,
    pub(super) limits: Vec<ExplainedLimit>,
    /// The reason to refuse the request now.
    pub(super) refused: Option<Reason>,
    pub(super) hints: Vec<String>,
}

#[derive(Debug)]
pub(super) struct LimitStep {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    pub(super) found: String,
    pub(super) place: Option<Provenance>,
}

/// Finds the limits of a grant, and judges by them.
pub(super) fn find(
    grounds: &Grounds<'_>,
    grant: &Grant<'_>,
    question: &ExplainRequest,
    headers: &HeaderMap,
) -> LimitFindings {
    let throttling = &grounds.snapshot.throttling;
    let mut headers = headers.clone();
    headers.extend(question.others.clone());
    let client = question.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let facts = CallFacts { headers: &headers, query: question.uri.query(), client };
    let levels = match Levels::of(grounds.snapshot, grant, &facts) {
        Ok(levels) => levels,
        Err(by) => return denied(by, address_hint(grounds, &[], grant, question)),
    };
    let now = throttling.counters.time(grounds.moment, grounds.now.0.saturating_mul(1000));
    let looked = levels.look(now);
    let limits: Vec<_> = looked.iter().map(|level| limit(grounds, grant, client, level)).collect();
    let mut steps: Vec<_> = looked
        .iter()
        .zip(&limits)
        .map(|(level, limit)| LimitStep {
            name: "limit",
            passed: limit.has_room() || limit.beyond != "refuse",
            found: limit.text(),
            place: level.policy.definition.place,
        })
        .collect();
    if steps.is_empty() {
        let found = "none".to_owned();
        steps.push(LimitStep { name: "limit", passed: true, found, place: None });
    }
    let mut hints = address_hint(grounds, &looked, grant, question);
    hints.extend(counts_hint(grounds, &looked));
    let refused = verdict(grounds, question, &levels, now, &mut hints);
    LimitFindings { steps, limits, refused, hints }
}

fn denied(by: DeniedBy, hints: Vec<String>) -> LimitFindings {
    let found = format!("a deny condition is about the {}", by.label());
    let step = LimitStep { name: "deny", passed: false, found, place: None };
    LimitFindings { steps: vec![step], limits: Vec::new(), refused: Some(Reason::Denied), hints }
}

/// The reason to refuse the request now. A question about another time is not judged by the counts
/// of now.
fn verdict(
    grounds: &Grounds<'_>,
    question: &ExplainRequest,
    levels: &Levels,
    now: CountingTime,
    hints: &mut Vec<String>,
) -> Option<Reason> {
    if grounds.counts == CountsKnown::Unknown || question.at.is_some() {
        return None;
    }
    let throttling = &grounds.snapshot.throttling;
    let away = throttling.shared.as_ref().is_some_and(|shared| {
        shared.on_failure == OnCounterFailure::Refuse && !shared.limiter.status().is_up()
    });
    if away && levels.time(|_| now).is_some() {
        hints.push(
            "the servers of throttling.counters do not answer, and on_counter_failure refuses"
                .to_owned(),
        );
        return Some(Reason::CountersUnavailable);
    }
    let exceeded = levels.foresee(now).err()?;
    hints.push(format!("{exceeded}; then the request may come again"));
    Some(exceeded.reason())
}

fn limit(
    grounds: &Grounds<'_>,
    grant: &Grant<'_>,
    client: IpAddr,
    level: &LevelLeft,
) -> ExplainedLimit {
    let known = grounds.counts == CountsKnown::OfThisGateway;
    let definition = &level.policy.definition;
    let limits = definition.every_limits().nth(level.position);
    let quotas = level.quotas.iter().map(|quota| {
        let Quota { unit, most, window } = quota.quota;
        ExplainedQuota {
            unit: unit.label().into(),
            most: most.get(),
            per: spelled(window),
            left: known.then_some(quota.left),
            more_in: (known && quota.reset > 0).then(|| quota.reset.div_ceil(1000)),
        }
    });
    let burst = limits.and_then(|limits| limits.burst);
    ExplainedLimit {
        level: level.kind.label().into(),
        policy: definition.name.clone(),
        condition: (level.position > 0).then_some(level.position),
        quotas: quotas.collect(),
        burst: burst.map(|Burst { requests, per }| ExplainedBurst {
            requests: requests.get(),
            per: span(per),
            left: level.burst.filter(|_| known),
        }),
        counted_for: counted_for(level, grant, client),
        counter: known.then(|| name(grounds, level)),
        beyond: match definition.excess {
            ExcessRule::Refuse => "refuse",
            ExcessRule::Mark => "mark",
            ExcessRule::Observe => "observe",
        }
        .into(),
        written_at: definition.place.map(|place| grounds.snapshot.settings.files.describe(place)),
    }
}

fn name(grounds: &Grounds<'_>, level: &LevelLeft) -> String {
    match &grounds.snapshot.routes.throttling.shared {
        Some(shared) => counter_name(level.key, shared.mode),
        None => format!("{:032x}", level.key.0),
    }
}

/// Returns the subject that has a count of its own.
fn counted_for(level: &LevelLeft, grant: &Grant<'_>, client: IpAddr) -> String {
    let definition = &level.policy.definition;
    let operation = grant.routed().operation();
    let api = &grant.routed().api().definition;
    let api = format!("API {}:{}", api.name, api.version);
    let user = || match grant.principal() {
        Some(principal) => format!("user {:?}", principal.claims().subject().unwrap_or_default()),
        None => address(client),
    };
    let application = || grant.application().map(|known| format!("application {:?}", known.name));
    let consumer = || {
        let key = grant.principal().and_then(|principal| principal.consumer_key());
        key.map_or_else(user, |key| format!("consumer key {key:?}"))
    };
    let apart = definition.per_user || grant.principal().is_none();
    let with_user = |whole: String| if apart { format!("{} of {whole}", user()) } else { whole };
    match level.kind {
        LevelKind::Api => with_user(api),
        LevelKind::Operation => {
            with_user(format!("{} {} of {api}", operation.method.as_str(), operation.template))
        }
        LevelKind::Subscription => {
            let subscribed = grant.subscription().and_then(|_| application());
            format!("{} and {api}", subscribed.unwrap_or_else(consumer))
        }
        LevelKind::Application => with_user(application().unwrap_or_default()),
        LevelKind::Custom => {
            let key = definition.key.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("this value of {key}")
        }
        LevelKind::HardLimit => format!("the {} backend of {api}", grant.key_type().label()),
    }
}

fn address(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => format!("address {address}"),
        IpAddr::V6(address) => format!("the /64 of address {address}"),
    }
}

/// Mentions `--client` if the answer depends on an address that the question does not have.
fn address_hint(
    grounds: &Grounds<'_>,
    levels: &[LevelLeft],
    grant: &Grant<'_>,
    question: &ExplainRequest,
) -> Vec<String> {
    let by_address = |level: &LevelLeft| {
        let definition = &level.policy.definition;
        let needs = |part: &KeyPart| match part {
            KeyPart::Address => true,
            KeyPart::User => grant.principal().is_none(),
            _ => false,
        };
        match definition.level {
            PolicyLevel::Custom => {
                definition.key.as_ref().is_some_and(|key| key.parts().iter().any(needs))
            }
            _ if level.kind == LevelKind::HardLimit => false,
            _ => {
                grant.principal().is_none()
                    || definition.conditions.iter().any(|c| !c.ips.wanted.is_empty())
            }
        }
    };
    let denies = grounds.snapshot.throttling.deny.as_ref().is_some_and(CompiledDeny::needs_address);
    if question.client.is_some() || !(denies || levels.iter().any(by_address)) {
        return Vec::new();
    }
    vec![
        "limits depend on the client's address; this is judged as if from 127.0.0.1 (say another \
         with --client)"
            .to_owned(),
    ]
}

/// Names the gateways whose counts these are, if others count too.
fn counts_hint(grounds: &Grounds<'_>, levels: &[LevelLeft]) -> Option<String> {
    if levels.is_empty() {
        return None;
    }
    if grounds.counts == CountsKnown::Unknown {
        return Some("what is left of the limits is known to a running gateway alone".to_owned());
    }
    let shared = grounds.snapshot.routes.throttling.shared.as_ref()?;
    let up = grounds.snapshot.throttling.shared.as_ref()?.limiter.status().is_up();
    Some(match (up, shared.mode) {
        (false, _) => "the servers of throttling.counters do not answer: these are the counts of \
                       this gateway alone",
        (true, CounterMode::Batched) => {
            "the counts are those of all gateways, as of the last comparison"
        }
        (true, CounterMode::Exact) => {
            "the counts are those of this gateway alone; the servers of throttling.counters decide \
             by those of all gateways"
        }
    }
    .to_owned())
}

fn spelled(window: Window) -> String {
    match window {
        Window::Sliding(length) => span(length),
        Window::Day => "day (UTC)".to_owned(),
        Window::Month => "month (UTC)".to_owned(),
    }
}

/// A time in the largest unit that divides it.
fn span(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let whole = units.iter().find(|(_, unit)| milliseconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{milliseconds}ms"),
        |(name, unit)| format!("{}{name}", milliseconds / unit),
    )
}
