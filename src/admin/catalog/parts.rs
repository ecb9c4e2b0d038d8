//! Keys and subscriptions of the applications that files declare, page by page.

use crate::admin::catalog::applications::DeclaredApplications;
use crate::admin::object::Object;
use crate::store::{Kind, Query};

/// The keys or the subscriptions that match a query.
pub(super) struct DeclaredParts<'d> {
    declared: &'d DeclaredApplications,
    kind: Kind,
    /// The key manager or the API that all of them point to.
    target: Option<String>,
    matching: FoundParts<'d>,
}

enum FoundParts<'d> {
    /// Those of one application.
    Few(Vec<Object>),
    /// The position of an application for each of them.
    Many(&'d [u32]),
}

impl<'d> DeclaredParts<'d> {
    pub(super) fn of(declared: &'d DeclaredApplications, query: &Query) -> Self {
        let target = query.target.clone();
        let matching = Self::matching(declared, query);
        Self { declared, kind: query.kind, target, matching }
    }

    fn matching(declared: &'d DeclaredApplications, query: &Query) -> FoundParts<'d> {
        let order = declared.order();
        let pointing =
            |object: &Object| query.target.is_none() || object.record.target == query.target;
        // a part has no owner and no group, and nobody searches for the beginning of its name
        if query.owner.is_some() || !query.groups.is_empty() || query.prefix.is_some() {
            return FoundParts::Many(&[]);
        }
        if let Some(parent) = query.parent {
            let slot = declared.slot_of(parent);
            let parts = slot.map(|slot| declared.parts(slot, query.kind)).unwrap_or_default();
            return FoundParts::Few(parts.into_iter().filter(pointing).collect());
        }
        let many = match (query.kind, &query.target) {
            (Kind::Key, Some(name)) => declared.key_manager(name).map(|own| order.keys_of(own)),
            (Kind::Key, None) => Some(order.keys()),
            (_, Some(name)) => declared.api(name).map(|own| order.subscriptions_to(own)),
            (_, None) => Some(order.subscriptions()),
        };
        FoundParts::Many(many.unwrap_or_default())
    }

    pub(super) fn len(&self) -> u64 {
        match &self.matching {
            FoundParts::Few(all) => all.len() as u64,
            FoundParts::Many(all) => all.len() as u64,
        }
    }

    pub(super) fn page(self, offset: u64, limit: u64) -> Vec<Object> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (offset, limit) = (count(offset), count(limit));
        match self.matching {
            FoundParts::Few(all) => all.into_iter().skip(offset).take(limit).collect(),
            FoundParts::Many(all) => {
                let numbers = offset..all.len().min(offset.saturating_add(limit));
                numbers.filter_map(|number| self.object(all, number)).collect()
            }
        }
    }

    /// Returns the part with a number: an application stands there once for each of its own.
    fn object(&self, all: &[u32], number: usize) -> Option<Object> {
        let position = *all.get(number)?;
        let slot = self.declared.order().at(position)?;
        let (target, first) = match &self.target {
            Some(target) => (target.clone(), 0),
            None => self.declared.target_at(self.kind, number)?,
        };
        let before = all.get(first..number)?.iter().rev();
        let same = before.take_while(|own| **own == position).count();
        let parts = self.declared.parts(slot, self.kind).into_iter();
        let mut parts = parts.filter(|own| own.record.target.as_deref() == Some(&*target));
        parts.nth(same)
    }
}
