//! Bounds the work that a client can cause with unverified tokens: checking signatures, and asking
//! servers. Decides which client is charged. The bounds are the operator's, and [`crate::budget`]
//! keeps them.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use crate::authenticate::binding::Evidence;
use crate::authenticate::unknown_tokens::UnknownTokens;
use crate::budget::unlisted::UnlistedProxies;
use crate::budget::{ClaimedClient, SourceBudgets};
use crate::model::clock::Moment;

/// The budgets that all workers share.
#[derive(Debug, Default)]
pub struct Budgets {
    /// Signatures that were found bad (`limits.max_forged_tokens`).
    pub invalid_tokens: SourceBudgets,
    /// The budget for tokens that no server has called active (`limits.unknown_tokens`).
    pub unknown_tokens: Arc<UnknownTokens>,
    pub unlisted: UnlistedProxies,
}

impl Budgets {
    /// Notes that a budget was used up. If many clients may share it, the operator is warned.
    pub fn note_refusal(&self, client: ClaimedClient, peer: Option<IpAddr>) {
        if client.claimed.is_some()
            && let Some(peer) = peer
        {
            self.unlisted.refuse(peer);
        }
    }

    /// Forgets the clients that owe nothing any more.
    pub fn forget_settled(&self, now: Moment) {
        self.invalid_tokens.forget_settled(now);
        self.unknown_tokens.forget_settled(now);
    }

    /// Finds the client to charge for a request of this client, which came from this peer.
    pub fn payer(
        &self,
        client: IpAddr,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> ClaimedClient {
        let payer = ClaimedClient::of(client);
        match peer {
            // the peer is not trusted, or would have named another client
            Some(peer) if peer == client => match headers.get("x-forwarded-for") {
                Some(chain) => {
                    self.unlisted.see(peer);
                    payer.claiming(chain.as_bytes())
                }
                None => payer,
            },
            _ => payer,
        }
    }
}

impl Evidence<'_> {
    /// Returns the client to charge; `None` if nothing is known of the client.
    pub(super) fn payer(&self, budgets: &Budgets) -> Option<ClaimedClient> {
        self.client.map(|client| budgets.payer(client, self.peer, self.headers))
    }
}
