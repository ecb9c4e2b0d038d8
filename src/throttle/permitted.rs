//! A grant that outlives its snapshot.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::assertion::Assertions;
use crate::authenticate::{CallerNames, Principal};
use crate::authorize::Grant;
use crate::model::api::BodyStall;
use crate::model::application::KeyType;
use crate::model::gateway::ByteLimit;
use crate::snapshot::local::{LocalApi, LocalSnapshot};

/// An owned grant, with everything that later steps take from the snapshot. The snapshot itself is
/// let go, so that an old directory lives no longer than the decisions made on it.
#[derive(Debug)]
pub struct Permitted {
    api: Rc<LocalApi>,
    operation: usize,
    base_length: usize,
    key_type: KeyType,
    principal: Option<Principal>,
    caller: Option<Rc<CallerNames>>,
    /// The attributes, for the backend JWT only.
    attributes: Option<Box<str>>,
    body: BodyLimits,
    assertions: Option<Arc<Assertions>>,
}

/// The limits of one request's body: the API's own, or the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    pub size: ByteLimit,
    /// The longest time without a byte; `None` sets no limit.
    pub stall: Option<Duration>,
}

impl BodyLimits {
    /// Tells whether a body of this length is too large.
    pub fn refuses(self, bytes: u64) -> bool {
        matches!(self.size, ByteLimit::Bytes(most) if bytes > most)
    }
}

impl Permitted {
    /// Takes a grant out of its snapshot; `None` if another snapshot granted it.
    pub fn new(snapshot: &LocalSnapshot, grant: &Grant<'_>) -> Option<Self> {
        let routed = grant.routed();
        let definition = &routed.api().definition;
        let limits = &snapshot.settings.limits;
        Some(Self {
            api: snapshot.local_api(routed.api().slot)?,
            operation: routed.position(),
            base_length: routed.base_length(),
            key_type: grant.key_type(),
            principal: grant.principal().cloned(),
            caller: grant.caller().cloned(),
            attributes: grant
                .application()
                .filter(|_| definition.backend_jwt)
                .and_then(|application| application.attributes().map(Box::from)),
            body: BodyLimits {
                size: definition.max_body_bytes.unwrap_or(limits.max_body_bytes),
                stall: match definition.body_stall {
                    BodyStall::Limits => Some(limits.body_stall_timeout),
                    BodyStall::After(time) => Some(time),
                    BodyStall::Never => None,
                },
            },
            assertions: snapshot.settings.assertions.clone(),
        })
    }

    pub fn api(&self) -> &Rc<LocalApi> {
        &self.api
    }

    /// The operation's position in its API.
    pub fn operation(&self) -> usize {
        self.operation
    }

    /// The number of bytes of the path that the backend does not see: the API's context and
    /// version.
    pub fn base_length(&self) -> usize {
        self.base_length
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// `None` for an open operation.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// `None` for an open operation, and for a key that belongs to no application.
    pub fn caller(&self) -> Option<&Rc<CallerNames>> {
        self.caller.as_ref()
    }

    /// The application's attributes for a backend JWT, a JSON object of texts.
    pub fn attributes(&self) -> Option<&str> {
        self.attributes.as_deref()
    }

    pub fn body(&self) -> BodyLimits {
        self.body
    }

    /// `None` unless the operator has configured `[backend_jwt]`.
    pub fn assertions(&self) -> Option<&Assertions> {
        self.assertions.as_deref()
    }
}
