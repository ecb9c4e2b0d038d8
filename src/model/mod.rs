//! What an operator and a client mean: the nouns of the gateway, valid by construction.
//!
//! Decides nothing and touches nothing: no file, no socket, no clock. `config` makes these values
//! from `gateway.toml`, `snapshot` compiles them into tables, and the rooms of the request's walk
//! read those.
//!
//! The walk through the files: [`names`] (newtypes), [`identity`] (ids and slots), [`provenance`]
//! (where something was written), [`template`] (an operation's path), [`key_manager`],
//! [`KeyManagerTemplate`], [`organization`] (one of many issuers), [`token_handling`],
//! [`provisioning`] (who gets keys), [`network`] (where addresses of the management API may lead),
//! [`api`], [`cors`], [`backend`], [`backend_jwt`], [`application`] (with its keys and
//! subscriptions), [`directory`] (a million of them, packed), [`gateway`] (listeners, limits,
//! management, telemetry), [`proxies`] (who is believed about clients), [`policy`] (throttling),
//! [`quota_resets`] (counts that began anew), [`removed_headers`] (what ends at the gateway),
//! [`redis`], [`secret`], [`basic_credentials`] (credentials), [`rate`] (so many in a time),
//! [`reason`] (how exchanges end), [`store`], [`certificates`] (files whose certificates end),
//! [`clock`], [`access`] (who gains or loses what).

mod access;
pub mod api;
pub mod application;
pub mod backend;
pub mod backend_jwt;
mod basic_credentials;
pub mod certificates;
pub mod clock;
pub mod cors;
pub mod directory;
pub mod gateway;
pub mod identity;
pub mod key_manager;
mod key_manager_template;
pub mod names;
pub mod network;
pub mod organization;
pub mod policy;
pub mod provenance;
pub mod provisioning;
pub mod proxies;
mod quota_resets;
mod quoted;
pub mod rate;
pub mod reason;
pub mod redis;
pub mod removed_headers;
mod revocation_scope;
pub mod secret;
pub mod store;
pub mod template;
pub mod throttling;
pub mod token_handling;

pub use access::{AccessChange, AccessDifference, AccessHolder, AccessState, AccessTurn, Among};
pub use basic_credentials::BasicCredentials;
pub use key_manager_template::KeyManagerTemplate;
pub use quota_resets::{QuotaResets, ResetRefused};
pub use quoted::{UnquotedParts, split_unquoted};

use crate::model::api::Api;
use crate::model::backend_jwt::BackendJwt;
use crate::model::directory::Directory;
use crate::model::gateway::{
    ClientLimits, ErrorFormat, Gateway, Listener, ManagementSettings, PortalSettings, Telemetry,
};
use crate::model::key_manager::KeyManager;
use crate::model::policy::Throttling;
use crate::model::provenance::SourceFiles;
use crate::model::redis::RedisServer;
use crate::model::store::{StoreLocation, StoreSettings};

/// The whole content of a `gateway.toml` and the files that it names. Cross references are
/// resolved: an index in one part is valid in the part that it points to.
#[derive(Debug)]
pub struct Model {
    /// The files that were read; [`provenance::Provenance`] points into them.
    pub files: SourceFiles,
    /// The parts that were left out because they are broken, with the reasons.
    pub quarantined: Vec<String>,
    pub gateway: Gateway,
    pub store: StoreSettings,
    pub listeners: Vec<Listener>,
    pub limits: ClientLimits,
    /// `None` if `[management]` is missing; then no management listener is opened.
    pub management: Option<ManagementSettings>,
    pub portal: PortalSettings,
    /// True if WSO2 Identity Server may send notices of revoked tokens.
    pub revocation_notices: bool,
    /// The channel on which gateways share revocations.
    pub revocation_channel: Option<RedisServer>,
    pub backend_jwt: Option<BackendJwt>,
    /// Disabled ones are included, so that a key can still name them.
    pub key_managers: Vec<KeyManager>,
    /// Their listed organizations stand among the key managers.
    pub templates: Vec<KeyManagerTemplate>,
    pub apis: Vec<Api>,
    pub directory: Directory,
    pub throttling: Throttling,
    pub errors: ErrorFormat,
    pub telemetry: Telemetry,
}

impl Model {
    /// Tells whether objects of a store are served beside those of the files.
    pub fn has_store(&self) -> bool {
        self.management.as_ref().is_some_and(ManagementSettings::somebody_may_sign_in)
            && self.store.location != StoreLocation::None
    }
}
