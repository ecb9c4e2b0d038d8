//! Opens the resources that only one process may have at a time: `state_dir`, the sockets, the
//! access log.

use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use crate::listen::{listen, server_config};
use crate::management::server::ManagementTls;
use crate::model::Model;
use crate::model::gateway::{ClientAuth, ListenerTls, ManagementSettings, Protocols};
use crate::state_dir::lock::Lock;
use crate::supervise::error::{SuperviseError, bind_error};
use crate::supervise::inherited::Inherited;
use crate::supervise::listeners::{ListenerPlan, Listeners};
use crate::supervise::own_folder::own_folder;
use crate::supervise::state_dir_turn::take_lock;
use crate::supervise::takeover_link::{Predecessor, TakeoverLink};
use crate::telemetry::{AccessLog, Metrics};

/// The resources of a gateway that has not served yet.
pub(super) struct HeldResources {
    /// The link to the process that this one takes over from.
    pub(super) predecessor: Option<TakeoverLink>,
    /// `None` in a takeover, while the old process holds it.
    pub(super) lock: Option<Lock>,
    pub(super) listeners: Listeners,
    pub(super) plan: ListenerPlan,
    pub(super) management: Option<BoundManagement>,
    pub(super) access_log: AccessLog,
}

/// The socket of the management listener, and its TLS.
pub(super) type BoundManagement = (TcpListener, Option<ManagementTls>);

impl HeldResources {
    pub(super) fn of(
        model: &Model,
        mut inherited: Inherited,
        metrics: &Metrics,
    ) -> Result<Self, SuperviseError> {
        let state_dir = &model.gateway.state_dir;
        own_folder(state_dir)?;
        let predecessor = inherited.predecessor.take().map(Predecessor::link).transpose();
        let predecessor = predecessor.map_err(SuperviseError::Predecessor)?;
        let lock = predecessor.is_none().then(|| take_lock(state_dir)).transpose()?;
        let listeners = Listeners::default();
        let plan = listeners.plan(&model.listeners, &mut inherited, metrics)?;
        let wanted = model.management.as_ref();
        let management =
            wanted.map(|wanted| bind_management(wanted, &mut inherited)).transpose()?;
        inherited.close_unused();
        let access_log = AccessLog::open(&model.telemetry.access_log)?;
        Ok(Self { predecessor, lock, listeners, plan, management, access_log })
    }
}

fn bind_management(
    management: &ManagementSettings,
    inherited: &mut Inherited,
) -> Result<BoundManagement, SuperviseError> {
    let tls = management_tls(management)?.map(|tls| Arc::new(ArcSwap::new(tls)));
    let socket = inherited.take(management.address).map_or_else(|| listen(management.address), Ok);
    let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    let passed = inherited.beside(management.address);
    let socket =
        socket.map_err(|error| bind_error("management", management.address, passed, error))?;
    tracing::info!(
        target: "portcullis::supervise",
        address = %management.address,
        "management listening",
    );
    Ok((socket, tls))
}

/// Makes the TLS of the management listener, from the files as they were read.
pub(super) fn management_tls(
    management: &ManagementSettings,
) -> Result<Option<Arc<ServerConfig>>, SuperviseError> {
    let tls = management.tls.as_ref().map(|pair| {
        let tls =
            ListenerTls { default: pair.clone(), by_name: Vec::new(), clients: ClientAuth::None };
        server_config(&tls, Protocols::Http1)
    });
    tls.transpose()
        .map_err(|source| SuperviseError::Tls { listener: "management".to_owned(), source })
}
