//! The parts of provisioning that a start puts together.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::admin::{
    Admin, AdminService, ApiAccess, Catalog, DeclaredObjects, Errands, LiveRequest,
};
use crate::config::{ApplicationNames, ConfigFiles, Loaded, ReadApplicationFiles};
use crate::model::Model;
use crate::model::gateway::PortalSettings;
use crate::model::key_manager::Fetch;
use crate::snapshot::Snapshots;
use crate::store::GatewayState;
use crate::supervise::background;
use crate::supervise::provisioning::declared::declared_objects;
use crate::supervise::provisioning::follower::StoreFollower;
use crate::supervise::provisioning::state::StoreReader;
use crate::supervise::settled_files::SettledFiles;
use crate::telemetry::Metrics;

/// Calls of the API that may wait for the publisher.
const LIVE_QUEUE: usize = 64;

/// The state of files and store, as the gateway knows it.
#[derive(Debug)]
pub(in crate::supervise) struct Provisioning {
    /// The files as they were last read; changes of the store are added to them.
    pub(in crate::supervise) files: Arc<ConfigFiles>,
    pub(in crate::supervise) names: Arc<ApplicationNames>,
    /// The application files of the last reading, which the next one compares.
    pub(in crate::supervise) application_files: Option<Arc<ReadApplicationFiles>>,
    /// `None` if there is no store.
    pub(in crate::supervise) follower: Option<StoreFollower>,
    /// The age of the state that was read, which may be a copy.
    pub(in crate::supervise) age: Duration,
    declared: Arc<ArcSwap<DeclaredObjects>>,
    /// Calls of the API to other servers; set with the API.
    errands: OnceLock<Arc<Errands>>,
}

impl Provisioning {
    /// `age` is that of the state that was read.
    pub(in crate::supervise) fn new(
        store: Option<StoreReader>,
        settled: &SettledFiles,
        age: Duration,
    ) -> Self {
        let Loaded { model, files, names, application_files, .. } = &settled.loaded;
        // without a store there is no API that shows them
        let declared = store.as_ref().map(|_| with_settings(files, ApiSettings::of(model)));
        let declared = declared.unwrap_or_default();
        let follower = store.zip(settled.stored.as_ref()).map(|(reader, state)| {
            let reporting = GatewayState {
                name: model.gateway.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                revision: state.head.revision,
                started_at: 0,
                seen_at: 0,
            };
            let poll_interval = model.store.poll_interval;
            StoreFollower::new(reader, state.head, state.tables.clone(), poll_interval, reporting)
        });
        Self {
            files: Arc::clone(files),
            names: Arc::clone(names),
            application_files: application_files.clone(),
            follower,
            age,
            declared: Arc::new(ArcSwap::from_pointee(declared)),
            errands: OnceLock::new(),
        }
    }

    /// Goes on with what was read again, and frees what was before.
    pub(in crate::supervise) async fn replace_files(
        &mut self,
        files: Arc<ConfigFiles>,
        names: Arc<ApplicationNames>,
        application_files: Option<Arc<ReadApplicationFiles>>,
        settings: ApiSettings,
    ) {
        if self.follower.is_some() {
            let files = Arc::clone(&files);
            let declared = background::done(move || with_settings(&files, settings)).await;
            if let Some(declared) = declared {
                background::free(self.declared.swap(Arc::new(declared)));
            }
        }
        let former = (
            std::mem::replace(&mut self.files, files),
            std::mem::replace(&mut self.names, names),
            std::mem::replace(&mut self.application_files, application_files),
        );
        background::free(former);
    }

    /// Returns the API's calls to other servers that have not ended; `None` if there is no API.
    pub(in crate::supervise) fn errands(&self) -> Option<Arc<Errands>> {
        self.errands.get().cloned()
    }

    /// The API, if there is a store, and the questions that it will ask.
    pub(in crate::supervise) fn admin(
        &self,
        access: ApiAccess,
        metrics: &Metrics,
        snapshots: &Arc<Snapshots>,
    ) -> (Option<AdminService>, mpsc::Receiver<LiveRequest>) {
        let (sender, receiver) = mpsc::channel(LIVE_QUEUE);
        let admin = self.follower.as_ref().map(|follower| {
            let store = Arc::clone(follower.reader().store());
            let catalog = Catalog::new(store, Arc::clone(&self.declared), sender);
            let catalog = catalog.showing(Arc::clone(snapshots)).polling(follower.poll_interval());
            let keys = Arc::clone(follower.reader().keys());
            let errands = || Arc::new(Errands::new(Arc::clone(metrics.management())));
            let errands = Arc::clone(self.errands.get_or_init(errands));
            let admin = Admin::new(catalog, access, keys).counting(metrics.statistics());
            AdminService::new(admin.calling(Arc::clone(snapshots)).finishing(errands))
        });
        (admin, receiver)
    }
}

/// The settings of files that the API works by.
#[derive(Debug)]
pub(in crate::supervise) struct ApiSettings {
    portal: PortalSettings,
    calls: Arc<Fetch>,
}

impl ApiSettings {
    pub(in crate::supervise) fn of(model: &Model) -> Self {
        let calls = model.management.as_ref().map(|own| Arc::clone(&own.calls));
        Self { portal: model.portal.clone(), calls: calls.unwrap_or_default() }
    }
}

fn with_settings(files: &ConfigFiles, settings: ApiSettings) -> DeclaredObjects {
    let ApiSettings { portal, calls } = settings;
    DeclaredObjects { calls, ..declared_objects(files.declared(), portal) }
}
