//! APIs with their backends -> the routes of a snapshot.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::backend::target_health::TargetHealths;
use crate::backend::{BackendGroup, CheckedTarget, CompiledTarget, TargetKey, TargetTls};
use crate::fetch::trust;
use crate::limiter::concurrency::ConcurrencyLimit;
use crate::model::api::Api;
use crate::model::backend::{Backend, BackendScheme, Http2, Target};
use crate::route::RouteTable;
use crate::snapshot::compile::{CompileError, Compiler};
use crate::snapshot::parts::Routes;
use crate::snapshot::state::ApisState;
use crate::snapshot::{BySlot, CompiledApi, CompiledOperation};
use crate::telemetry::{Fragment, UNMATCHED_OPERATION, operation_label};

impl Compiler {
    pub(super) fn routes(&mut self, state: ApisState) -> Result<Routes, CompileError> {
        let ApisState { apis: definitions, removed, throttling } = state;
        let table = RouteTable::build(&definitions);
        let removed = Arc::new(removed);
        let mut apis = Vec::with_capacity(definitions.len());
        for definition in definitions {
            apis.push(Arc::new(self.api(definition, &removed)?));
        }
        let checked = checked(&apis);
        let unrouted = self.metrics.unrouted();
        let apis = BySlot::new(apis, |api| api.slot.position());
        Ok(Routes { table, apis, checked, unrouted, removed, throttling })
    }

    fn api(
        &mut self,
        definition: Api,
        removed: &Arc<crate::model::removed_headers::RemovedHeaders>,
    ) -> Result<CompiledApi, CompileError> {
        let removed = Arc::clone(removed);
        let production =
            definition.production.as_ref().map(|backend| self.backend(backend)).transpose()?;
        let sandbox =
            definition.sandbox.as_ref().map(|backend| self.backend(backend)).transpose()?;
        let (name, version) = (definition.name.as_str(), definition.version.as_str());
        let operations = definition
            .operations
            .iter()
            .map(|operation| CompiledOperation {
                series: self.metrics.operation(name, version, operation_label(operation)),
                logged: Fragment::default(),
            })
            .collect();
        let unmatched = self.metrics.operation(name, version, UNMATCHED_OPERATION);
        let gate = self.gate(&definition);
        Ok(CompiledApi {
            slot: definition.slot(),
            definition,
            removed,
            gate,
            operations,
            unmatched,
            production,
            sandbox,
        })
    }

    fn gate(&mut self, definition: &Api) -> Option<Arc<ConcurrencyLimit>> {
        let rule = definition.concurrency?;
        let key = (definition.name.clone(), definition.version.clone());
        let same = |limit: &ConcurrencyLimit| limit.rule == rule;
        Some(self.limits.get_or(key, same, || ConcurrencyLimit::new(rule)))
    }

    fn backend(&mut self, backend: &Backend) -> Result<BackendGroup, CompileError> {
        let mut all = backend.targets.iter().chain(&backend.failover);
        let secure = all.any(|target| target.scheme == BackendScheme::Https);
        let config = if secure { Some(client_config(backend)?) } else { None };
        let targets = self.targets(backend, &backend.targets, config.as_ref())?;
        let failover = self.targets(backend, &backend.failover, config.as_ref())?;
        Ok(BackendGroup::new(backend, targets, failover))
    }

    fn targets(
        &mut self,
        backend: &Backend,
        wanted: &[Target],
        config: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Vec<Arc<CompiledTarget>>, CompileError> {
        let mut targets = Vec::with_capacity(wanted.len());
        for target in wanted {
            let tls = match (config, target.scheme) {
                (Some(config), BackendScheme::Https) => {
                    let name = backend.tls.server_name.as_deref().unwrap_or(&target.host);
                    let server_name = ServerName::try_from(name.to_owned())
                        .map_err(|_| CompileError::Host { host: name.to_owned() })?;
                    Some(TargetTls { config: Arc::clone(config), server_name })
                }
                _ => None,
            };
            let authority = target.authority();
            let host = || CompileError::Host { host: target.host.clone() };
            let key = TargetKey::new(target, backend);
            let slot = self.slots.lease(&key);
            let address = target.host.parse::<IpAddr>().ok().filter(|address| {
                target.service.is_none()
                    && backend.networks.as_ref().is_none_or(|rule| rule.permits(*address))
            });
            targets.push(Arc::new(CompiledTarget {
                slot,
                healths: self.health(key, target, backend),
                address: address.map(|address| SocketAddr::new(address, target.port)),
                networks: backend.networks.clone(),
                http2: backend.http2,
                ping_interval: backend.http2_ping_interval,
                uri_authority: Authority::try_from(authority.as_str()).map_err(|_| host())?,
                label: format!("{}://{authority}", target.scheme.as_str()).into(),
                authority: HeaderValue::try_from(authority).map_err(|_| host())?,
                definition: target.clone(),
                tls,
                idle_per_worker: backend.idle_connections.div_ceil(self.workers),
            }));
        }
        Ok(targets)
    }

    /// Returns the health of a target; one with the same rules keeps its state.
    fn health(&mut self, key: TargetKey, target: &Target, backend: &Backend) -> Arc<TargetHealths> {
        let key = (key, target.base_path.clone(), backend.health.clone(), backend.eject);
        self.healths.get_or(key, |_| true, TargetHealths::default)
    }
}

fn checked(apis: &[Arc<CompiledApi>]) -> Vec<CheckedTarget> {
    let mut checked: Vec<CheckedTarget> = Vec::new();
    let mut known = HashSet::new();
    for group in apis.iter().flat_map(|api| [&api.production, &api.sandbox]).flatten() {
        let Some(rule) = group.health.clone().map(Arc::new) else { continue };
        let new = group.all().filter(|target| known.insert(Arc::as_ptr(&target.healths)));
        checked.extend(
            new.map(|target| CheckedTarget { target: Arc::clone(target), rule: Arc::clone(&rule) }),
        );
    }
    checked
}

fn client_config(backend: &Backend) -> Result<Arc<rustls::ClientConfig>, CompileError> {
    let tls = &backend.tls;
    let config = trust::client_config(tls.ca.as_ref(), tls.client_certificate.as_ref());
    let mut config = config.map_err(|source| CompileError::Trust {
        target: backend.targets.first().map(Target::authority).unwrap_or_default(),
        source,
    })?;
    config.alpn_protocols = match backend.http2 {
        Http2::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http2::Always => vec![b"h2".to_vec()],
        Http2::Never => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}
