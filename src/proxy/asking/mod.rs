//! Asks servers the questions that a decision waits for: about a token, for an organization, for
//! newer keys.

pub mod introspection;
mod introspection_budget;
mod newer_keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::authenticate::shown;
use crate::authenticate::unknown_tokens::Word;
use crate::authenticate::{AuthenticateError, Question, credentials};
use crate::introspect::IntrospectionPurpose;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate, OrganizationClosed};
use crate::model::rate::Rate;
use crate::proxy::asking::introspection_budget::IntrospectionAsker;
use crate::proxy::asking::newer_keys::NewerKeys;
use crate::proxy::refusal::RefusalPlace;
use crate::proxy::request_facts::RequestFacts;
use crate::proxy::worker::Worker;
use crate::snapshot::local::LocalSnapshot;

/// The most questions to authorization servers for one request: one opens an organization, one
/// introspects the token, and one more introspects it again if a reload came in between. Fetches of
/// key sets have a bound of their own.
const MOST_QUESTIONS: u8 = 3;

/// The questions that one request has asked.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: u8,
    newer_keys: NewerKeys,
}

/// The request that raised a question.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    worker: &'a Worker,
    facts: &'a RequestFacts<'a>,
    snapshot: &'a LocalSnapshot,
    /// The client that pays for the question.
    client: IpAddr,
    /// The header that carries the token.
    header: &'a str,
}

impl<'a> Asking<'a> {
    /// `at` is the API whose decision raised the question.
    pub(super) fn new(
        worker: &'a Worker,
        facts: &'a RequestFacts<'a>,
        snapshot: &'a LocalSnapshot,
        at: &'a RefusalPlace,
        client: IpAddr,
    ) -> Self {
        let header = &at.api.definition.authorization_header;
        Self { worker, facts, snapshot, client, header }
    }
}

impl Questions {
    /// Asks. After `Ok` the next decision finds the answer; an error is the verdict.
    pub(super) async fn ask(
        &mut self,
        question: Question,
        asking: Asking<'_>,
    ) -> Result<(), AuthenticateError> {
        if let Question::RefreshKeys { stale, otherwise } = question {
            return self.newer_keys.wait(stale, *otherwise, asking.client).await;
        }
        if self.asked >= MOST_QUESTIONS {
            return Err(question.unasked());
        }
        self.asked = self.asked.saturating_add(1);
        match question {
            Question::Introspect { key_managers, purpose } => {
                introspect(asking, &key_managers, purpose).await
            }
            Question::OpenOrganization { template, issuer } => {
                open_organization(asking, &template, &issuer).await
            }
            Question::RefreshKeys { otherwise, .. } => Err(*otherwise),
        }
    }
}

/// Introspects the token at the servers that may know it. If no server has yet called it active,
/// the question is charged to its client.
async fn introspect(
    asking: Asking<'_>,
    key_managers: &[Arc<CompiledKeyManager>],
    purpose: IntrospectionPurpose,
) -> Result<(), AuthenticateError> {
    let Asking { worker, facts, snapshot, client, header } = asking;
    let token = credentials::credential(facts.headers, header)?.token;
    let (began, patience) = (Instant::now(), introspection::patience(key_managers));
    // a token with a good signature is charged to no client
    let ticket = if purpose == IntrospectionPurpose::Judge {
        let rate = snapshot.settings.limits.unknown_tokens;
        let asker = IntrospectionAsker::new(worker, client, facts, rate);
        Some(asker.admit(worker, token, patience).await?)
    } else {
        None
    };
    let left = patience.saturating_sub(began.elapsed());
    let now = worker.clock().now();
    let asked = introspection::ask(key_managers, token, purpose, now, left).await;
    if let Some(ticket) = ticket {
        match &asked {
            Ok(_) => ticket.settle(Word::Vouched),
            Err(AuthenticateError::Unanswered { retry_after: Some(_), .. }) => {
                ticket.settle(Word::Unasked);
            }
            // no reload forgot the answer in the meantime
            Err(AuthenticateError::Unanswered { .. }) => drop(ticket),
            Err(_) => ticket.settle(Word::None),
        }
    }
    let (key_manager, answer) = asked?;
    worker.cache().hand_over(&key_manager, token, answer);
    Ok(())
}

/// Opens the organization that an issuer names. A client pays for one that is not there as for an
/// invalid token.
async fn open_organization(
    asking: Asking<'_>,
    template: &Arc<CompiledTemplate>,
    issuer: &str,
) -> Result<(), AuthenticateError> {
    let Asking { worker, facts, snapshot, client, .. } = asking;
    let Some(organizations) = &template.organizations else { return Ok(()) };
    let (budgets, peer) = (worker.cache().budgets(), facts.connection.peer);
    let client = budgets.payer(client, peer, facts.headers);
    let opened = organizations.open(issuer, Some(client)).await;
    match (opened, snapshot.settings.limits.max_forged_tokens.map(Rate::a_minute)) {
        (Err(OrganizationClosed::Absent), Some(rate)) => {
            let _ = budgets.invalid_tokens.charge(client, rate, worker.cache().moment());
        }
        (Err(OrganizationClosed::TooMany { .. }), _) => budgets.note_refusal(client, peer),
        _ => {}
    }
    opened.map_err(|why| AuthenticateError::NotOpened {
        template: Arc::clone(template),
        issuer: shown(issuer),
        why,
    })
}
