//! The second proof of the walk: a verified token, with its claims.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::authenticate::binding::Binding;
use crate::authenticate::caller_names::CallerNames;
use crate::introspect::IntrospectionPurpose;
use crate::jwt::{self, Claims, Rejection};
use crate::key_managers::CompiledKeyManager;
use crate::model::application::KeyType;
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::key_manager::ClaimNames;
use crate::model::secret::Secret;
use crate::revocation::record::Mark;
use crate::revocation::{Ground, Marks, Revocations};
use crate::revocation::{HolderNames, Holders};
use crate::telemetry::TokenHash;

/// A caller whose token was verified. Only `authenticate` makes one.
#[derive(Debug, Clone)]
pub struct Principal {
    verdict: Rc<Verdict>,
}

/// The verdict on a token; true for as long as the key manager and its keys stay as they are.
#[derive(Debug)]
pub(super) struct Verdict {
    key_manager: Arc<CompiledKeyManager>,
    basis: Basis,
    claims: Claims,
    consumer_key: Option<Box<str>>,
    scopes: Box<[Box<str>]>,
    token_hash: TokenHash,
    binding: Binding,
    marks: Marks,
    /// The token, kept only if its server is asked again.
    token: Option<Secret>,
    bytes: u64,
    caller: RefCell<Option<Rc<CallerNames>>>,
}

/// The size of an entry: a place in the cache, its share of the index, the strings of log lines,
/// and allocation overhead.
const PLACE_BYTES: usize = 1_024;

/// The basis of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The key manager's keys of this generation.
    Signature { generation: u64 },
    /// The server's answer, until then by monotonic time, so that no clock can prolong it.
    Introspection { until: Moment },
    /// Both: the keys of this generation, and the server's confirmation until then.
    Confirmed { generation: u64, until: Moment },
}

/// The facts for asking a server again about a token.
#[derive(Debug)]
pub struct IntrospectionCheck {
    pub token: Secret,
    pub purpose: IntrospectionPurpose,
    /// The end of the last answer.
    pub until: Moment,
}

impl Verdict {
    pub(super) fn new(
        key_manager: Arc<CompiledKeyManager>,
        basis: Basis,
        token: &[u8],
        claims: Claims,
    ) -> Self {
        let names = &key_manager.definition.claims;
        // RFC 7662 names the client in one way, whatever the server's JWTs do
        let told = || {
            matches!(basis, Basis::Introspection { .. })
                .then(|| claims.get("client_id")?.as_str())
                .flatten()
        };
        let consumer_key = claims.consumer_key(names).or_else(told).map(Box::from);
        let scopes = scopes(basis, &claims, names);
        let asked_again = matches!(basis, Basis::Introspection { .. } | Basis::Confirmed { .. });
        let asked_again = asked_again.then(|| std::str::from_utf8(token).ok()).flatten();
        let binding = Binding::of(&claims);
        let client: Option<Box<str>> = consumer_key;
        let definition = &key_manager.definition;
        let names = holder_names(&claims, client.as_deref(), Some(token));
        let marks = Marks {
            token: Mark::of_token(token),
            own: Holders::of(&definition.revocation_scope(), names),
            family: definition.family_scope().map(|scope| Box::new(Holders::of(scope, names))),
            issued_at: claims.issued_at(),
        };
        let consumer_key = client;
        let bytes = bytes(token, &claims, consumer_key.as_deref(), &scopes);
        let caller = RefCell::default();
        Self {
            bytes,
            consumer_key,
            scopes,
            token_hash: short_hash(token),
            binding,
            marks,
            token: asked_again.map(|token| Secret::new(token.to_owned())),
            caller,
            key_manager,
            basis,
            claims,
        }
    }

    pub(super) fn key_manager(&self) -> &Arc<CompiledKeyManager> {
        &self.key_manager
    }

    pub(super) fn binding(&self) -> Binding {
        self.binding
    }

    /// Returns the memory of the verdict, with its token.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether the basis of this verdict still holds: the keys in use, or the time of an
    /// answer.
    pub(super) fn still_stands(&self, now: Moment) -> bool {
        match self.basis {
            Basis::Signature { generation } => self.is_signed_by(generation),
            Basis::Introspection { until } => now < until,
            Basis::Confirmed { generation, until } => now < until && self.is_signed_by(generation),
        }
    }

    fn is_signed_by(&self, generation: u64) -> bool {
        let state = self.key_manager.keys.current();
        state.generation == generation && state.keys.is_some()
    }

    pub(super) fn check_time(&self, now: UnixSeconds) -> Result<(), Rejection> {
        jwt::check_time(
            self.claims.expires_at(),
            self.claims.not_before(),
            &self.key_manager.definition.rules,
            now,
        )
    }
}

impl Principal {
    pub(super) fn new(verdict: Rc<Verdict>) -> Self {
        Self { verdict }
    }

    pub fn key_manager(&self) -> &Arc<CompiledKeyManager> {
        &self.verdict.key_manager
    }

    /// The client that the token was issued to, from the claim configured for its key manager.
    pub fn consumer_key(&self) -> Option<&str> {
        self.verdict.consumer_key.as_deref()
    }

    /// Returns the organization of the token: the one that its issuer proves, or else the one that
    /// the token names.
    pub fn organization(&self) -> Option<&str> {
        let definition = &self.verdict.key_manager.definition;
        definition
            .organization_id()
            .or(definition.tenant())
            .or_else(|| self.verdict.claims.get("org_id")?.as_str())
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.verdict.scopes.iter().any(|held| &**held == scope)
    }

    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.verdict.scopes.iter().map(AsRef::as_ref)
    }

    pub fn claims(&self) -> &Claims {
        &self.verdict.claims
    }

    /// Names that outlive the snapshot; the requests of one token share them.
    pub fn caller(&self, application: &str, owner: &str, key_type: KeyType) -> Rc<CallerNames> {
        let mut known = self.verdict.caller.borrow_mut();
        match &*known {
            Some(caller) if caller.is(application, owner, key_type) => Rc::clone(caller),
            _ => {
                let caller = CallerNames::new(application, owner, key_type);
                Rc::clone(known.insert(Rc::new(caller)))
            }
        }
    }

    /// Returns the basis of the verdict.
    pub fn basis(&self) -> Basis {
        self.verdict.basis
    }

    /// Returns the facts for asking its server again; `None` if no server is asked.
    pub fn asking(&self) -> Option<IntrospectionCheck> {
        let (purpose, until) = match self.verdict.basis {
            Basis::Signature { .. } => return None,
            Basis::Introspection { until } => (IntrospectionPurpose::Judge, until),
            Basis::Confirmed { until, .. } => (IntrospectionPurpose::Confirm, until),
        };
        Some(IntrospectionCheck { token: self.verdict.token.clone()?, purpose, until })
    }

    /// Returns the marks by which it can be revoked.
    pub fn marks(&self) -> &Marks {
        &self.verdict.marks
    }

    /// Returns the revocation that applies to it, if there is one. Earlier builds revoked some
    /// tokens by their signature for a key manager's name. Without the `token`, such a revocation
    /// of a token without an id is not found.
    pub fn revoked_by(
        &self,
        revocations: &Revocations,
        token: Option<&[u8]>,
        now: UnixSeconds,
    ) -> Option<Ground> {
        let marks = &self.verdict.marks;
        revocations.ground(marks, now).or_else(|| {
            if !revocations.has_named() {
                return None;
            }
            let Verdict { claims, consumer_key, key_manager, .. } = &*self.verdict;
            let names = holder_names(claims, consumer_key.as_deref(), token);
            let own = Holders::of(key_manager.definition.revocation_name(), names);
            let named = Marks { token: marks.token, own, family: None, issued_at: marks.issued_at };
            revocations.ground(&named, now)
        })
    }

    pub(super) fn binding(&self) -> Binding {
        self.verdict.binding()
    }

    /// Tells whether the token is bound to a certificate or a key, which the sender has proved.
    pub fn is_bound(&self) -> bool {
        self.binding() != Binding::None
    }

    /// Names the token in logs without giving it away.
    pub fn token_hash(&self) -> TokenHash {
        self.verdict.token_hash
    }
}

/// Returns the names by which a token can be revoked.
fn holder_names<'t>(
    claims: &'t Claims,
    client: Option<&'t str>,
    token: Option<&'t [u8]>,
) -> HolderNames<'t> {
    HolderNames {
        // WSO2 names a token without an id by its signature
        id: claims.token_id().or_else(|| signature(token?)),
        client,
        subject: claims.subject(),
        entity: claims.get("entity_id").and_then(|entity| entity.as_str()),
    }
}

/// The scopes: of an answer also where RFC 7662 has them, if the JWTs of its server have them in
/// `scp`.
fn scopes(basis: Basis, claims: &Claims, names: &ClaimNames) -> Box<[Box<str>]> {
    let mut held = claims.scopes(names);
    let is_answer = matches!(basis, Basis::Introspection { .. });
    if is_answer && names.scopes.as_deref() == Some("scp") && claims.get("scp").is_none() {
        held = claims.scopes(&ClaimNames { scopes: None, ..names.clone() });
    }
    held.into_iter().map(Box::from).collect()
}

/// The last of a compact JWS' three parts.
fn signature(token: &[u8]) -> Option<&str> {
    let mut parts = std::str::from_utf8(token).ok()?.split('.');
    let (_, _, signature) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !signature.is_empty()).then_some(signature)
}

fn bytes(token: &[u8], claims: &Claims, consumer_key: Option<&str>, scopes: &[Box<str>]) -> u64 {
    let scopes: usize =
        scopes.iter().map(|scope| size_of::<Box<str>>().saturating_add(scope.len())).sum();
    let parts = [
        PLACE_BYTES,
        size_of::<Verdict>(),
        // once as the key, and once if it is asked about again
        token.len().saturating_mul(2),
        claims.heap_bytes(),
        consumer_key.map_or(0, str::len),
        scopes,
    ];
    parts.into_iter().map(|bytes| bytes as u64).sum()
}

/// The beginning of the token's SHA-256.
fn short_hash(token: &[u8]) -> TokenHash {
    let digest = digest(&SHA256, token);
    let mut bytes = [0; 8];
    for (byte, hashed) in bytes.iter_mut().zip(digest.as_ref()) {
        *byte = *hashed;
    }
    TokenHash(bytes)
}
