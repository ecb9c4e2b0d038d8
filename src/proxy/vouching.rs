//! Questions about tokens that no server has vouched for, within the budget of the client that sends them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;

use crate::authenticate::AuthenticateError;
use crate::authenticate::unknown_tokens::Ticket;
use crate::budget::{ClaimedClient, Exhausted};
use crate::model::rate::Rate;
use crate::proxy::worker::Worker;

/// Who asks, and what it may ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct IntrospectionAsker {
    client: ClaimedClient,
    peer: IpAddr,
    rate: Rate,
}

impl IntrospectionAsker {
    pub(super) fn new(
        walk: &Worker,
        (client, peer): (IpAddr, IpAddr),
        headers: &HeaderMap,
        rate: Rate,
    ) -> Self {
        Self { client: walk.cache().budgets().payer(client, Some(peer), headers), peer, rate }
    }

    /// Waits for this client's turn to ask about a token, not for longer than `patience`.
    pub(super) async fn admit(
        &self,
        walk: &Worker,
        token: &[u8],
        patience: Duration,
    ) -> Result<Ticket, AuthenticateError> {
        let budgets = walk.cache().budgets();
        let tokens: &Arc<_> = &budgets.unknown_tokens;
        let admitted = tokens.admit(token, self.client, self.rate, || walk.cache().moment());
        let admitted = timeout(patience, admitted).await;
        // its other tokens take all its places until now
        let admitted = admitted.unwrap_or(Err(Exhausted { retry_after: 1 }));
        admitted.map_err(|Exhausted { retry_after }| {
            budgets.note_refusal(self.client, Some(self.peer));
            AuthenticateError::UnknownTokens { retry_after }
        })
    }
}
