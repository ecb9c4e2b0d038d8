//! Whether a caller may call: consumer key -> application -> subscription -> scopes -> audience.
//!
//! Decides by the snapshot and the proof of the step before, and touches nothing else. The order of
//! the checks is WSO2's: an unsubscribed application with a wrong scope is told of the
//! subscription.

mod foreign_keys;

use std::cell::OnceCell;
use std::rc::Rc;

pub use crate::authorize::foreign_keys::holders_elsewhere;

use crate::authenticate::{CallerNames, Principal};
use crate::key_managers::CompiledKeyManager;
use crate::model::api::{AuthScheme, BindingRule, SubscriptionRule};
use crate::model::application::{KeyType, SubscriptionState};
use crate::model::directory::{ApplicationView, KeyOwner};
use crate::model::policy::PolicyIndex;
use crate::model::reason::Reason;
use crate::snapshot::{CompiledApi, Routed, Snapshot};

/// The third proof of the walk: this caller may use this operation, with a key of this type.
#[derive(Debug, Clone)]
pub struct Grant<'s> {
    routed: Routed<'s>,
    principal: Option<Principal>,
    application: Option<ApplicationView<'s>>,
    /// The policy of the subscription, if there is one.
    subscription: Option<PolicyIndex>,
    key_type: KeyType,
    /// The first rule that the request breaks, and that is only observed.
    observed: Option<AuthorizationError>,
    /// Looked up once, when it is asked for.
    caller: OnceCell<Rc<CallerNames>>,
}

/// The reason for which a caller may not call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    #[error("the token has no consumer key in the claim configured for its key manager")]
    ConsumerKeyMissing,
    #[error("no application has this consumer key of this key manager")]
    ConsumerKeyUnknown,
    #[error("the application is of an organization, and the token says none")]
    OrganizationMissing,
    #[error("the token is of another organization than the application")]
    OrganizationMismatch,
    #[error("the application is not subscribed to this API")]
    NotSubscribed,
    #[error("the subscription is blocked")]
    SubscriptionBlocked,
    #[error("the subscription is on hold or was rejected")]
    SubscriptionInactive,
    #[error("the API takes only bound tokens, and this one is not")]
    NotBound,
    #[error("the token has none of the operation's scopes")]
    InsufficientScope,
    #[error("the token is not meant for its key manager's `audiences` (aud)")]
    KeyManagerAudience,
    #[error("the token is not meant for this API (aud)")]
    Audience,
    #[error("a production key, and the API has no production backend")]
    NoProductionBackend,
    #[error("a sandbox key, and the API has no sandbox backend")]
    NoSandboxBackend,
}

impl AuthorizationError {
    pub fn reason(self) -> Reason {
        match self {
            Self::ConsumerKeyMissing => Reason::ConsumerKeyMissing,
            Self::ConsumerKeyUnknown => Reason::ConsumerKeyUnknown,
            Self::OrganizationMissing => Reason::OrganizationMissing,
            Self::OrganizationMismatch => Reason::OrganizationMismatch,
            Self::NotSubscribed => Reason::NotSubscribed,
            Self::SubscriptionBlocked => Reason::SubscriptionBlocked,
            Self::SubscriptionInactive => Reason::SubscriptionInactive,
            Self::NotBound => Reason::TokenNotBound,
            Self::InsufficientScope => Reason::InsufficientScope,
            Self::KeyManagerAudience => Reason::TokenAudience,
            Self::Audience => Reason::AudienceRefused,
            Self::NoProductionBackend => Reason::NoProductionBackend,
            Self::NoSandboxBackend => Reason::NoSandboxBackend,
        }
    }
}

/// Grants an operation that is open (`auth = "none"`). Returns `None` for all others.
pub fn open(routed: Routed<'_>) -> Option<Result<Grant<'_>, AuthorizationError>> {
    if routed.operation().auth != AuthScheme::None {
        return None;
    }
    // an open operation has no key: production if the API has it, as in WSO2
    let key_type =
        if routed.api().production.is_some() { KeyType::Production } else { KeyType::Sandbox };
    Some(with_backend(Grant {
        routed,
        principal: None,
        application: None,
        subscription: None,
        key_type,
        observed: None,
        caller: OnceCell::new(),
    }))
}

/// Grants an operation to a principal.
pub fn authorize<'s>(
    snapshot: &'s Snapshot,
    routed: Routed<'s>,
    principal: Principal,
) -> Result<Grant<'s>, AuthorizationError> {
    let rules = &principal.key_manager().definition.rules;
    let observes = rules.observe || routed.observes();
    let mut broken = BrokenRules { observes, first: None };
    if rules.observe && !rules.accepts(principal.claims().audiences()) {
        broken.pass(AuthorizationError::KeyManagerAudience)?;
    }
    if routed.api().definition.binding == BindingRule::Required && !principal.is_bound() {
        broken.pass(AuthorizationError::NotBound)?;
    }
    let key_manager = principal.key_manager();
    let caller = caller(snapshot, routed.api(), key_manager, &principal, &mut broken)?;
    let operation = routed.operation();
    if !operation.scopes.is_empty()
        && !operation.scopes.iter().any(|scope| principal.has_scope(scope.as_str()))
    {
        broken.pass(AuthorizationError::InsufficientScope)?;
    }
    let wanted = &routed.api().definition.audiences;
    if !wanted.is_empty()
        && !principal.claims().audiences().iter().any(|audience| wanted.contains(audience))
    {
        broken.pass(AuthorizationError::Audience)?;
    }
    let (key_type, application, subscription) = caller
        .map_or((KeyType::Production, None, None), |caller| {
            (caller.owner.key_type, caller.application, caller.subscription)
        });
    let (principal, observed) = (Some(principal), broken.first);
    let caller = OnceCell::new();
    with_backend(Grant { routed, principal, application, subscription, key_type, observed, caller })
}

/// The consequences of rules that a request breaks.
struct BrokenRules {
    observes: bool,
    first: Option<AuthorizationError>,
}

impl BrokenRules {
    /// Lets a request pass that breaks a rule, if that is only observed.
    fn pass(&mut self, error: AuthorizationError) -> Result<(), AuthorizationError> {
        if !self.observes || !Reason::OBSERVABLE.contains(&error.reason()) {
            return Err(error);
        }
        self.first.get_or_insert(error);
        Ok(())
    }
}

/// Tells whether the caller of a long stream would still be subscribed, with a key of the same
/// type. `observed` means that the stream began although it was not, at an operation that observes.
pub fn still(
    snapshot: &Snapshot,
    api: &CompiledApi,
    key_manager: &CompiledKeyManager,
    principal: &Principal,
    key_type: KeyType,
    observed: bool,
) -> bool {
    let definition = &api.definition;
    let observes = definition.observes()
        || key_manager.definition.rules.observe
        || observed && definition.operations.iter().any(|operation| operation.observe);
    let mut broken = BrokenRules { observes, first: None };
    match caller(snapshot, api, key_manager, principal, &mut broken) {
        Ok(Some(caller)) => caller.owner.key_type == key_type,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// A key, its application, and the policy of the application's subscription.
struct KeyHolder<'s> {
    owner: KeyOwner,
    application: Option<ApplicationView<'s>>,
    subscription: Option<PolicyIndex>,
}

/// Returns the application's key, with a subscription that allows the call. Returns `None` if an
/// API requires no subscription and the token's client is missing or unknown.
fn caller<'s>(
    snapshot: &'s Snapshot,
    api: &CompiledApi,
    key_manager: &CompiledKeyManager,
    principal: &Principal,
    broken: &mut BrokenRules,
) -> Result<Option<KeyHolder<'s>>, AuthorizationError> {
    let required = api.definition.subscription == SubscriptionRule::Required;
    let Some(consumer_key) = principal.consumer_key() else {
        if required {
            broken.pass(AuthorizationError::ConsumerKeyMissing)?;
        }
        return Ok(None);
    };
    let Some(mapping) = key_manager.find(&snapshot.directory, consumer_key) else {
        if required {
            broken.pass(AuthorizationError::ConsumerKeyUnknown)?;
        }
        return Ok(None);
    };
    let application = snapshot.directory.application(mapping.application);
    organization(application.as_ref(), principal)?;
    match application.and_then(|application| application.subscription(api.slot)) {
        Some(subscription) => {
            state(subscription.state, mapping.key_type)?;
            let subscription = Some(subscription.policy);
            Ok(Some(KeyHolder { owner: mapping, application, subscription }))
        }
        None => {
            if required {
                broken.pass(AuthorizationError::NotSubscribed)?;
            }
            Ok(Some(KeyHolder { owner: mapping, application, subscription: None }))
        }
    }
}

/// An application of an organization is used with that organization's tokens and no others.
fn organization(
    application: Option<&ApplicationView<'_>>,
    principal: &Principal,
) -> Result<(), AuthorizationError> {
    let Some(wanted) = application.and_then(|application| application.organization) else {
        return Ok(());
    };
    match principal.organization() {
        Some(named) if named == wanted => Ok(()),
        Some(_) => Err(AuthorizationError::OrganizationMismatch),
        None => Err(AuthorizationError::OrganizationMissing),
    }
}

fn state(state: SubscriptionState, key_type: KeyType) -> Result<(), AuthorizationError> {
    match (state, key_type) {
        (SubscriptionState::Unblocked, _)
        | (SubscriptionState::ProdOnlyBlocked, KeyType::Sandbox) => Ok(()),
        (SubscriptionState::Blocked, _)
        | (SubscriptionState::ProdOnlyBlocked, KeyType::Production) => {
            Err(AuthorizationError::SubscriptionBlocked)
        }
        (SubscriptionState::OnHold | SubscriptionState::Rejected, _) => {
            Err(AuthorizationError::SubscriptionInactive)
        }
    }
}

fn with_backend(grant: Grant<'_>) -> Result<Grant<'_>, AuthorizationError> {
    let api = grant.routed.api();
    match grant.key_type {
        KeyType::Production if api.production.is_none() => {
            Err(AuthorizationError::NoProductionBackend)
        }
        KeyType::Sandbox if api.sandbox.is_none() => Err(AuthorizationError::NoSandboxBackend),
        KeyType::Production | KeyType::Sandbox => Ok(grant),
    }
}

impl<'s> Grant<'s> {
    pub fn routed(&self) -> &Routed<'s> {
        &self.routed
    }

    /// `None` for an open operation.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// `None` for an open operation, and if no subscription is required and the key belongs to no
    /// application.
    pub fn application(&self) -> Option<ApplicationView<'s>> {
        self.application
    }

    /// The names of the token's application, which outlive the snapshot; `None` without a token or
    /// an application.
    pub fn caller(&self) -> Option<&Rc<CallerNames>> {
        let (principal, known) = self.principal.as_ref().zip(self.application.as_ref())?;
        let find = || principal.caller(known.name, known.owner, self.key_type);
        Some(self.caller.get_or_init(find))
    }

    /// The policy of the subscription; `None` if there is no subscription.
    pub fn subscription(&self) -> Option<PolicyIndex> {
        self.subscription
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The first rule that the request breaks. It is forwarded all the same.
    pub fn observed(&self) -> Option<AuthorizationError> {
        self.observed
    }
}
