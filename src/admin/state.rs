//! The state that handlers share, and the proof of a caller.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::admin::access::ApiAccess;
use crate::admin::caller::{Caller, Peer};
use crate::admin::catalog::Catalog;
use crate::admin::outliving_calls::Errands;
use crate::admin::refused::Refused;
use crate::snapshot::Snapshots;
use crate::store::StoreKeys;
use crate::telemetry::CallStatistics;

/// The state that handlers share.
#[derive(Debug)]
pub struct Admin {
    pub(super) catalog: Catalog,
    pub(super) access: ApiAccess,
    /// The keys that encrypt stored secrets.
    pub(super) keys: Arc<StoreKeys>,
    /// `None` if this process serves no requests.
    pub(super) statistics: Option<Arc<CallStatistics>>,
    /// The key managers in force, with their secrets opened.
    pub(super) snapshots: Option<Arc<Snapshots>>,
    pub(super) errands: Arc<Errands>,
}

impl Admin {
    pub fn new(catalog: Catalog, access: ApiAccess, keys: Arc<StoreKeys>) -> Self {
        let errands = Arc::new(Errands::new(Arc::default()));
        let access = access.sealing(&keys);
        Self { catalog, access, keys, statistics: None, snapshots: None, errands }
    }

    /// Does its work at other servers by these errands.
    #[must_use]
    pub fn finishing(self, errands: Arc<Errands>) -> Self {
        Self { errands, ..self }
    }

    /// Shows statistics of applications.
    #[must_use]
    pub fn counting(self, statistics: Option<Arc<CallStatistics>>) -> Self {
        Self { statistics, ..self }
    }

    /// Calls the authorization servers of these key managers.
    #[must_use]
    pub fn calling(self, snapshots: Arc<Snapshots>) -> Self {
        Self { snapshots: Some(snapshots), ..self }
    }
}

impl FromRequestParts<Arc<Admin>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Refused> {
        let peer = parts.extensions.get::<Peer>().copied();
        let Some(Peer(peer)) = peer else {
            return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "the call has no peer"));
        };
        admin.access.enter(&admin.catalog, parts, peer).await
    }
}
