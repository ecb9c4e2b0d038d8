//! A page of what files declare and what the store keeps, in one order.
//!
//! Both are sorted already, so a page costs what is on it and the search for its beginning: the
//! number of declared objects before it. That is found in the list of declared objects, which is in
//! memory, by asking the store for the places of some of them.

use std::cmp::Ordering;
use std::ops::Range;

use crate::admin::catalog::applications::DeclaredApplications;
use crate::admin::object::Object;
use crate::model::names::ApplicationSlot;
use crate::store::{Query, Record, SortBy, SortOrder, Store, StoreError, StorePage};

/// The most objects that a store lists at once.
const MOST_LISTED: u64 = 1000;

/// The declared applications of a list, in its order.
pub(super) struct DeclaredList<'d> {
    declared: &'d DeclaredApplications,
    positions: Positions<'d>,
    order: SortOrder,
}

/// Positions in the order of names.
enum Positions<'d> {
    Names(Range<u32>),
    Owners(&'d [u32]),
    Picked(Vec<u32>),
}

impl<'d> DeclaredList<'d> {
    /// Returns the applications that match.
    pub(super) fn of(declared: &'d DeclaredApplications, query: &Query) -> Self {
        let positions = Self::positions(declared, query);
        Self { declared, positions, order: query.order }
    }

    fn positions(declared: &'d DeclaredApplications, query: &Query) -> Positions<'d> {
        let order = declared.order();
        // no file puts an application into a group, and none is a part of another object
        let grouped = query.owner.is_none() && !query.groups.is_empty();
        if grouped || query.parent.is_some() || query.target.is_some() {
            return Positions::Names(0..0);
        }
        let prefix = query.prefix.as_deref().unwrap_or_default();
        let named = || match prefix {
            "" => 0..order.len(),
            prefix => declared.directory().declared_with_prefix(prefix),
        };
        if let Some(owner) = &query.owner {
            let (own, named) = (declared.directory().declared_of_owner(owner), named());
            let start = own.partition_point(|at| *at < named.start);
            let end = own.partition_point(|at| *at < named.end);
            return Positions::Owners(own.get(start..end).unwrap_or_default());
        }
        match (query.sort_by, prefix) {
            (SortBy::Owner, "") => Positions::Owners(order.by_owner()),
            (SortBy::Owner, _) => {
                let named = named();
                let all = order.by_owner().iter().copied();
                Positions::Picked(all.filter(|at| named.contains(at)).collect())
            }
            _ => Positions::Names(named()),
        }
    }

    pub(super) fn len(&self) -> u64 {
        let count = match &self.positions {
            Positions::Names(range) => range.len(),
            Positions::Owners(all) => all.len(),
            Positions::Picked(all) => all.len(),
        };
        count as u64
    }

    fn slot(&self, number: u64) -> Option<ApplicationSlot> {
        let number = match self.order {
            SortOrder::Ascending => number,
            SortOrder::Descending => self.len().checked_sub(number)?.checked_sub(1)?,
        };
        let number = usize::try_from(number).ok()?;
        let position = match &self.positions {
            Positions::Names(range) => range.clone().nth(number)?,
            Positions::Owners(all) => *all.get(number)?,
            Positions::Picked(all) => *all.get(number)?,
        };
        self.declared.order().at(position)
    }

    fn objects(&self, range: Range<u64>) -> impl Iterator<Item = Object> {
        let slots = range.map_while(|number| self.slot(number));
        slots.filter_map(|slot| self.declared.application(slot))
    }

    /// Returns a page of these and of what the store keeps.
    pub(super) async fn page(
        &self,
        store: &dyn Store,
        query: &Query,
    ) -> Result<StorePage<Object>, StoreError> {
        let end = query.offset.saturating_add(query.limit);
        match query.sort_by {
            // a file says nothing about times: these are the oldest
            SortBy::CreatedAt | SortBy::UpdatedAt => self.beside(store, query).await,
            _ if end <= MOST_LISTED => {
                let kept = store.list(&Query { offset: 0, limit: end, ..query.clone() }).await?;
                Ok(self.merged(query, 0..end, kept, query.offset))
            }
            _ => {
                let kept = store.list(&Query { offset: 0, limit: 0, ..query.clone() }).await?;
                let before = self.before(store, query, kept.total).await?;
                let offset = query.offset.saturating_sub(before);
                let kept = store.list(&Query { offset, ..query.clone() }).await?;
                let own = before..before.saturating_add(query.limit);
                Ok(self.merged(query, own, kept, 0))
            }
        }
    }

    /// Puts all of these before what the store keeps, or behind it.
    async fn beside(
        &self,
        store: &dyn Store,
        query: &Query,
    ) -> Result<StorePage<Object>, StoreError> {
        let (offset, limit) = (query.offset, query.limit);
        let own = |from: u64, limit: u64| self.objects(from..from.saturating_add(limit));
        if self.order == SortOrder::Descending {
            let kept = store.list(query).await?;
            let rest = limit.saturating_sub(kept.items.len() as u64);
            let own = own(offset.saturating_sub(kept.total), rest);
            let total = kept.total.saturating_add(self.len());
            let items = kept.items.into_iter().map(Object::kept).chain(own).collect();
            return Ok(StorePage { total, items });
        }
        declared_first(store, query, self.len(), own(offset, limit).collect()).await
    }

    /// Merges some of these with a page of the store.
    fn merged(
        &self,
        query: &Query,
        own: Range<u64>,
        kept: StorePage,
        skipped: u64,
    ) -> StorePage<Object> {
        let total = kept.total.saturating_add(self.len());
        let mut own = self.objects(own).peekable();
        let mut kept = kept.items.into_iter().peekable();
        let merged = std::iter::from_fn(|| match (own.peek(), kept.peek()) {
            (Some(object), Some(record)) if comes_first(query, &object.record, record) => {
                own.next()
            }
            (_, Some(_)) => kept.next().map(Object::kept),
            (_, None) => own.next(),
        });
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let items = merged.skip(count(skipped)).take(count(query.limit)).collect();
        StorePage { total, items }
    }

    /// Returns how many of these stand before the page. Guesses by turns where the next question
    /// divides what is left as the lists would if both were spread evenly, and in the middle.
    async fn before(&self, store: &dyn Store, query: &Query, kept: u64) -> Result<u64, StoreError> {
        let offset = query.offset;
        let (mut low, mut high) = (offset.saturating_sub(kept), offset.min(self.len()));
        // places in the whole list: before `low` and from `high` on
        let mut places = (low, kept.saturating_add(self.len()));
        let mut even = true;
        while low < high {
            let width = high.saturating_sub(low);
            let step = if even { share(width, offset, places) } else { width / 2 };
            even = !even;
            let middle = low.saturating_add(step.min(width.saturating_sub(1)));
            let place = middle.saturating_add(self.rank(store, query, middle, kept).await?);
            if place >= offset {
                (high, places.1) = (middle, place);
            } else {
                (low, places.0) = (middle.saturating_add(1), place);
            }
        }
        Ok(low)
    }

    /// Returns how many of the store's objects stand before one of these.
    async fn rank(
        &self,
        store: &dyn Store,
        query: &Query,
        number: u64,
        kept: u64,
    ) -> Result<u64, StoreError> {
        let view = self.slot(number).and_then(|slot| self.declared.view(slot));
        let Some(view) = view else { return Ok(kept) };
        let before = store.rank(query, view.owner, view.name).await?;
        Ok(match self.order {
            SortOrder::Ascending => before,
            SortOrder::Descending => kept.saturating_sub(before),
        })
    }
}

/// Fills a page that begins with declared objects with those that the store keeps. `count` is the
/// number of declared objects in the whole list.
pub(super) async fn declared_first(
    store: &dyn Store,
    query: &Query,
    count: u64,
    mut items: Vec<Object>,
) -> Result<StorePage<Object>, StoreError> {
    let rest = Query {
        offset: query.offset.saturating_sub(count),
        limit: query.limit.saturating_sub(items.len() as u64),
        ..query.clone()
    };
    let kept = store.list(&rest).await?;
    items.extend(kept.items.into_iter().map(Object::kept));
    Ok(StorePage { total: kept.total.saturating_add(count), items })
}

/// Divides a number like the place of an offset between two places.
fn share(width: u64, offset: u64, (first, last): (u64, u64)) -> u64 {
    let all = u128::from(last.saturating_sub(first));
    let part = u128::from(offset.saturating_sub(first));
    let share = u128::from(width).saturating_mul(part).checked_div(all).unwrap_or_default();
    u64::try_from(share).unwrap_or(width)
}

fn comes_first(query: &Query, declared: &Record, kept: &Record) -> bool {
    let by_name = declared.name.cmp(&kept.name);
    let order = match query.sort_by {
        SortBy::Owner => {
            let (own, other) = (declared.owner.as_deref(), kept.owner.as_deref());
            own.unwrap_or_default().cmp(other.unwrap_or_default()).then(by_name)
        }
        _ => by_name,
    };
    match query.order {
        SortOrder::Ascending => order != Ordering::Greater,
        SortOrder::Descending => order != Ordering::Less,
    }
}
