//! Explains the steps of a decision, each with its findings and its place in the files.

use std::sync::Arc;

use crate::authenticate::cache::TokenCache;
use crate::authenticate::{AuthenticateError, Principal, Question, TokenJudge};
use crate::authorize::{AuthorizationError, Grant};
use crate::explain::explanation::{Explanation, ExplanationStep};
use crate::explain::grounds::Grounds;
use crate::explain::limits::{self, LimitFindings};
use crate::explain::request::ExplainRequest as Asking;
use crate::explain::{identity, near_misses, observed};
use crate::introspect::IntrospectionPurpose;
use crate::jwt::Unverified;
use crate::key_managers::CompiledKeyManager;
use crate::model::KeyManagerTemplate;
use crate::model::api::{AuthScheme, Operation};
use crate::model::application::KeyType;
use crate::model::clock::UnixSeconds;
use crate::model::provenance::Provenance;
use crate::model::reason::Reason;
use crate::proxy::{Refusal, RequestFacts, Undecided, Why, decide, denial};
use crate::snapshot::{CompiledApi, Routed, Snapshot};

/// Collects the steps of one decision.
struct StepTeller<'s> {
    snapshot: &'s Snapshot,
    steps: Vec<ExplanationStep>,
    cache: &'s TokenCache,
}

/// The servers to ask about the token.
pub(super) struct Inquiry {
    pub(super) key_managers: Vec<Arc<CompiledKeyManager>>,
    pub(super) purpose: IntrospectionPurpose,
}

/// Explains the decision, or returns the servers to ask about the token first. `unknown` is the
/// result of asking, if no server confirmed the token.
pub(super) fn explain(
    grounds: &Grounds<'_>,
    question: &Asking,
    cache: &TokenCache,
    unknown: Option<&AuthenticateError>,
    now: UnixSeconds,
) -> Result<Explanation, Inquiry> {
    let snapshot = grounds.snapshot;
    let mut teller = StepTeller { snapshot, steps: Vec::new(), cache };
    let path = match snapshot.normalize(&question.host, question.uri.path()) {
        Ok(path) => path,
        Err(error) => {
            teller.failed("request", error.to_string(), None);
            return Ok(teller.refused(error.reason(), Vec::new()));
        }
    };
    let host = if question.host.is_empty() { "any host" } else { &question.host };
    teller.passed("request", format!("{} {} at {host}", question.method, path.as_str()), None);
    // the header that carries the token depends on the API, so the route is looked up first
    let header = snapshot.route(&question.host, &path, &question.method).ok();
    let header = header
        .map_or("authorization", |routed| routed.api().definition.authorization_header.as_str());
    let headers = question.headers(header);
    let connection = question.connection();
    let asked = RequestFacts {
        method: &question.method,
        host: &question.host,
        path: &path,
        headers: &headers,
        connection,
    };
    Ok(match decide(snapshot, &asked, cache, now) {
        Ok(grant) => {
            teller.granted(&grant, question, now);
            teller.limited(limits::find(grounds, &grant, question, &headers))
        }
        Err(undecided) => {
            let refusal = match undecided {
                Undecided::Needs(Question::Introspect { key_managers, purpose }, at) => {
                    let Some(unknown) = unknown else {
                        return Err(Inquiry { key_managers, purpose });
                    };
                    Refusal { why: Why::Authenticate(unknown.clone()), at: Some(at) }
                }
                undecided => undecided.into_refusal(),
            };
            teller.tell(&refusal, question, now);
            let hints = near_misses::hints(snapshot, &refusal, question, now);
            teller.refused(refusal.reason(), hints)
        }
    })
}

impl StepTeller<'_> {
    fn passed(&mut self, step: &'static str, found: String, place: Option<Provenance>) {
        self.push(step, true, found, place);
    }

    fn failed(&mut self, step: &'static str, found: String, place: Option<Provenance>) {
        self.push(step, false, found, place);
    }

    fn push(&mut self, step: &'static str, passed: bool, found: String, place: Option<Provenance>) {
        let written_at = place.map(|place| self.snapshot.settings.files.describe(place));
        self.steps.push(ExplanationStep { name: step.into(), passed, found, written_at });
    }

    fn limited(mut self, found: LimitFindings) -> Explanation {
        let LimitFindings { steps, limits, refused, hints } = found;
        for step in steps {
            self.push(step.name, step.passed, step.found, step.place);
        }
        let status = refused.map(|reason| denial::status(reason).as_u16());
        Explanation {
            judged_by: String::new(),
            allowed: refused.is_none(),
            reason: refused.unwrap_or(Reason::Forwarded).label().into(),
            claims: None,
            status,
            steps: self.steps,
            limits,
            hints,
        }
    }

    fn refused(self, reason: Reason, hints: Vec<String>) -> Explanation {
        let status = denial::status(reason);
        Explanation {
            judged_by: String::new(),
            allowed: false,
            reason: reason.label().into(),
            claims: None,
            status: Some(status.as_u16()),
            steps: self.steps,
            limits: Vec::new(),
            hints,
        }
    }

    fn tell(&mut self, refusal: &Refusal, question: &Asking, now: UnixSeconds) {
        let Some((api, operation)) = refusal.api().zip(refusal.operation()) else {
            let place = refusal.api().map(|api| api.definition.place);
            self.failed("route", refusal.message().unwrap_or_default(), place);
            return;
        };
        self.route(api, operation);
        match &refusal.why {
            Why::Authenticate(error) => self.authentication(error, question),
            Why::Authorize(error, principal) => {
                if let Some(principal) = principal {
                    self.token(principal, api, question, now);
                }
                self.authorization(*error, api, operation, principal.as_ref());
            }
            _ => {}
        }
    }

    fn granted(&mut self, grant: &Grant<'_>, question: &Asking, now: UnixSeconds) {
        let routed = grant.routed();
        self.route(routed.api(), routed.operation());
        match grant.principal() {
            None => self.passed(
                "token",
                "not needed: auth = \"none\"".to_owned(),
                Some(routed.operation().place),
            ),
            Some(principal) => {
                self.token(principal, routed.api(), question, now);
                self.application(routed.api(), principal, grant.observed());
                self.scopes(routed, principal);
                self.observed(grant);
            }
        }
        let api = routed.api();
        let (backend, definition) = match grant.key_type() {
            KeyType::Production => (&api.production, &api.definition.production),
            KeyType::Sandbox => (&api.sandbox, &api.definition.sandbox),
        };
        let targets: Vec<_> =
            backend.iter().flat_map(|group| &group.targets).map(|target| target.shown()).collect();
        let found = format!("{}: {}", grant.key_type().label(), targets.join(", "));
        self.passed("backend", found, definition.as_ref().map(|backend| backend.place));
    }

    fn route(&mut self, api: &CompiledApi, operation: &Operation) {
        let api = &api.definition;
        self.passed(
            "route",
            format!("API {} {} at {}", api.name, api.version, shown_base(&api.base_path)),
            Some(api.place),
        );
        let scheme = match operation.auth {
            AuthScheme::Required => "a token is required",
            AuthScheme::None => "no token is required",
        };
        let found = format!("{} {}, {scheme}", operation.method.as_str(), operation.template);
        self.passed("operation", found, Some(operation.place));
    }

    fn authentication(&mut self, error: &AuthenticateError, question: &Asking) {
        let unverified = self.unverified(question);
        if let Some(unverified) = &unverified {
            let found = format!(
                "iss {:?}, alg {}, kid {:?} (not verified yet)",
                unverified.issuer().unwrap_or("missing"),
                unverified.algorithm_name(),
                unverified.key_id().unwrap_or("none")
            );
            self.passed("token", found, None);
        }
        let judge = error.judge();
        match &judge {
            Some(TokenJudge::KeyManager(key_manager)) => {
                self.key_manager(key_manager, unverified.as_ref());
            }
            Some(TokenJudge::Template(template)) => self.template(&template.definition),
            None => {}
        }
        let place = judge.map(|judge| judge.definition().place);
        let (step, found) = match error {
            AuthenticateError::Revoked { ground, .. } => ("revocation", identity::revoked(*ground)),
            AuthenticateError::Binding { .. } => {
                self.passed("revocation", identity::not_revoked(self.cache.revocations()), None);
                ("binding", error.to_string())
            }
            AuthenticateError::Opaque
            | AuthenticateError::Inactive
            | AuthenticateError::NotIntrospected { .. }
            | AuthenticateError::Unanswered { .. } => ("introspection", error.to_string()),
            AuthenticateError::NobodysOwn { .. } => ("key manager", error.to_string()),
            _ => ("authenticate", error.to_string()),
        };
        self.failed(step, found, place);
    }

    fn unverified<'q>(&self, question: &'q Asking) -> Option<Unverified<'q>> {
        Unverified::parse(
            question.token()?.as_bytes(),
            self.snapshot.settings.limits.max_token_bytes,
        )
        .ok()
    }

    fn key_manager(&mut self, key_manager: &CompiledKeyManager, token: Option<&Unverified<'_>>) {
        let status = key_manager.keys.status();
        let definition = &key_manager.definition;
        let picked = token.map_or_else(
            || "an opaque token".to_owned(),
            |token| identity::picked(self.snapshot, definition, token),
        );
        let found = format!("{}, {} keys; {picked}", definition.name, status.key_count);
        self.passed("key manager", found, Some(definition.place));
    }

    fn template(&mut self, template: &KeyManagerTemplate) {
        let found = format!(
            "{}, a template with the issuer {:?}",
            template.name(),
            template.issuer().as_str()
        );
        self.passed("key manager", found, Some(template.place()));
    }

    /// Explains everything about an accepted token.
    fn token(
        &mut self,
        principal: &Principal,
        api: &CompiledApi,
        question: &Asking,
        now: UnixSeconds,
    ) {
        let key_manager = principal.key_manager();
        self.key_manager(key_manager, self.unverified(question).as_ref());
        let left = principal.claims().expires_at().0.saturating_sub(now.0);
        let (step, found) = identity::basis(principal);
        self.passed(step, format!("{found}; the token expires in {left} s"), None);
        if let Some(found) = identity::organization(principal) {
            self.passed("tenant", found, Some(key_manager.definition.place));
        }
        self.passed("revocation", identity::not_revoked(self.cache.revocations()), None);
        self.passed(
            "binding",
            identity::bound(principal, &api.definition),
            Some(api.definition.place),
        );
    }

    fn application(
        &mut self,
        api: &CompiledApi,
        principal: &Principal,
        observed: Option<AuthorizationError>,
    ) {
        let consumer_key = principal.consumer_key().unwrap_or_default();
        let mapping = principal.key_manager().find(&self.snapshot.directory, consumer_key);
        let application =
            mapping.and_then(|mapping| self.snapshot.directory.application(mapping.application));
        match (mapping, application) {
            (Some(mapping), Some(application)) => {
                let key = mapping.key_type.label();
                let found = format!(
                    "consumer key {consumer_key:?} is a {key} key of {:?}",
                    application.name
                );
                self.passed("application", found, Some(application.place));
                if let Some(organization) = application.organization {
                    self.passed(
                        "organization",
                        format!("the token's and the application's: {organization:?}"),
                        Some(application.place),
                    );
                }
            }
            _ if principal.consumer_key().is_none() => {
                self.passed("application", "the token names no client".to_owned(), None);
            }
            _ => self.passed(
                "application",
                format!("no application has the consumer key {consumer_key:?}"),
                None,
            ),
        }
        let found = observed::subscription(api.definition.subscription, observed);
        self.passed(
            "subscription",
            found.to_owned(),
            application.map(|application| application.place),
        );
    }

    fn observed(&mut self, grant: &Grant<'_>) {
        if let Some(error) = grant.observed() {
            let (found, place) = observed::told(grant, error);
            self.passed("observe", found, Some(place));
        }
    }

    fn scopes(&mut self, routed: &Routed<'_>, principal: &Principal) {
        let needed: Vec<_> =
            routed.operation().scopes.iter().map(crate::model::names::Scope::as_str).collect();
        let held: Vec<_> = principal.scopes().collect();
        let found = if needed.is_empty() {
            "none needed".to_owned()
        } else {
            format!("any of {needed:?}; the token has {held:?}")
        };
        self.passed("scopes", found, Some(routed.operation().place));
    }

    fn authorization(
        &mut self,
        refusal: AuthorizationError,
        api: &CompiledApi,
        operation: &Operation,
        principal: Option<&Principal>,
    ) {
        let (step, place) = match refusal {
            AuthorizationError::ConsumerKeyMissing | AuthorizationError::ConsumerKeyUnknown => {
                ("application", principal.map(|principal| principal.key_manager().definition.place))
            }
            AuthorizationError::OrganizationMissing | AuthorizationError::OrganizationMismatch => {
                ("organization", self.application_place(principal))
            }
            AuthorizationError::NotSubscribed
            | AuthorizationError::SubscriptionBlocked
            | AuthorizationError::SubscriptionInactive => {
                ("subscription", self.application_place(principal))
            }
            AuthorizationError::NotBound => ("binding", Some(api.definition.place)),
            AuthorizationError::InsufficientScope => ("scopes", Some(operation.place)),
            AuthorizationError::KeyManagerAudience | AuthorizationError::Audience => {
                ("audience", Some(api.definition.place))
            }
            AuthorizationError::NoProductionBackend | AuthorizationError::NoSandboxBackend => {
                ("backend", Some(api.definition.place))
            }
        };
        if let Some(principal) = principal
            && !matches!(step, "application" | "organization" | "subscription")
        {
            self.application(api, principal, None);
        }
        self.failed(step, refusal.to_string(), place);
    }

    fn application_place(&self, principal: Option<&Principal>) -> Option<Provenance> {
        let principal = principal?;
        let mapping =
            principal.key_manager().find(&self.snapshot.directory, principal.consumer_key()?)?;
        self.snapshot
            .directory
            .application(mapping.application)
            .map(|application| application.place)
    }
}

fn shown_base(base_path: &str) -> &str {
    if base_path.is_empty() { "/" } else { base_path }
}
