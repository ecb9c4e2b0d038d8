//! Puts changes of the store into force.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::admin::LiveRequest;
use crate::config::{ApplicationNames, Loaded};
use crate::model::application::Application;
use crate::model::directory::{ApplicationChange, Directory};
use crate::model::provenance::Provenance;
use crate::store::StoreHead;
use crate::supervise::background;
use crate::supervise::certificates;
use crate::supervise::error::SuperviseError;
use crate::supervise::facts::{directory_facts, snapshot_facts};
use crate::supervise::provisioning::follower::{ChangedApplication, Step};
use crate::supervise::provisioning::pace::{Due, Urgency};
use crate::supervise::provisioning::start::Provisioning;
use crate::supervise::provisioning::tables::StoredTables;
use crate::supervise::reload::Reloader;
use crate::telemetry::SnapshotFacts;

/// A task of following the store.
#[derive(Debug)]
pub(in crate::supervise) enum StoreWork {
    Due(Due),
    Answer(LiveRequest),
}

/// Waits until there is something to do; for ever if there is no store. Nothing is lost when the
/// wait is given up.
pub(in crate::supervise) async fn store_work(
    live: &mut mpsc::Receiver<LiveRequest>,
    provisioning: &Provisioning,
) -> StoreWork {
    let due = async {
        match &provisioning.follower {
            Some(follower) => follower.due().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        Some(request) = live.recv() => StoreWork::Answer(request),
        due = due => StoreWork::Due(due),
    }
}

impl Reloader {
    pub(in crate::supervise) async fn store_work(&mut self, work: StoreWork) {
        match work {
            StoreWork::Due(Due::Look(urgency)) => self.follow_store(urgency).await,
            StoreWork::Due(Due::Report) => self.report_to_store().await,
            StoreWork::Answer(request) => self.live_request(request).await,
        }
    }

    /// Puts everything into force that the store has beyond the revision in force.
    async fn follow_store(&mut self, urgency: Urgency) {
        let began = Instant::now();
        let followed = self.try_follow(urgency).await;
        if let Err(error) = &followed {
            let detail = error.describe();
            tracing::warn!(
                target: "portcullis::supervise",
                error = %detail,
                "the changes of the store are not in force yet; trying again",
            );
        }
        let Some(follower) = &mut self.provisioning.follower else { return };
        follower.looked(began);
        follower.answer_waiting(followed.is_err());
        match followed {
            Ok(()) => self.report_to_store().await,
            Err(_) => self.metrics.store_failed(),
        }
    }

    /// Tells the store which revision is in force. A copy answers reads while its server is down,
    /// and only a write tells.
    async fn report_to_store(&mut self) {
        let Some(follower) = &mut self.provisioning.follower else { return };
        match follower.report().await {
            Some(Ok(())) => self.metrics.store_in_force(follower.head().revision),
            Some(Err(_)) => self.metrics.store_failed(),
            None => self.metrics.store_advanced(follower.head().revision),
        }
    }

    /// Reads files and store again, since the store's history is another one.
    async fn read_store_again(&mut self) -> Result<(), SuperviseError> {
        tracing::warn!(
            target: "portcullis::supervise",
            "the store is another one, or an older one, than before; reading all of it",
        );
        let reader = self.provisioning.follower.as_ref().map(|own| own.reader().clone());
        let rewritten = reader.as_ref().map_or(0, |own| own.store().rewritten());
        let files = Arc::clone(&self.provisioning.files);
        let (loaded, stored) = self.publisher.read_stored(files, reader).await?;
        self.install(loaded)?;
        if let (Some(follower), Some(state)) = (&mut self.provisioning.follower, stored) {
            follower.read_again(rewritten, state.head, state.tables);
        }
        Ok(())
    }

    async fn try_follow(&mut self, urgency: Urgency) -> Result<(), SuperviseError> {
        loop {
            let Some(follower) = &self.provisioning.follower else { return Ok(()) };
            let reading = follower.reading();
            let step = match urgency {
                Urgency::Waited => reading.step().await?,
                // to read a thousand changes takes milliseconds of a processor
                Urgency::Behind => {
                    let step = background::done(move || reading.step_here()).await;
                    step.ok_or(SuperviseError::Unread)??
                }
            };
            match step {
                Step::Nothing => return Ok(()),
                Step::Everything => return self.read_store_again().await,
                Step::Changes { to, more, tables, applications } => {
                    self.put_in_force(to, tables, applications, urgency).await?;
                    if !more {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn install(&mut self, loaded: Loaded) -> Result<(), SuperviseError> {
        let facts = snapshot_facts(&loaded.model);
        let certificates = certificates::facts(&loaded.model);
        let generation = self.publisher.publish(loaded.model)?;
        self.provisioning.names = loaded.names;
        self.metrics.certificates(certificates);
        self.metrics.snapshot_installed(&SnapshotFacts { generation, ..facts });
        Ok(())
    }

    async fn put_in_force(
        &mut self,
        to: u64,
        tables: Option<StoredTables>,
        applications: Vec<ChangedApplication>,
        urgency: Urgency,
    ) -> Result<(), SuperviseError> {
        if let Some(tables) = &tables {
            let files = Arc::clone(&self.provisioning.files);
            let loaded = self.publisher.resolve(files, tables.to_vec()).await?;
            self.install(loaded)?;
        }
        if !applications.is_empty() {
            let current = self.publisher.snapshots().load().directory.clone();
            let names = Arc::clone(&self.provisioning.names);
            let change = move || changed(&names, &current, applications);
            let directory = match urgency {
                Urgency::Waited => change(),
                Urgency::Behind => background::done(change).await.ok_or(SuperviseError::Unread)?,
            };
            let facts = directory_facts(&directory);
            let generation = self.publisher.publish_directory(directory)?;
            self.metrics.snapshot_installed(&SnapshotFacts { generation, ..facts });
        }
        if let Some(follower) = &mut self.provisioning.follower {
            let head = StoreHead { revision: to, ..follower.head() };
            follower.arrived(head, tables);
        }
        Ok(())
    }

    /// Answers the API.
    async fn live_request(&mut self, request: LiveRequest) {
        match request {
            LiveRequest::Preview { changes, detail, reply } => {
                // the caller may have left
                let _ = reply.send(self.preview(&changes, detail).await);
            }
            LiveRequest::Order { directory, reply } => {
                // changes of the store do not wait for it
                drop(background::begin(move || {
                    directory.declared_order();
                    let _ = reply.send(());
                }));
            }
            LiveRequest::Follow { revision, reply } => {
                let Some(follower) = &mut self.provisioning.follower else { return };
                follower.wait_for(revision, reply);
                // it may be in force already; else a look is due
                follower.answer_waiting(false);
            }
        }
    }
}

/// The place of a file's application of this name.
pub(super) fn declared_in_file(directory: &Directory, name: &str) -> Option<Provenance> {
    directory.named(name).map(|own| own.place).filter(|place| place.revision().is_none())
}

/// Returns the directory with these applications. One that cannot be served is left out, so
/// that no client gets access by a mapping that the gateway does not understand.
fn changed(
    names: &ApplicationNames,
    current: &Directory,
    applications: Vec<ChangedApplication>,
) -> Directory {
    let mut puts: Vec<Application<'static>> = Vec::new();
    let mut gone: Vec<String> = Vec::new();
    for ChangedApplication { former_names, current } in applications {
        gone.extend(former_names);
        let Some(stored) = current else { continue };
        match names.application(&stored) {
            Ok(application) => puts.push(application),
            Err((message, _)) => {
                let name = stored.name();
                tracing::error!(
                    target: "portcullis::supervise",
                    application = name,
                    revision = stored.revision,
                    message,
                    "an application of the store cannot be served",
                );
                gone.extend(name);
            }
        }
    }
    let put_names: HashSet<&str> = puts.iter().map(|own| own.name.as_str()).collect();
    let gone = gone.iter().filter(|name| !put_names.contains(name.as_str()));
    let removals = gone.map(|name| ApplicationChange::Remove(name));
    let changes: Vec<ApplicationChange<'_>> = removals
        .chain(puts.iter().cloned().map(ApplicationChange::Put))
        // a file's application is not the store's to change
        .filter(|change| declared_in_file(current, change.name()).is_none())
        .collect();
    match current.with(&changes) {
        Ok(directory) => directory,
        // one of them conflicts with an object of a file: the others are served
        Err(_) => one_by_one(current, &changes),
    }
}

fn one_by_one(current: &Directory, changes: &[ApplicationChange<'_>]) -> Directory {
    let mut directory = current.clone();
    for change in changes {
        match directory.with(std::slice::from_ref(change)) {
            Ok(next) => directory = next,
            Err(conflict) => {
                tracing::error!(
                    target: "portcullis::supervise",
                    %conflict,
                    "an application of the store cannot be served",
                );
                // its former state must not stay in force either
                let gone = ApplicationChange::Remove(change.name());
                if let Ok(next) = directory.with(&[gone]) {
                    directory = next;
                }
            }
        }
    }
    directory
}
