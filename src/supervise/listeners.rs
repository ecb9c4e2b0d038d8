//! Compares the sockets that a configuration needs with those that are open.

use std::sync::Arc;

use arc_swap::Guard;

use crate::listen::{ListenerSettings, ListenerSocket, server_config};
use crate::model::gateway::Listener;
use crate::supervise::error::{SuperviseError, bind_error};
use crate::supervise::inherited::Inherited;
use crate::telemetry::Metrics;

/// The open sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Vec<Arc<ListenerSocket>>,
}

/// The changes of a new configuration; nothing has changed yet.
#[derive(Debug)]
pub struct ListenerPlan {
    keep: Vec<(Arc<ListenerSocket>, ListenerSettings)>,
    new: Vec<Arc<ListenerSocket>>,
    close: Vec<Arc<ListenerSocket>>,
}

/// The changes that workers learn after a plan was applied.
#[derive(Debug)]
pub struct ListenerChanges {
    pub opened: Vec<Arc<ListenerSocket>>,
    pub closed: Vec<Arc<ListenerSocket>>,
}

impl Listeners {
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ListenerSocket>> {
        self.open.iter()
    }

    /// Binds new sockets that were not inherited.
    ///
    /// A socket with the same name and address stays, whatever else of the listener changed. A
    /// listener with a new name on an open address goes on with the socket of that address.
    pub fn plan(
        &self,
        wanted: &[Listener],
        inherited: &mut Inherited,
        metrics: &Metrics,
    ) -> Result<ListenerPlan, SuperviseError> {
        let mut plan = ListenerPlan { keep: Vec::new(), new: Vec::new(), close: Vec::new() };
        for definition in wanted {
            let open = self.open.iter().find(|socket| is_same(socket, definition));
            let renamed = self.open.iter().find(|socket| has_address(socket, definition));
            let current = open.or(renamed).map(|socket| socket.settings.load());
            let settings = settings(definition, current)?;
            match open {
                Some(socket) => plan.keep.push((Arc::clone(socket), settings)),
                None => {
                    let (name, address) = (definition.name.clone(), definition.address);
                    let series = metrics.listener(&name);
                    let bound = match (renamed, inherited.take(address)) {
                        (Some(socket), _) => socket.renamed(settings, series),
                        (None, Some(socket)) => ListenerSocket::on(socket, settings, series),
                        (None, None) => ListenerSocket::bind(settings, series),
                    };
                    plan.new.push(Arc::new(bound.map_err(|error| {
                        bind_error(&name, address, inherited.beside(address), error)
                    })?));
                }
            }
        }
        let kept = |socket: &Arc<ListenerSocket>| {
            plan.keep.iter().any(|(keep, _)| Arc::ptr_eq(keep, socket))
        };
        plan.close = self.open.iter().filter(|socket| !kept(socket)).cloned().collect();
        Ok(plan)
    }

    /// Puts a plan into effect.
    pub fn apply(&mut self, plan: ListenerPlan) -> ListenerChanges {
        let ListenerPlan { keep, new, close } = plan;
        self.open = Vec::with_capacity(keep.len().saturating_add(new.len()));
        for (socket, settings) in keep {
            socket.series.set_limit(settings.definition.max_connections);
            socket.settings.store(Arc::new(settings));
            self.open.push(socket);
        }
        for socket in &new {
            socket.series.set_limit(socket.settings.load().definition.max_connections);
        }
        self.open.extend(new.iter().cloned());
        ListenerChanges { opened: new, closed: close }
    }
}

fn is_same(socket: &ListenerSocket, definition: &Listener) -> bool {
    *socket.name == *definition.name && has_address(socket, definition)
}

/// Port 0 asks the system for a port, so the written address is compared.
fn has_address(socket: &ListenerSocket, definition: &Listener) -> bool {
    socket.settings.load().definition.address == definition.address
}

/// Unchanged certificates keep their TLS settings, and with them the session tickets that clients
/// hold.
fn settings(
    definition: &Listener,
    current: Option<Guard<Arc<ListenerSettings>>>,
) -> Result<ListenerSettings, SuperviseError> {
    let unchanged = current.filter(|current| {
        current.definition.tls == definition.tls
            && current.definition.protocols == definition.protocols
    });
    let tls = match (&definition.tls, unchanged) {
        (None, _) => None,
        (Some(_), Some(current)) => current.tls.clone(),
        (Some(tls), None) => {
            let config = server_config(tls, definition.protocols);
            Some(config.map_err(|source| SuperviseError::Tls {
                listener: definition.name.clone(),
                source,
            })?)
        }
    };
    Ok(ListenerSettings { definition: definition.clone(), tls })
}
