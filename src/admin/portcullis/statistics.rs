//! `GET /statistics`: the outcomes of the requests of the caller's applications, by API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::visible;
use crate::admin::object::Object;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Kind, Query};
use crate::telemetry::{CallPair, CallReport, CallStatistics, CallWindow};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatisticsSearch {
    application_id: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

/// The requests of one application at one API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownCalls {
    /// `None` if the application was deleted in the meantime.
    application_id: Option<Uuid>,
    application: String,
    owner: String,
    api: String,
    api_version: String,
    hour: ShownWindow,
    day: ShownWindow,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownWindow {
    requests: u64,
    refusals: BTreeMap<&'static str, u64>,
    /// `None` if no request was forwarded.
    latency_milliseconds: Option<ShownLatency>,
}

#[derive(Debug, Serialize)]
struct ShownLatency {
    count: u64,
    mean: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<StatisticsSearch>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "subscribe", "app_manage"])?;
    let range = search.page.range()?;
    let seen = VisibleApplications::by(&admin, &caller, search.application_id.as_deref()).await?;
    let reports = admin.statistics.as_deref().map(|kept| reports(kept, &seen));
    let (page, total) = range.of(reports.unwrap_or_default());
    let mut list = Vec::with_capacity(page.len());
    for report in page {
        let application_id = id_of(&admin, &report.pair).await?;
        list.push(ShownCalls::of(application_id, report));
    }
    Ok(range.respond(&uri.0, list, total))
}

/// The applications whose statistics a caller sees.
enum VisibleApplications {
    All,
    /// The applications by name and owner.
    These(BTreeSet<(String, String)>),
}

impl VisibleApplications {
    async fn by(admin: &Admin, caller: &Caller, id: Option<&str>) -> Result<Self, Refused> {
        if let Some(id) = id {
            let one = visible::application(admin, caller, id).await?;
            return Ok(Self::these([one]));
        }
        if caller.is_administrator() {
            return Ok(Self::All);
        }
        let own = Query {
            owner: Some(caller.name.clone()),
            groups: caller.groups.clone(),
            ..Query::of(Kind::Application)
        };
        Ok(Self::these(admin.catalog.every(own).await?))
    }

    fn these(objects: impl IntoIterator<Item = Object>) -> Self {
        let name = |object: Object| (object.record.name, object.record.owner.unwrap_or_default());
        Self::These(objects.into_iter().map(name).collect())
    }

    fn has(&self, pair: &CallPair) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => {
                names.contains(&(pair.application.to_string(), pair.owner.to_string()))
            }
        }
    }
}

fn reports(kept: &CallStatistics, seen: &VisibleApplications) -> Vec<CallReport> {
    kept.report(|pair| seen.has(pair))
}

async fn id_of(admin: &Admin, pair: &CallPair) -> Result<Option<Uuid>, Refused> {
    let found = admin.catalog.named(Kind::Application, &pair.application).await?;
    let is_its =
        |object: &Object| object.record.owner.as_deref().unwrap_or_default() == &*pair.owner;
    Ok(found.filter(is_its).map(|object| object.record.id))
}

impl ShownCalls {
    fn of(application_id: Option<Uuid>, report: CallReport) -> Self {
        let CallReport { pair, hour, day } = report;
        Self {
            application_id,
            application: pair.application.to_string(),
            owner: pair.owner.to_string(),
            api: pair.api.to_string(),
            api_version: pair.version.to_string(),
            hour: ShownWindow::of(&hour),
            day: ShownWindow::of(&day),
        }
    }
}

impl ShownWindow {
    fn of(window: &CallWindow) -> Self {
        let refusals = window.refusals();
        let latency = window.latency().map(|latency| ShownLatency {
            count: latency.count,
            mean: milliseconds(latency.mean),
            p50: milliseconds(latency.p50),
            p95: milliseconds(latency.p95),
            p99: milliseconds(latency.p99),
        });
        Self {
            requests: window.requests(),
            refusals: refusals.iter().map(|(reason, count)| (reason.label(), *count)).collect(),
            latency_milliseconds: latency,
        }
    }
}

/// Returns milliseconds with three digits, which is more exact than the buckets.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
