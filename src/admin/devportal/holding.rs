//! The applications of a page of subscriptions, found together.

use std::collections::HashMap;

use uuid::Uuid;

use crate::admin::catalog::Catalog;
use crate::admin::object::Object;
use crate::store::{Kind, StoreError};

/// Applications by their ids, each with the number of its subscriptions.
#[derive(Debug)]
pub(in crate::admin) struct SubscribedApplications {
    applications: HashMap<Uuid, Object>,
    counts: HashMap<Uuid, u64>,
}

impl SubscribedApplications {
    pub(in crate::admin) async fn of(
        catalog: &Catalog,
        subscriptions: &[Object],
    ) -> Result<Self, StoreError> {
        let mut ids: Vec<_> = subscriptions.iter().filter_map(|own| own.record.parent).collect();
        ids.sort_unstable();
        ids.dedup();
        let applications = catalog.get_all(Kind::Application, &ids).await?;
        let counts = catalog.child_counts(Kind::Subscription, &ids).await?;
        Ok(Self { applications, counts })
    }

    /// Returns the application of a subscription; nothing if it just went.
    pub(in crate::admin) fn of_one(&self, subscription: &Object) -> Option<(&Object, u64)> {
        let id = subscription.record.parent?;
        let count = self.counts.get(&id).copied().unwrap_or_default();
        Some((self.applications.get(&id)?, count))
    }
}
