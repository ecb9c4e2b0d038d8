//! Tokens of a gateway without an encryption key.
//!
//! They are opaque, live in this process alone, and are kept as hashes. A restart ends them, and
//! the client signs in again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admin::access::token::{ApiTokenKind, TokenGrant, random_text};
use crate::admin::access::user::sha256;
use crate::model::clock::Moment;
use crate::model::secret::Secret;
use crate::telemetry::ManagementCounters;

/// Tokens of one user; the oldest makes room. A script that signs in for each call needs two.
const MOST_OF_USER: usize = 64;

/// Tokens of all users; the oldest makes room.
const MOST: usize = 8192;

#[derive(Debug)]
struct KeptToken {
    grant: TokenGrant,
    kind: ApiTokenKind,
    end: Moment,
    /// Grows with each token.
    number: u64,
}

/// All tokens, by their hashes.
#[derive(Debug)]
pub(super) struct ProcessTokens {
    kept: Mutex<TokenTable>,
    counters: Arc<ManagementCounters>,
}

#[derive(Debug, Default)]
struct TokenTable {
    by_hash: HashMap<[u8; 32], KeptToken>,
    issued: u64,
}

impl ProcessTokens {
    pub(super) fn new(counters: Arc<ManagementCounters>) -> Self {
        Self { kept: Mutex::default(), counters }
    }

    /// Makes a token; `None` if the system has no random numbers.
    pub(super) fn issue(
        &self,
        grant: TokenGrant,
        kind: ApiTokenKind,
        now: Moment,
    ) -> Option<Secret> {
        let token = random_text()?;
        let mut table = self.lock();
        table.by_hash.retain(|_, token| now < token.end);
        table.make_room(MOST_OF_USER, |token| token.grant.user == grant.user);
        table.make_room(MOST, |_| true);
        table.issued = table.issued.saturating_add(1);
        let kept = KeptToken { grant, kind, end: now.after(kind.lifetime()), number: table.issued };
        table.by_hash.insert(sha256(token.reveal()), kept);
        self.counters.keeps_tokens(table.by_hash.len());
        Some(token)
    }

    pub(super) fn find(&self, token: &str, kind: ApiTokenKind, now: Moment) -> Option<TokenGrant> {
        let table = self.lock();
        let kept = table.by_hash.get(&sha256(token))?;
        (kept.kind == kind && now < kept.end).then(|| kept.grant.clone())
    }

    /// Ends a token of a client; `false`: there is none any more.
    pub(super) fn end(&self, token: &str, client: &str) -> bool {
        let (mut table, hash) = (self.lock(), sha256(token));
        let own = table.by_hash.get(&hash).is_some_and(|token| token.grant.client == client);
        if own {
            table.by_hash.remove(&hash);
        }
        self.counters.keeps_tokens(table.by_hash.len());
        own
    }

    fn lock(&self) -> MutexGuard<'_, TokenTable> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenTable {
    /// Removes the oldest of these tokens until one more fits.
    fn make_room(&mut self, most: usize, is_of: impl Fn(&KeptToken) -> bool) {
        let mut own: Vec<_> = self
            .by_hash
            .iter()
            .filter(|(_, token)| is_of(token))
            .map(|(hash, token)| (token.number, *hash))
            .collect();
        if own.len() < most {
            return;
        }
        own.sort_unstable();
        let over = own.len().saturating_sub(most).saturating_add(1);
        for (_, hash) in own.into_iter().take(over) {
            self.by_hash.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(user: &str) -> TokenGrant {
        let (user, client) = (user.to_owned(), "client".to_owned());
        TokenGrant { user, stamp: [0; 32], client, scopes: Vec::new() }
    }

    #[test]
    fn a_token_ends_and_is_of_one_kind_and_of_one_client() {
        let tokens = ProcessTokens::new(Arc::default());
        let token = tokens.issue(grant("ann"), ApiTokenKind::Access, Moment(0)).unwrap();
        let find = |kind, now| tokens.find(token.reveal(), kind, Moment(now)).is_some();
        assert!(find(ApiTokenKind::Access, 3_599_999));
        assert!(!find(ApiTokenKind::Access, 3_600_000));
        assert!(!find(ApiTokenKind::Refresh, 0));
        assert!(!tokens.end(token.reveal(), "other"));
        assert!(find(ApiTokenKind::Access, 0));
        assert!(tokens.end(token.reveal(), "client"));
        assert!(!tokens.end(token.reveal(), "client"));
        assert!(!find(ApiTokenKind::Access, 0));
        assert!(!format!("{tokens:?}").contains(token.reveal()));
    }

    #[test]
    fn the_oldest_of_a_user_makes_room() {
        let tokens = ProcessTokens::new(Arc::default());
        let issue = |user| tokens.issue(grant(user), ApiTokenKind::Access, Moment(0)).unwrap();
        let (other, first) = (issue("bob"), issue("ann"));
        let others: Vec<_> = (0..MOST_OF_USER).map(|_| issue("ann")).collect();
        let is_there =
            |token: &Secret| tokens.find(token.reveal(), ApiTokenKind::Access, Moment(0)).is_some();
        assert!(!is_there(&first) && is_there(&other) && others.iter().all(is_there));
        assert_eq!(tokens.lock().by_hash.len(), MOST_OF_USER + 1);
    }
}
