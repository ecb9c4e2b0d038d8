//! The objects that the API shows and changes: those of files and those of the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::dry_run::DryRun;
use crate::admin::live::{DeclaredObjects, LiveRequest, Preview, PreviewDetail};
use crate::admin::object::Object;
use crate::admin::refused::{ApiFault, Refused};
use crate::store::{
    Change, Kind, Query, Record, Store, StoreError, StorePage, Write, WriteCondition,
};

/// Compiling a configuration takes milliseconds; a million applications take seconds.
const PREVIEW_TIMEOUT: Duration = Duration::from_secs(20);

/// A change that is kept is in force soon after. A caller that waits longer is told so.
const FORCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest wait for other gateways.
const FLEET_TIMEOUT: Duration = Duration::from_secs(10);

const FLEET_LOOK: Duration = Duration::from_millis(50);

/// A gateway that was not heard of for longer is not waited for: three of the longest pauses
/// between two reports.
const LIVE_MILLIS: i64 = 3_000;

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
        Self { store, declared, live }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the objects of files.
    pub fn declared(&self) -> Arc<DeclaredObjects> {
        self.declared.load_full()
    }

    pub async fn get(&self, kind: Kind, id: Uuid) -> Result<Option<Object>, StoreError> {
        if let Some(declared) = self.find_declared(kind, |record| record.id == id) {
            return Ok(Some(declared));
        }
        Ok(self.store.get(kind, id).await?.map(Object::kept))
    }

    /// Finds an object by its unique name ([`Record::name`]).
    pub async fn named(&self, kind: Kind, name: &str) -> Result<Option<Object>, StoreError> {
        if let Some(declared) = self.find_declared(kind, |record| record.name == name) {
            return Ok(Some(declared));
        }
        // no text of a store has a NUL, and PostgreSQL refuses a question with one
        if name.contains('\0') {
            return Ok(None);
        }
        Ok(self.store.named(kind, name).await?.map(Object::kept))
    }

    /// Finds some objects by their ids; those that do not exist are left out.
    pub async fn get_all(
        &self,
        kind: Kind,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Object>, StoreError> {
        let wanted: HashSet<_> = ids.iter().collect();
        let mut found: HashMap<_, _> = self
            .declared_of(kind, |record| wanted.contains(&record.id))
            .into_iter()
            .map(|object| (object.record.id, object))
            .collect();
        let rest: Vec<_> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
        if !rest.is_empty() {
            let kept = self.store.get_all(kind, &rest).await?;
            found.extend(kept.into_iter().map(|record| (record.id, Object::kept(record))));
        }
        Ok(found)
    }

    /// Finds some objects by their unique names; those that do not exist are left out.
    pub async fn named_all(&self, kind: Kind, names: &[String]) -> Result<Vec<Object>, StoreError> {
        let wanted: HashSet<_> = names.iter().collect();
        let mut found = self.declared_of(kind, |record| wanted.contains(&record.name));
        let kept = self.store.named_all(kind, names).await?;
        found.extend(kept.into_iter().map(Object::kept));
        Ok(found)
    }

    /// Returns how many objects of a kind belong to each of these parents, if there are any.
    pub async fn child_counts(
        &self,
        kind: Kind,
        parents: &[Uuid],
    ) -> Result<HashMap<Uuid, u64>, StoreError> {
        let wanted: HashSet<_> = parents.iter().copied().collect();
        let kept = self.store.child_counts(kind, parents).await?;
        let mut counts: HashMap<_, _> = kept.into_iter().collect();
        let declared = self.declared.load();
        for parent in declared.of(kind).filter_map(|object| object.record.parent) {
            if wanted.contains(&parent) {
                let count = counts.entry(parent).or_insert(0_u64);
                *count = count.saturating_add(1);
            }
        }
        Ok(counts)
    }

    /// Returns all objects of a kind with few objects, by name.
    pub async fn all(&self, kind: Kind) -> Result<Vec<Object>, StoreError> {
        let mut objects = self.every(Query::of(kind)).await?;
        objects.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        Ok(objects)
    }

    /// Returns all objects that match, in the order of their pages.
    pub async fn every(&self, query: Query) -> Result<Vec<Object>, StoreError> {
        let (mut objects, mut next) = (Vec::new(), Some(query));
        while let Some(query) = next {
            let page = self.page(&query).await?;
            next = query.after(&page);
            objects.extend(page.items);
        }
        Ok(objects)
    }

    /// Returns a page of the objects that match: those of files first, then those of the store.
    pub async fn page(&self, query: &Query) -> Result<StorePage<Object>, StoreError> {
        let texts = [&query.prefix, &query.owner, &query.target].into_iter().flatten();
        if texts.chain(&query.groups).any(|text| text.contains('\0')) {
            return Ok(StorePage { total: 0, items: Vec::new() });
        }
        let mut declared = self.declared_of(query.kind, |record| matches(query, record));
        let count = declared.len() as u64;
        let skipped = usize::try_from(query.offset.min(count)).unwrap_or(usize::MAX);
        let mut items = declared.split_off(skipped);
        items.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
        let rest = Query {
            offset: query.offset.saturating_sub(count),
            limit: query.limit.saturating_sub(items.len() as u64),
            ..query.clone()
        };
        let kept = self.store.list(&rest).await?;
        items.extend(kept.items.into_iter().map(Object::kept));
        Ok(StorePage { total: kept.total.saturating_add(count), items })
    }

    fn declared_of(&self, kind: Kind, is: impl Fn(&Record) -> bool) -> Vec<Object> {
        let declared = self.declared.load();
        declared.of(kind).filter(|object| is(&object.record)).cloned().collect()
    }

    fn find_declared(&self, kind: Kind, is: impl Fn(&Record) -> bool) -> Option<Object> {
        let declared = self.declared.load();
        declared.of(kind).find(|object| is(&object.record)).cloned()
    }

    /// Checks a change, keeps it, and waits until it is in force here.
    pub async fn write(
        &self,
        caller: &Caller,
        action: &'static str,
        options: WriteOptions,
        changes: Vec<Change>,
        conditions: Vec<WriteCondition>,
    ) -> Result<Committed, WriteRefused> {
        let detail = if options.dry_run { PreviewDetail::Access } else { PreviewDetail::Check };
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
            let live = gateways
                .iter()
                .filter(|gateway| gateway.seen_at.saturating_add(LIVE_MILLIS) >= newest);
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

fn matches(query: &Query, record: &Record) -> bool {
    let is = |wanted: &Option<String>, own: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
    };
    // no file puts an application into a group
    let grouped = query.owner.is_none() && !query.groups.is_empty();
    !grouped
        && query.prefix.as_deref().is_none_or(|prefix| record.name.starts_with(prefix))
        && is(&query.owner, record.owner.as_deref())
        && is(&query.target, record.target.as_deref())
        && query.parent.is_none_or(|parent| record.parent == Some(parent))
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
