//! How many series a configuration can come to, at worst.

use super::families::{ALL, Family, Kind, Scale};
use super::histogram::HISTOGRAM_SERIES;
use super::operation::METHODS;
use super::status::STATUS_CELLS;
use crate::model::Model;
use crate::model::api::OperationMethod;
use crate::model::reason::Reason;

/// Results of a fetch and reasons to skip a key that there are, rounded up.
const FETCH_RESULTS: usize = 20;
const SKIP_REASONS: usize = 20;

/// The series of the largest family, when every operation has met every method, status and reason.
pub fn worst_case_series(model: &Model) -> usize {
    ALL.iter().map(|family| family_series(family, model)).max().unwrap_or_default()
}

fn family_series(family: &Family, model: &Model) -> usize {
    // an exchange is counted by its reason, or by its status when it was forwarded
    let per_method = STATUS_CELLS.saturating_add(Reason::COUNT).saturating_sub(1);
    let sets = match family.scale {
        Scale::Fixed(count) => count,
        Scale::Exchanges => {
            let operations = model.apis.iter().flat_map(|api| &api.operations);
            // the name of an operation is its path, so its methods' series are its own; HEAD may come by way of GET
            let methods: usize = operations
                .map(|operation| match operation.method {
                    OperationMethod::Any => METHODS.len(),
                    OperationMethod::Exact(_) => 2,
                })
                .sum();
            // per API and for none at all: what no operation was found for
            let lost = model.apis.len().saturating_add(1).saturating_mul(METHODS.len()).saturating_mul(Reason::COUNT);
            methods.saturating_mul(per_method).saturating_add(lost)
        }
        Scale::Apis => model.apis.len().saturating_add(1),
        Scale::Listeners(each) => model.listeners.len().saturating_mul(each),
        Scale::KeyManagers => model.key_managers.len(),
        Scale::Fetches => model.key_managers.len().saturating_mul(FETCH_RESULTS),
        Scale::Skips => model.key_managers.len().saturating_mul(SKIP_REASONS),
        Scale::Families => ALL.len(),
    };
    if family.kind == Kind::Histogram { sets.saturating_mul(HISTOGRAM_SERIES) } else { sets }
}
