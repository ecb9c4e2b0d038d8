//! Reads objects, wherever they are: what files declare and what the store keeps, as one.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::admin::catalog::applications::DeclaredApplications;
use crate::admin::catalog::merging::{DeclaredList, declared_first};
use crate::admin::catalog::parts::DeclaredParts;
use crate::admin::catalog::{Catalog, PREVIEW_TIMEOUT};
use crate::admin::live::LiveRequest;
use crate::admin::object::Object;
use crate::model::directory::Directory;
use crate::model::policy::PolicyLevel;
use crate::store::{Kind, Query, Record, StoreError, StorePage};

impl Catalog {
    pub async fn get(&self, kind: Kind, id: Uuid) -> Result<Option<Object>, StoreError> {
        let declared = match self.applications(kind).await? {
            Some(applications) => applications.get(kind, id),
            None => self.find_declared(kind, |record| record.id == id),
        };
        match declared {
            Some(declared) => Ok(Some(declared)),
            None => Ok(self.store.get(kind, id).await?.map(Object::kept)),
        }
    }

    /// Finds an object by the unique name that [`Record::name`] tells of.
    pub async fn named(&self, kind: Kind, name: &str) -> Result<Option<Object>, StoreError> {
        let declared = match self.applications(kind).await? {
            Some(applications) => applications.named(kind, name),
            None => self.find_declared(kind, |record| record.name == name),
        };
        if declared.is_some() {
            return Ok(declared);
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
        let declared = match self.applications(kind).await? {
            Some(applications) => ids.iter().filter_map(|id| applications.get(kind, *id)).collect(),
            None => {
                let wanted: HashSet<_> = ids.iter().collect();
                self.declared_of(kind, |record| wanted.contains(&record.id))
            }
        };
        let mut found: HashMap<_, _> =
            declared.into_iter().map(|object| (object.record.id, object)).collect();
        let rest: Vec<_> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
        if !rest.is_empty() {
            let kept = self.store.get_all(kind, &rest).await?;
            found.extend(kept.into_iter().map(|record| (record.id, Object::kept(record))));
        }
        Ok(found)
    }

    /// Finds some objects by their unique names; those that do not exist are left out.
    pub async fn named_all(&self, kind: Kind, names: &[String]) -> Result<Vec<Object>, StoreError> {
        let mut found = match self.applications(kind).await? {
            Some(own) => names.iter().filter_map(|name| own.named(kind, name)).collect(),
            None => {
                let wanted: HashSet<_> = names.iter().collect();
                self.declared_of(kind, |record| wanted.contains(&record.name))
            }
        };
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
        let kept = self.store.child_counts(kind, parents).await?;
        let mut counts: HashMap<_, _> = kept.into_iter().collect();
        if let Some(applications) = self.applications(kind).await? {
            for parent in parents {
                let Some(slot) = applications.slot_of(*parent) else { continue };
                let count = applications.part_count(slot, kind) as u64;
                if count > 0 {
                    counts.insert(*parent, count);
                }
            }
        }
        Ok(counts)
    }

    /// Returns all objects of a kind of which there are few, by name.
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

    /// Returns a page of the objects that match. Applications come in the order that was asked
    /// for. Keys and subscriptions have none: those of files come first, then those of the store.
    pub async fn page(&self, query: &Query) -> Result<StorePage<Object>, StoreError> {
        let texts = [&query.prefix, &query.owner, &query.target].into_iter().flatten();
        if texts.chain(&query.groups).any(|text| text.contains('\0')) {
            return Ok(StorePage { total: 0, items: Vec::new() });
        }
        let (count, items) = match self.applications(query.kind).await? {
            Some(applications) if query.kind == Kind::Application => {
                let list = DeclaredList::of(&applications, query);
                return list.page(&*self.store, query).await;
            }
            Some(applications) => {
                let parts = DeclaredParts::of(&applications, query);
                (parts.len(), parts.page(query.offset, query.limit))
            }
            None => self.declared_page(query),
        };
        declared_first(&*self.store, query, count, items).await
    }

    /// Tells whether a file gives an application or a subscription this policy.
    pub async fn policy_in_files(
        &self,
        kind: Kind,
        level: PolicyLevel,
        policy: &str,
    ) -> Result<bool, StoreError> {
        let applications = self.applications(kind).await?;
        Ok(applications.is_some_and(|own| own.has_policy(kind, level, policy)))
    }

    /// The applications of files, for a kind that is of applications. They are put into order when
    /// they are asked for the first time.
    async fn applications(&self, kind: Kind) -> Result<Option<DeclaredApplications>, StoreError> {
        let Some(snapshots) = self.snapshots.as_ref().filter(|_| kind.is_of_applications()) else {
            return Ok(None);
        };
        let mut snapshot = snapshots.load();
        if snapshot.directory.declared_order_if_built().is_none() {
            // who comes later waits for the same work
            let _one = self.ordering.lock().await;
            snapshot = snapshots.load();
            if snapshot.directory.declared_order_if_built().is_none() {
                self.order(snapshot.directory.clone()).await?;
            }
        }
        Ok(Some(DeclaredApplications::new(snapshot, self.declared())))
    }

    async fn order(&self, directory: Directory) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.live.send(LiveRequest::Order { directory, reply });
        let done = timeout(PREVIEW_TIMEOUT, async {
            asked.await.ok()?;
            answer.await.ok()
        });
        let busy = || StoreError::Unavailable("the applications of files are not in order".into());
        done.await.ok().flatten().ok_or_else(busy)
    }

    /// Returns a page of the few objects that files declare, and the number of all that match.
    fn declared_page(&self, query: &Query) -> (u64, Vec<Object>) {
        let mut declared = self.declared_of(query.kind, |record| matches(query, record));
        let count = declared.len() as u64;
        let skipped = usize::try_from(query.offset.min(count)).unwrap_or(usize::MAX);
        let mut items = declared.split_off(skipped);
        items.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
        (count, items)
    }

    fn declared_of(&self, kind: Kind, is: impl Fn(&Record) -> bool) -> Vec<Object> {
        let declared = self.declared.load();
        declared.of(kind).filter(|object| is(&object.record)).cloned().collect()
    }

    fn find_declared(&self, kind: Kind, is: impl Fn(&Record) -> bool) -> Option<Object> {
        let declared = self.declared.load();
        declared.of(kind).find(|object| is(&object.record)).cloned()
    }
}

fn matches(query: &Query, record: &Record) -> bool {
    let is = |wanted: &Option<String>, own: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
    };
    query.groups.is_empty()
        && query.prefix.as_deref().is_none_or(|prefix| record.name.starts_with(prefix))
        && is(&query.owner, record.owner.as_deref())
        && is(&query.target, record.target.as_deref())
        && query.parent.is_none_or(|parent| record.parent == Some(parent))
}
