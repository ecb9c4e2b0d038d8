//! Reads objects, wherever they are: what files declare and what the store keeps, as one.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::admin::catalog::Catalog;
use crate::admin::object::Object;
use crate::store::{Kind, Query, Record, StoreError, StorePage};

impl Catalog {
    pub async fn get(&self, kind: Kind, id: Uuid) -> Result<Option<Object>, StoreError> {
        if let Some(declared) = self.find_declared(kind, |record| record.id == id) {
            return Ok(Some(declared));
        }
        Ok(self.store.get(kind, id).await?.map(Object::kept))
    }

    /// Finds an object by the unique name that [`Record::name`] tells of.
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
