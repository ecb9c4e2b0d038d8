//! Tokens that the gateway issues to clients of its API.
//!
//! With `store.encryption_key`, a token is a sealed value: every gateway with the key reads it, and
//! it outlives a restart. Tokens that end early are noted in the store. Without a key, tokens live
//! in the process that issued them.

use std::sync::Arc;

use crate::admin::access::ended_tokens;
use crate::admin::access::process_tokens::ProcessTokens;
use crate::admin::access::sealed_tokens::{SealedTokens, is_sealed_token};
use crate::admin::access::token::{ApiTokenKind, TokenGrant, TokenTime};
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;
use crate::model::secret::Secret;
use crate::store::{Author, StoreKeys};
use crate::telemetry::ManagementCounters;

/// A text that was shown as a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShownToken {
    Good(TokenGrant),
    /// A token of this fleet that ended or cannot be opened. Nobody else is asked about it.
    Ended,
    /// A token of somebody else, or of a process that ended.
    Unknown,
}

/// All tokens.
#[derive(Debug)]
pub(super) struct ApiTokens {
    sealed: SealedTokens,
    of_process: ProcessTokens,
}

impl ApiTokens {
    pub(super) fn new(counters: Arc<ManagementCounters>) -> Self {
        Self { sealed: SealedTokens::default(), of_process: ProcessTokens::new(counters) }
    }

    /// Makes tokens that every gateway with these keys knows, if there are any.
    pub(super) fn sealing(self, keys: Arc<StoreKeys>) -> Self {
        Self { sealed: SealedTokens::new(keys), ..self }
    }

    /// Makes a token; `None` if the system has no random numbers.
    pub(super) fn issue(
        &self,
        grant: TokenGrant,
        kind: ApiTokenKind,
        now: TokenTime,
    ) -> Option<Secret> {
        if self.sealed.can_issue() {
            return self.sealed.issue(grant, kind, now.wall);
        }
        self.of_process.issue(grant, kind, now.moment)
    }

    /// Finds out what a token permits.
    pub(super) async fn find(
        &self,
        catalog: &Catalog,
        token: &str,
        kind: ApiTokenKind,
        now: TokenTime,
    ) -> Result<ShownToken, Refused> {
        if !is_sealed_token(token) {
            let found = self.of_process.find(token, kind, now.moment);
            return Ok(found.map_or(ShownToken::Unknown, ShownToken::Good));
        }
        let Some(opened) = self.sealed.open(token, kind, now.wall) else {
            return Ok(ShownToken::Ended);
        };
        if ended_tokens::has(catalog, &opened.mark()).await? {
            return Ok(ShownToken::Ended);
        }
        Ok(opened.grant().map_or(ShownToken::Ended, ShownToken::Good))
    }

    /// Ends a token of a client; `false`: there is none any more, or somebody else has ended it.
    pub(super) async fn end(
        &self,
        catalog: &Catalog,
        token: &str,
        (client, author): (&str, Author),
        now: TokenTime,
    ) -> Result<bool, Refused> {
        if !is_sealed_token(token) {
            return Ok(self.of_process.end(token, client));
        }
        let mut kinds = [ApiTokenKind::Access, ApiTokenKind::Refresh].into_iter();
        let opened = kinds.find_map(|kind| self.sealed.open(token, kind, now.wall));
        match opened.filter(|opened| opened.is_of(client)) {
            Some(opened) => ended_tokens::note(catalog, &opened.mark(), author, now.wall).await,
            None => Ok(false),
        }
    }
}
