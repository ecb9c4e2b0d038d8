//! Serves management calls and the commands of the control socket.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::admin::{ApiAccess, ForeignTokens, LiveRequest};
use crate::management::{
    Access, CallGate, Explaining, InForce, ManagementState, OwnHosts, Readiness, ReloadRequest,
    control, server,
};
use crate::model::Model;
use crate::model::gateway::{ManagementSettings, ManagementUser};
use crate::sign_in::PasswordChecks;
use crate::supervise::error::{SuperviseError, bind_error};
use crate::supervise::opening::BoundManagement;
use crate::supervise::provisioning::Provisioning;
use crate::supervise::takeover_link::TakeoverLink;
use crate::supervise::worker_parts::WorkerShared;

/// Reloads that may wait for one that is under way; more callers wait in their own connection.
const RELOAD_QUEUE: usize = 16;

/// The state of management calls.
pub(super) struct ControlSide {
    pub(super) tasks: JoinSet<()>,
    pub(super) reload: mpsc::Sender<ReloadRequest>,
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
    /// Questions of the REST API.
    pub(super) live: mpsc::Receiver<LiveRequest>,
    pub(super) in_force: Arc<InForce>,
    /// The gate of the management listener.
    pub(super) gate: Arc<CallGate>,
    /// The gate of the control socket.
    pub(super) control: Arc<CallGate>,
}

/// The settings of management calls.
pub(super) struct ManagementWanted {
    settings: Option<ManagementSettings>,
    notices: bool,
}

impl ManagementWanted {
    pub(super) fn of(model: &Model) -> Self {
        Self { settings: model.management.clone(), notices: model.revocation_notices }
    }

    fn state(
        self,
        shared: &WorkerShared<'_>,
        readiness: &Arc<Readiness>,
        reload: mpsc::Sender<ReloadRequest>,
        in_force: &Arc<InForce>,
        provisioning: &Provisioning,
    ) -> (ManagementState, mpsc::Receiver<LiveRequest>) {
        let (metrics, clock) = (&shared.process.metrics, &shared.process.clock);
        let settings =
            self.settings.map(|settings| (settings.users, settings.hosts, settings.tokens));
        let (users, hosts, tokens) = settings.unwrap_or_default();
        let foreign = tokens.map(|settings| ForeignTokens {
            settings,
            snapshots: Arc::clone(shared.snapshots),
            common: shared.common.clone(),
            clock: Arc::clone(clock),
        });
        let counters = Arc::clone(metrics.management());
        let passwords = Arc::new(PasswordChecks::new(Arc::clone(clock), counters));
        let users: Arc<[ManagementUser]> = users.into();
        let access = ApiAccess::new(Arc::clone(&users), Arc::clone(&passwords)).accepting(foreign);
        let (admin, live) = provisioning.admin(access, metrics, shared.snapshots);
        let state = ManagementState {
            metrics: Arc::clone(metrics),
            readiness: Arc::clone(readiness),
            reload,
            access: Access::new(users, passwords),
            hosts: OwnHosts::new(&hosts),
            revocations: Arc::clone(&shared.common.revocations),
            notices: self.notices,
            snapshots: Arc::clone(shared.snapshots),
            clock: Arc::clone(clock),
            explaining: Explaining::new(shared.common.clone(), Arc::clone(in_force)),
            admin,
        };
        (state, live)
    }
}

/// The gates of the management listener and the control socket. In a takeover they stay closed: the
/// old process answers for now.
fn gates(predecessor: Option<&TakeoverLink>) -> [Arc<CallGate>; 2] {
    let gates = [(); 2].map(|()| Arc::<CallGate>::default());
    if predecessor.is_none() {
        for gate in &gates {
            gate.open();
        }
    }
    gates
}

impl ControlSide {
    pub(super) fn start(
        wanted: ManagementWanted,
        management: Option<BoundManagement>,
        predecessor: Option<&TakeoverLink>,
        (state_dir, shared): (&Path, &WorkerShared<'_>),
        readiness: &Arc<Readiness>,
        provisioning: &Provisioning,
    ) -> Result<Self, SuperviseError> {
        let [gate, control] = gates(predecessor);
        let (reload, reloads) = mpsc::channel(RELOAD_QUEUE);
        let in_force = Arc::<InForce>::default();
        let (state, live) =
            wanted.state(shared, readiness, reload.clone(), &in_force, provisioning);
        let state = Arc::new(state);
        let mut tasks = JoinSet::new();
        // in a takeover the old process has the place for now
        let bound = control.is_open().then(|| control::ControlSocket::bind(state_dir, &control));
        let bound = bound.and_then(|bound| {
            bound.inspect_err(|error| control::unavailable(state_dir, error)).ok()
        });
        tasks.spawn(control::serve(
            state_dir.to_owned(),
            bound,
            Arc::clone(&state),
            Arc::clone(&control),
        ));
        if let Some((socket, tls)) = management {
            let socket = tokio::net::TcpListener::from_std(socket).map_err(|source| {
                bind_error("management", SocketAddr::from(([0, 0, 0, 0], 0)), None, source)
            })?;
            tasks.spawn(server::serve(socket, tls, state, Arc::clone(&gate)));
        }
        Ok(Self { tasks, reload, reloads, live, in_force, gate, control })
    }
}
