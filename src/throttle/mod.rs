//! Whether the caller may *now*.
//!
//! Only the policy "Unlimited" can be configured (`config` refuses every other by name), so every grant is admitted.
//! The step stands in the walk all the same: `forward` takes nothing but its proof.

use std::rc::Rc;

use crate::authenticate::{CallerNames, Principal};
use crate::authorize::Grant;
use crate::backend::BackendGroup;
use crate::backend::Turns;
use crate::model::application::KeyType;
use crate::snapshot::local::{LocalApi, LocalSnapshot};

/// The last proof of the walk, owned: what `forward` and the access log need after the snapshot was let go.
#[derive(Debug)]
pub struct Admitted {
    api: Rc<LocalApi>,
    position: usize,
    base_length: usize,
    key_type: KeyType,
    principal: Option<Principal>,
    caller: Option<Rc<CallerNames>>,
}

/// Admits a grant; `None` only if the snapshot is not the one that granted.
pub fn admit(snapshot: &LocalSnapshot, grant: &Grant<'_>) -> Option<Admitted> {
    let routed = grant.routed();
    Some(Admitted {
        api: snapshot.local_api(routed.api().index)?,
        position: routed.position(),
        base_length: routed.base_length(),
        key_type: grant.key_type(),
        principal: grant.principal().cloned(),
        caller: grant.principal().zip(grant.application()).map(|(principal, application)| {
            principal.caller(application.name, application.owner, grant.key_type())
        }),
    })
}

impl Admitted {
    pub fn api(&self) -> &Rc<LocalApi> {
        &self.api
    }

    /// The operation's position in its API.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes of the path stay here: the API's context and version.
    pub fn base_length(&self) -> usize {
        self.base_length
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    pub fn caller(&self) -> Option<&Rc<CallerNames>> {
        self.caller.as_ref()
    }

    /// The backend of this key's type, and this worker's turns on it.
    pub fn backend(&self) -> Option<(&BackendGroup, &Turns)> {
        let (group, turns) = match self.key_type {
            KeyType::Production => (self.api.production.as_ref(), &self.api.production_turns),
            KeyType::Sandbox => (self.api.sandbox.as_ref(), &self.api.sandbox_turns),
        };
        group.map(|group| (group, turns))
    }
}
