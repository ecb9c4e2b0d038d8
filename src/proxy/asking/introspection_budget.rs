//! Keeps questions about tokens that no server has vouched for within the budget of the client that
//! sends them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::authenticate::AuthenticateError;
use crate::authenticate::unknown_tokens::Ticket;
use crate::budget::{ClaimedClient, Exhausted};
use crate::model::rate::Rate;
use crate::proxy::request_facts::RequestFacts;
use crate::proxy::worker::Worker;

/// The client that asks, with its allowance.
#[derive(Debug, Clone, Copy)]
pub(super) struct IntrospectionAsker {
    client: ClaimedClient,
    peer: Option<IpAddr>,
    rate: Rate,
}

impl IntrospectionAsker {
    pub(super) fn new(
        worker: &Worker,
        client: IpAddr,
        facts: &RequestFacts<'_>,
        rate: Rate,
    ) -> Self {
        let peer = facts.connection.peer;
        Self { client: worker.cache().budgets().payer(client, peer, facts.headers), peer, rate }
    }

    /// Waits for this client's turn to ask about a token, for `patience` at most.
    pub(super) async fn admit(
        &self,
        worker: &Worker,
        token: &[u8],
        patience: Duration,
    ) -> Result<Ticket, AuthenticateError> {
        let budgets = worker.cache().budgets();
        let tokens: &Arc<_> = &budgets.unknown_tokens;
        let admitted = tokens.admit(token, self.client, self.rate, || worker.cache().moment());
        let admitted = timeout(patience, admitted).await;
        // the client's other tokens held all its places until now
        let admitted = admitted.unwrap_or(Err(Exhausted { retry_after: 1 }));
        admitted.map_err(|Exhausted { retry_after }| {
            budgets.note_refusal(self.client, self.peer);
            AuthenticateError::UnknownTokens { retry_after }
        })
    }
}
