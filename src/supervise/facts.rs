//! Collects the facts about callers for a scrape.

use crate::authenticate::cache::Common;
use crate::budget::BudgetStatus;
use crate::limiter::shared::SharedNumbers;
use crate::snapshot::Snapshot;
use crate::supervise::reload::organization_facts;
use crate::telemetry::{BudgetFacts, IdentityFacts, SharedCounterFacts};

pub(super) fn shared_counters(numbers: SharedNumbers) -> SharedCounterFacts {
    let SharedNumbers { up, rounds, failures, told, known, decided, alone, late, last_round } =
        numbers;
    SharedCounterFacts { up, rounds, failures, told, known, decided, alone, late, last_round }
}

pub(super) fn identity_facts(common: &Common, snapshot: &Snapshot) -> IdentityFacts {
    let invalid = common.budgets.invalid_tokens.status();
    IdentityFacts {
        forging_sources: invalid.known,
        forging_sources_forgotten: invalid.forgotten,
        budgets: budget_facts(common, snapshot),
        unlisted_proxy_refusals: common.budgets.unlisted.refused(),
        refusals: common.refusals.facts(),
        organizations: organization_facts(snapshot),
    }
}

fn budget_facts(common: &Common, snapshot: &Snapshot) -> Vec<BudgetFacts> {
    let facts = |budget, status: BudgetStatus| BudgetFacts {
        budget,
        sources: status.known,
        forgotten: status.forgotten,
        refused: status.refused,
    };
    let organizations = snapshot.organizations().map(|(_, organizations)| organizations.budget());
    vec![
        facts("unknown_tokens", common.budgets.unknown_tokens.status()),
        facts("invalid_tokens", common.budgets.invalid_tokens.status()),
        facts("new_organizations", organizations.fold(BudgetStatus::default(), BudgetStatus::plus)),
    ]
}
