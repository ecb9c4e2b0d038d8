//! The state that a snapshot is compiled from, in the parts that it is made of.

use std::sync::Arc;

use crate::jwks::KeyManagerKeys;
use crate::model::KeyManagerTemplate;
use crate::model::Model;
use crate::model::api::Api;
use crate::model::backend_jwt::BackendJwt;
use crate::model::directory::Directory;
use crate::model::gateway::{ClientLimits, ErrorFormat, Gateway};
use crate::model::key_manager::KeyManager;
use crate::model::policy::Throttling;
use crate::model::provenance::SourceFiles;
use crate::model::proxies::TrustedProxies;
use crate::model::removed_headers::RemovedHeaders;
use crate::model::secret::SecretKey;

/// All parts.
#[derive(Debug)]
pub struct SnapshotState {
    pub(super) settings: SettingsState,
    pub(super) apis: ApisState,
    pub(super) key_managers: KeyManagersState,
    pub(super) directory: Directory,
}

/// A part of a snapshot that is replaced.
#[derive(Debug)]
pub enum SnapshotChange {
    Settings(Box<SettingsState>),
    Apis(Box<ApisState>),
    KeyManagers(KeyManagersState),
    /// Costs nothing but the swap: a directory is ready to be read.
    Directory(Directory),
}

/// The settings that every request uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsState {
    pub files: SourceFiles,
    /// The parts that were left out because they are broken, with the reasons.
    pub quarantined: Vec<String>,
    pub limits: ClientLimits,
    pub trusted_proxies: TrustedProxies,
    pub dpop_nonce_key: Option<SecretKey>,
    pub errors: ErrorFormat,
    pub backend_jwt: Option<BackendJwt>,
}

#[derive(Debug)]
pub struct ApisState {
    pub(super) apis: Vec<Api>,
    /// Headers of clients that no backend gets.
    pub(super) removed: RemovedHeaders,
    /// Limits are compiled with the APIs, for which they count.
    pub(super) throttling: Throttling,
}

#[derive(Debug)]
pub struct KeyManagersState {
    pub(super) definitions: Vec<KeyManager>,
    /// The key sets, in the order of the definitions.
    pub(super) keys: Vec<Arc<KeyManagerKeys>>,
    pub(super) templates: Vec<KeyManagerTemplate>,
}

impl SnapshotState {
    pub fn of(model: Model, keys: Vec<Arc<KeyManagerKeys>>) -> Self {
        let removed = removed(&model.gateway);
        Self {
            settings: SettingsState {
                files: model.files,
                quarantined: model.quarantined,
                limits: model.limits,
                trusted_proxies: model.gateway.trusted_proxies,
                dpop_nonce_key: model.gateway.dpop_nonce_key,
                errors: model.errors,
                backend_jwt: model.backend_jwt,
            },
            apis: ApisState { apis: model.apis, removed, throttling: model.throttling },
            key_managers: KeyManagersState {
                definitions: model.key_managers,
                keys,
                templates: model.templates,
            },
            directory: model.directory,
        }
    }
}

/// Returns the headers that are removed from all clients' requests, including that of certificates.
fn removed(gateway: &Gateway) -> RemovedHeaders {
    let certificate = gateway.trusted_proxies.certificate.as_ref();
    let names = gateway.remove_request_headers.iter().map(String::as_str);
    RemovedHeaders::new(names.chain(certificate.map(|header| header.name.as_str())))
}
