//! Bounds the questions about tokens that no server has called active yet.
//!
//! Decides whether a question may be asked now (`limits.unknown_tokens`). The client is charged
//! before the question, and gets the charge back if the server calls the token active. So good
//! tokens are free, and garbage is bounded. Tokens that a server has called active before are never
//! charged and never refused, whatever else comes from their address. One client has at most
//! [`EACH`] questions in progress. Its next ones wait for their turn, within their own time. So a
//! burst of good new tokens is asked about, and a slow server keeps places for other clients.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use quick_cache::unsync::Cache;

use crate::budget::fair_places::{FairPlaces, HeldPlace};
use crate::budget::{BudgetStatus, Charge, ClaimedClient, Exhausted, SourceBudgets};
use crate::model::clock::Moment;
use crate::model::rate::Rate;
use crate::revocation::record::Mark;

/// The questions of one client at a time: a quarter of the number for one server.
const EACH: usize = 16;

/// The questions of all clients at a time, to all servers together.
const ALL: usize = 1024;

/// Requests of one client that wait for their turn or for an answer.
const MOST_WAITING: usize = 256;

/// The most tokens that are remembered as vouched for: about 10 MB.
const MOST_VOUCHED: usize = 100_000;

/// The budgets for questions about unknown tokens; one for all workers.
#[derive(Debug)]
pub struct UnknownTokens {
    budgets: SourceBudgets,
    places: Arc<FairPlaces>,
    /// Tokens that a server has called active. Only servers add some, so no flood of garbage pushes
    /// one out.
    vouched: Mutex<VouchedTokens>,
    /// The tokens that are charged and asked about, with the requests that wait for each.
    under_way: Mutex<HashMap<Mark, usize>>,
}

struct VouchedTokens(Cache<Mark, ()>);

/// The permission to ask about one token; dropping it unsettled gives nothing back.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    tokens: Arc<UnknownTokens>,
    mark: Mark,
    /// True if it counts among the requests that wait for the token.
    shares: bool,
    paid: Option<Paid>,
}

#[derive(Debug)]
struct Paid {
    client: ClaimedClient,
    charge: Charge,
    rate: Rate,
    _place: HeldPlace,
}

/// The outcome of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A server calls the token active.
    Vouched,
    /// No server calls it active, or none answered.
    None,
    /// No server was asked.
    Unasked,
}

impl Default for UnknownTokens {
    fn default() -> Self {
        Self {
            budgets: SourceBudgets::default(),
            places: FairPlaces::new(ALL, MOST_WAITING),
            vouched: Mutex::new(VouchedTokens(Cache::new(MOST_VOUCHED))),
            under_way: Mutex::default(),
        }
    }
}

impl UnknownTokens {
    /// Waits until a client may ask about a token, and charges it. Dropping the future gives the
    /// wait up.
    pub async fn admit(
        self: &Arc<Self>,
        token: &[u8],
        client: ClaimedClient,
        rate: Rate,
        now: impl Fn() -> Moment,
    ) -> Result<Ticket, Exhausted> {
        let mark = Mark::of_token(token);
        if self.vouched().0.get(&mark).is_some() {
            return Ok(self.ticket(mark, false, None));
        }
        if let Some(ticket) = self.join(mark) {
            return Ok(ticket);
        }
        // at most as many at a time as the budget has: good ones give their part back before the
        // next is charged
        let each = usize::try_from(rate.requests.get()).unwrap_or(EACH).min(EACH);
        let place = self.places.take(client.source, each).await;
        let place = place.map_err(|_| Exhausted { retry_after: 1 })?;
        let mut under_way = self.under_way();
        // another request may have been charged for the same token in the meantime
        if let Some(waiting) = under_way.get_mut(&mark) {
            *waiting = waiting.saturating_add(1);
            return Ok(self.ticket(mark, true, None));
        }
        let charge = self.budgets.try_charge(client, rate, now())?;
        under_way.insert(mark, 1);
        drop(under_way);
        let paid = Paid { client, charge, rate, _place: place };
        Ok(self.ticket(mark, true, Some(paid)))
    }

    pub fn forget_settled(&self, now: Moment) {
        self.budgets.forget_settled(now);
    }

    pub fn status(&self) -> BudgetStatus {
        self.budgets.status()
    }

    /// A request with a token that is paid for shares its question.
    fn join(self: &Arc<Self>, mark: Mark) -> Option<Ticket> {
        let mut under_way = self.under_way();
        let waiting = under_way.get_mut(&mark)?;
        *waiting = waiting.saturating_add(1);
        drop(under_way);
        Some(self.ticket(mark, true, None))
    }

    fn ticket(self: &Arc<Self>, mark: Mark, shares: bool, paid: Option<Paid>) -> Ticket {
        Ticket { tokens: Arc::clone(self), mark, shares, paid }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Mark, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn vouched(&self) -> MutexGuard<'_, VouchedTokens> {
        self.vouched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Notes the outcome of the question.
    pub fn settle(mut self, word: Word) {
        match word {
            Word::Vouched => self.tokens.vouched().0.insert(self.mark, ()),
            // no longer vouched for: the next question about it is charged
            Word::None => drop(self.tokens.vouched().0.remove(&self.mark)),
            Word::Unasked => {}
        }
        if word != Word::None
            && let Some(Paid { client, charge, rate, .. }) = self.paid.take()
        {
            self.tokens.budgets.refund(client, charge, rate);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.shares {
            return;
        }
        let mut under_way = self.tokens.under_way();
        if let Some(waiting) = under_way.get_mut(&self.mark) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                under_way.remove(&self.mark);
            }
        }
    }
}

impl std::fmt::Debug for VouchedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vouched").field("tokens", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const RATE: Rate =
        Rate { requests: NonZeroU32::new(20).unwrap(), per: Duration::from_secs(10) };

    fn client(address: &str) -> ClaimedClient {
        ClaimedClient::of(address.parse().unwrap())
    }

    async fn admit(
        tokens: &Arc<UnknownTokens>,
        token: &str,
        from: &str,
    ) -> Option<Result<Ticket, Exhausted>> {
        let admitted = tokens.admit(token.as_bytes(), client(from), RATE, || Moment(0));
        timeout(Duration::ZERO, admitted).await.ok()
    }

    #[tokio::test]
    async fn garbage_is_charged_and_what_a_server_vouched_for_is_free() {
        let tokens = Arc::new(UnknownTokens::default());
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        admit(&tokens, "good", one).await.unwrap().unwrap().settle(Word::Vouched);
        for number in 0..20 {
            let ticket = admit(&tokens, &number.to_string(), one).await.unwrap().unwrap();
            ticket.settle(Word::None);
        }
        let refused = admit(&tokens, "20", one).await.unwrap();
        assert_eq!(refused.unwrap_err(), Exhausted { retry_after: 1 });
        admit(&tokens, "good", one).await.unwrap().unwrap().settle(Word::None);
        assert!(admit(&tokens, "good", one).await.unwrap().is_err(), "not vouched for any more");
        admit(&tokens, "20", other).await.unwrap().unwrap().settle(Word::Unasked);
        assert_eq!(tokens.under_way().len(), 0);
    }

    #[tokio::test]
    async fn a_burst_of_good_new_tokens_waits_for_its_turn() {
        let tokens = Arc::new(UnknownTokens::default());
        let mut tickets = Vec::new();
        for number in 0..EACH {
            let ticket = admit(&tokens, &number.to_string(), "192.0.2.1").await.unwrap().unwrap();
            tickets.push(ticket);
        }
        assert!(admit(&tokens, "next", "192.0.2.1").await.is_none(), "waits");
        let other = admit(&tokens, "next", "192.0.2.2").await.unwrap().unwrap();
        let joined = admit(&tokens, "0", "192.0.2.1").await.unwrap().unwrap();
        assert!(joined.paid.is_none(), "shares the question");
        for ticket in tickets {
            ticket.settle(Word::Vouched);
        }
        for number in 100..200 {
            let ticket = admit(&tokens, &number.to_string(), "192.0.2.1").await.unwrap().unwrap();
            ticket.settle(Word::Vouched);
        }
        drop((other, joined));
        assert_eq!(tokens.under_way().len(), 0);
    }
}
