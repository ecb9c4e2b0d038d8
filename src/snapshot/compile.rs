//! Model -> snapshot.
//!
//! Decides what of the last generation goes on: numbers of targets, series of operations, key managers that did not
//! change. Never touches what is in use: the new snapshot is published by whoever asked for it, or dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::assertion::{Assertions, UnusableKey};
use crate::backend::target_health::TargetHealths;
use crate::backend::{
    BackendGroup, CheckedTarget, CompiledTarget, TargetKey, TargetSlots, TargetTls,
};
use crate::fetch::trust::{self, TrustError};
use crate::introspect::Introspector;
use crate::jwks::KeyManagerKeys;
use crate::key_managers::{CompiledKeyManager, OnDemand, Organizations};
use crate::limiter::concurrency::ConcurrencyLimit;
use crate::limiter::counters::Counters;
use crate::limiter::shared::SharedLimiter;
use crate::model::Model;
use crate::model::api::Api;
use crate::model::backend::{Backend, BackendScheme, EjectRule, HealthRule, Http2, Target};
use crate::model::gateway::Gateway;
use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::names::{ApiName, KeyManagerSlot, Version};
use crate::model::provenance::Provenance;
use crate::model::removed_headers::RemovedHeaders;
use crate::route::RouteTable;
use crate::snapshot::kept::Kept;
use crate::snapshot::throttling::LimitCompiler;
use crate::snapshot::{BySlot, CompiledApi, CompiledOperation, Snapshot};
use crate::telemetry::{Fragment, Metrics, UNMATCHED_OPERATION, operation_label};

/// Makes snapshots, one after the other, and remembers what they share.
#[derive(Debug)]
pub struct Compiler {
    metrics: Arc<Metrics>,
    workers: usize,
    generation: u64,
    slots: TargetSlots,
    /// Of the last snapshot.
    key_managers: HashMap<KeyManagerSlot, Arc<CompiledKeyManager>>,
    healths: Kept<HealthKey, TargetHealths>,
    /// By API and version.
    limits: Kept<(ApiName, Version), ConcurrencyLimit>,
    /// `None`: templates serve what they list and nothing else.
    on_demand: Option<OnDemand>,
    counters: Arc<Counters>,
    limiter: Arc<SharedLimiter>,
    /// Long counts are kept in `state_dir`.
    kept: bool,
}

/// The identity of a target's health: address, path and rules.
type HealthKey = (TargetKey, String, Option<HealthRule>, Option<EjectRule>);

/// A model that passed every check and still cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the TLS settings of backend {target} cannot be used")]
    Trust {
        target: String,
        #[source]
        source: TrustError,
    },
    #[error("[backend_jwt] cannot be used")]
    BackendJwt(#[from] UnusableKey),
    #[error("the `credentials.key` of a key manager cannot be used")]
    Credentials(#[source] UnusableKey),
    #[error("backend host {host:?} is not a valid name")]
    Host { host: String },
}

impl Compiler {
    pub fn new(metrics: Arc<Metrics>, workers: usize) -> Self {
        Self {
            metrics,
            workers: workers.max(1),
            generation: 0,
            slots: TargetSlots::default(),
            key_managers: HashMap::new(),
            limits: Kept::default(),
            healths: Kept::default(),
            on_demand: None,
            counters: Arc::new(Counters::unkept()),
            limiter: Arc::default(),
            kept: false,
        }
    }

    /// With a way to start key sets of organizations that nobody listed.
    #[must_use]
    pub fn starting(self, on_demand: OnDemand) -> Self {
        Self { on_demand: Some(on_demand), ..self }
    }

    /// With the counters of the process, whose long counts are kept, and the way to those of all gateways.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>, limiter: Arc<SharedLimiter>) -> Self {
        Self { counters, limiter, kept: true, ..self }
    }

    /// Compiles the next generation. `keys` stand in the order of the model's key managers.
    pub fn compile(
        &mut self,
        model: Model,
        keys: Vec<Arc<KeyManagerKeys>>,
    ) -> Result<Snapshot, CompileError> {
        let routes = RouteTable::build(&model.apis);
        let compiler = LimitCompiler {
            counters: &self.counters,
            limiter: &self.limiter,
            shared: model.throttling.shared.as_ref(),
            metrics: &self.metrics,
            kept: self.kept,
        };
        let throttling = Arc::new(compiler.compile(&model.throttling, &model.apis));
        let removed = Arc::new(removed(&model.gateway));
        let mut apis = Vec::with_capacity(model.apis.len());
        for api in model.apis {
            apis.push(Arc::new(self.api(api, &removed)?));
        }
        let assertions = model.backend_jwt.as_ref().map(Assertions::new).transpose()?.map(Arc::new);
        let checked = checked(&apis);
        let key_managers = self.key_managers(model.key_managers, keys)?;
        let mut issuers = HashMap::new();
        let mut learning = Vec::new();
        for key_manager in key_managers.iter().filter(|key_manager| key_manager.definition.enabled)
        {
            match &key_manager.definition.issuer {
                Some(issuer) => {
                    issuers
                        .entry(issuer.as_str().into())
                        .or_insert_with(Vec::new)
                        .push(key_manager.slot);
                }
                None if key_manager.definition.keys == KeySource::None => {}
                None => learning.push(key_manager.slot),
            }
        }
        self.generation = self.generation.saturating_add(1);
        self.key_managers = key_managers.iter().map(|own| (own.slot, Arc::clone(own))).collect();
        self.healths.forget_unused();
        self.limits.forget_unused();
        let templates = key_managers_with_organizations(&key_managers);
        Ok(Snapshot {
            generation: self.generation,
            files: model.files,
            routes,
            apis: BySlot::new(apis, |api| api.slot.position()),
            key_managers: BySlot::new(key_managers, |key_manager| key_manager.slot.position()),
            directory: model.directory,
            limits: model.limits,
            throttling,
            trusted_proxies: model.gateway.trusted_proxies,
            dpop_nonce_key: model.gateway.dpop_nonce_key,
            errors: model.errors,
            assertions,
            checked,
            unrouted: self.metrics.unrouted(),
            templates,
            issuers,
            learning,
        })
    }

    fn api(
        &mut self,
        definition: Api,
        removed: &Arc<RemovedHeaders>,
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
            let address = target.host.parse::<IpAddr>().ok().filter(|_| target.service.is_none());
            targets.push(Arc::new(CompiledTarget {
                slot,
                healths: self.health(key, target, backend),
                address: address.map(|address| SocketAddr::new(address, target.port)),
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

    /// A target with the same rules keeps what is known of it.
    fn health(&mut self, key: TargetKey, target: &Target, backend: &Backend) -> Arc<TargetHealths> {
        let key = (key, target.base_path.clone(), backend.health.clone(), backend.eject);
        self.healths.get_or(key, |_| true, TargetHealths::default)
    }

    /// A key manager that did not change (its place in the file aside) keeps its `Arc`, and with it the verdicts that
    /// workers remember.
    fn key_managers(
        &self,
        definitions: Vec<KeyManager>,
        keys: Vec<Arc<KeyManagerKeys>>,
    ) -> Result<Vec<Arc<CompiledKeyManager>>, CompileError> {
        let mut compiled = Vec::with_capacity(definitions.len());
        for (definition, keys) in definitions.into_iter().zip(keys) {
            let slot = definition.slot();
            let earlier = self.key_managers.get(&slot);
            let same = earlier.filter(|earlier| {
                Arc::ptr_eq(&earlier.keys, &keys)
                    && without_place(&earlier.definition) == without_place(&definition)
            });
            compiled.push(match same {
                Some(earlier) => Arc::clone(earlier),
                None => {
                    let introspector = Introspector::of(&definition, &keys, || {
                        self.metrics.introspection(definition.name.as_str())
                    })
                    .map_err(CompileError::Credentials)?;
                    let organizations = self
                        .on_demand
                        .as_ref()
                        .and_then(|starter| Organizations::new(slot, &definition, starter));
                    Arc::new(CompiledKeyManager::new(
                        slot,
                        definition,
                        keys,
                        introspector,
                        organizations,
                    ))
                }
            });
        }
        Ok(compiled)
    }
}

/// What no client's request takes to a backend, the header of certificates included.
fn removed(gateway: &Gateway) -> RemovedHeaders {
    let certificate = gateway.trusted_proxies.certificate.as_ref();
    let names = gateway.remove_request_headers.iter().map(String::as_str);
    RemovedHeaders::new(names.chain(certificate.map(|header| header.name.as_str())))
}

fn key_managers_with_organizations(
    key_managers: &[Arc<CompiledKeyManager>],
) -> Vec<KeyManagerSlot> {
    key_managers
        .iter()
        .filter(|key_manager| key_manager.organizations.is_some())
        .map(|key_manager| key_manager.slot)
        .collect()
}

fn checked(apis: &[Arc<CompiledApi>]) -> Vec<CheckedTarget> {
    let mut checked: Vec<CheckedTarget> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for group in apis.iter().flat_map(|api| [&api.production, &api.sandbox]).flatten() {
        let Some(rule) = group.health.clone().map(Arc::new) else { continue };
        let new = group.all().filter(|target| known.insert(Arc::as_ptr(&target.healths)));
        checked.extend(
            new.map(|target| CheckedTarget { target: Arc::clone(target), rule: Arc::clone(&rule) }),
        );
    }
    checked
}

fn without_place(key_manager: &KeyManager) -> KeyManager {
    KeyManager { place: Provenance::default(), ..key_manager.clone() }
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

#[cfg(test)]
mod tests;
