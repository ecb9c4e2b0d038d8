//! The objects that the API shows and changes: those of files and those of the store.

mod applications;
mod merging;
mod parts;
mod reading;
mod references;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::admin::caller::Caller;
use crate::admin::dry_run::DryRun;
use crate::admin::entity_tag::tag;
use crate::admin::live::{DeclaredObjects, LiveRequest, Preview, PreviewDetail};
use crate::admin::object::Object;
use crate::admin::refused::{ApiFault, Refused};
use crate::snapshot::Snapshots;
use crate::store::{Change, GatewayState, Record, Store, StoreError, Write, WriteCondition};

/// The time for compiling a configuration: milliseconds, or seconds for a million applications.
const PREVIEW_TIMEOUT: Duration = Duration::from_secs(20);

/// The time until a stored change is in force. A caller that waits longer is told so.
const FORCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest wait for other gateways.
const FLEET_TIMEOUT: Duration = Duration::from_secs(10);

const FLEET_LOOK: Duration = Duration::from_millis(50);

/// The number of poll intervals after its last report for which a gateway is waited for.
const LIVE_POLLS: u32 = 3;

/// The shortest such time: a report takes its time on a busy machine.
const LIVE_AT_LEAST: Duration = Duration::from_secs(3);

/// The number of the revision that a change got.
const REVISION: &str = "portcullis-revision";

/// The gateways that do not have it yet.
const PENDING: &str = "portcullis-pending";

/// The objects of the API.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn Store>,
    declared: Arc<ArcSwap<DeclaredObjects>>,
    live: mpsc::Sender<LiveRequest>,
    /// Where the applications of files are; `None`: this process serves no requests.
    snapshots: Option<Arc<Snapshots>>,
    /// Held by who has them put into order.
    ordering: Mutex<()>,
    /// The time after its last report for which a gateway is waited for.
    live_for: Duration,
}

/// Options that every change accepts: `?dryRun=true`, `?wait=fleet`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub wait_for_fleet: bool,
}

/// A change that is kept, or that would be.
#[derive(Debug, Clone)]
pub struct Committed {
    /// `None` if the call was only a preview.
    pub revision: Option<u64>,
    /// The records as they are now, in the order of the changes; nothing for a deleted one.
    pub records: Vec<Record>,
    pub preview: Preview,
    /// Gateways that do not have the change yet.
    pub pending: Vec<String>,
}

/// The reason for which a change was not made.
#[derive(Debug)]
pub enum WriteRefused {
    /// The store refuses: a handler gives it WSO2's code.
    Store(StoreError),
    /// The gateway could not serve the result.
    Unservable(Refused),
}

impl Catalog {
    pub fn new(
        store: Arc<dyn Store>,
        declared: Arc<ArcSwap<DeclaredObjects>>,
        live: mpsc::Sender<LiveRequest>,
    ) -> Self {
        let (snapshots, ordering) = (None, Mutex::default());
        Self { store, declared, live, snapshots, ordering, live_for: LIVE_AT_LEAST }
    }

    /// Waits for gateways that look into the store this often.
    #[must_use]
    pub fn polling(self, poll_interval: Duration) -> Self {
        let live_for = poll_interval.saturating_mul(LIVE_POLLS).max(LIVE_AT_LEAST);
        Self { live_for, ..self }
    }

    /// Shows the applications of files that are in force.
    #[must_use]
    pub fn showing(self, snapshots: Arc<Snapshots>) -> Self {
        Self { snapshots: Some(snapshots), ..self }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the objects of files.
    pub fn declared(&self) -> Arc<DeclaredObjects> {
        self.declared.load_full()
    }

    /// Checks a change, keeps it, and waits until it is in force here.
    pub async fn write(
        &self,
        caller: &Caller,
        action: &'static str,
        options: WriteOptions,
        changes: Vec<Change>,
        mut conditions: Vec<WriteCondition>,
    ) -> Result<Committed, WriteRefused> {
        let detail = if options.dry_run { PreviewDetail::Access } else { PreviewDetail::Check };
        conditions.extend(self.referenced(&changes));
        let preview = self.preview(changes.clone(), detail).await;
        let preview = preview.map_err(WriteRefused::Unservable)?;
        if options.dry_run {
            let records = changes.into_iter().filter_map(written).collect();
            return Ok(Committed { revision: None, records, preview, pending: Vec::new() });
        }
        let author = caller.author();
        let write = Write { author, action, changes, conditions, notes: Vec::new() };
        let written = self.store.write(write).await.map_err(WriteRefused::Store)?;
        let mut pending = Vec::new();
        if !self.in_force(written.revision).await {
            pending.push("this gateway".to_owned());
        }
        if options.wait_for_fleet {
            pending.extend(self.behind(written.revision).await);
        }
        let revision = Some(written.revision);
        Ok(Committed { revision, records: written.records, preview, pending })
    }

    /// Notes the fate of objects outside the store, at their servers, in the audit log.
    pub async fn note(
        &self,
        caller: &Caller,
        action: &'static str,
        notes: Vec<Record>,
    ) -> Result<(), StoreError> {
        let (changes, conditions) = (Vec::new(), Vec::new());
        let write = Write { author: caller.author(), action, changes, conditions, notes };
        self.store.write(write).await.map(drop)
    }

    /// Asks the publisher for the effects of a change.
    pub async fn preview(
        &self,
        changes: Vec<Change>,
        detail: PreviewDetail,
    ) -> Result<Preview, Refused> {
        let busy =
            || Refused::plain(StatusCode::SERVICE_UNAVAILABLE, "the gateway is busy; try again");
        let (reply, answer) = oneshot::channel();
        let asked = self.live.send(LiveRequest::Preview { changes, detail, reply });
        let answer = timeout(PREVIEW_TIMEOUT, async {
            asked.await.ok()?;
            answer.await.ok()
        });
        match answer.await.ok().flatten().ok_or_else(busy)? {
            Ok(preview) => Ok(preview),
            Err(problems) => {
                let texts: Vec<_> =
                    problems.iter().map(|own| for_callers(&own.to_string())).collect();
                let mut refused = Refused::bad_request(texts.join("; "));
                refused.errors = texts
                    .into_iter()
                    .map(|message| ApiFault { code: refused.code.to_string(), message })
                    .collect();
                Err(refused)
            }
        }
    }

    async fn in_force(&self, revision: u64) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = self.live.send(LiveRequest::Follow { revision, reply });
        let done = timeout(FORCE_TIMEOUT, async {
            asked.await.ok()?;
            answer.await.ok()
        });
        done.await.ok().flatten().is_some()
    }

    /// Waits until all live gateways have a revision, and names those that do not.
    async fn behind(&self, revision: u64) -> Vec<String> {
        let end = Instant::now().checked_add(FLEET_TIMEOUT);
        loop {
            let Ok(gateways) = self.store.gateways().await else {
                return vec!["(unknown)".to_owned()];
            };
            let newest = gateways.iter().map(|gateway| gateway.seen_at).max().unwrap_or_default();
            let live_for = i64::try_from(self.live_for.as_millis()).unwrap_or(i64::MAX);
            let is_live =
                |gateway: &&GatewayState| gateway.seen_at.saturating_add(live_for) >= newest;
            let live = gateways.iter().filter(is_live);
            let behind: Vec<_> = live
                .filter(|gateway| gateway.revision < revision)
                .map(|gateway| gateway.name.clone())
                .collect();
            if behind.is_empty() || end.is_none_or(|end| Instant::now() >= end) {
                return behind;
            }
            sleep(FLEET_LOOK).await;
        }
    }
}

/// Names fields without the table of `gateway.toml` that they are in, which callers do not write.
fn for_callers(problem: &str) -> String {
    let tables = ["apis", "applications", "key_managers", "throttling_policies", "throttling.deny"];
    tables.iter().fold(problem.to_owned(), |text, table| text.replace(&format!("`{table}."), "`"))
}

fn written(change: Change) -> Option<Record> {
    match change {
        Change::Create(record) | Change::Update { record, .. } => Some(record),
        Change::Delete { .. } => None,
    }
}

impl Committed {
    /// Adds the headers with the revision and the gateways that lag behind it. The answer of a dry
    /// run becomes a preview.
    pub fn respond(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if self.revision.is_none() {
            response.extensions_mut().insert(DryRun(self.preview.clone()));
        }
        let headers = response.headers_mut();
        if let Some(revision) = self.revision {
            headers.insert(REVISION, HeaderValue::from(revision));
        }
        if !self.pending.is_empty()
            && let Ok(names) = HeaderValue::from_str(&self.pending.join(", "))
        {
            headers.insert(PENDING, names);
        }
        response
    }

    /// Adds the tag of the first record too.
    pub fn respond_tagged(&self, response: impl IntoResponse) -> Response {
        let mut response = self.respond(response);
        let first = self.records.first().filter(|_| self.revision.is_some());
        if let Some(tag) = first.and_then(|own| tag(&Object::kept(own.clone()), "")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl From<WriteRefused> for Refused {
    fn from(refused: WriteRefused) -> Self {
        match refused {
            WriteRefused::Store(error) => error.into(),
            WriteRefused::Unservable(refused) => refused,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for WriteOptions {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let mut options = Self::default();
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        for (name, value) in form_urlencoded::parse(query) {
            match (&*name, &*value) {
                ("dryRun", "true") => options.dry_run = true,
                ("dryRun", "false") => {}
                ("dryRun", _) => return Err(Refused::bad_request("`dryRun` is true or false")),
                ("wait", "fleet") => options.wait_for_fleet = true,
                ("wait", _) => return Err(Refused::bad_request("`wait` can be \"fleet\" only")),
                _ => {}
            }
        }
        Ok(options)
    }
}
