//! Tokens that carry what they permit, encrypted and authenticated (AES-256-GCM).
//!
//! A token is `ptc1.KEY.DATA`: its form, the id of the store's key, and the nonce with the
//! ciphertext. The kind is authenticated with it, so that a refresh token is no access token. A
//! token of a former key is good until it expires, for as long as that key is configured.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::admin::access::ended_tokens::EndedToken;
use crate::admin::access::token::{ApiTokenKind, TokenGrant, random_text};
use crate::model::secret::Secret;
use crate::store::StoreKeys;

/// Begins every token of this form, and none of another server.
const PREFIX: &str = "ptc1.";

/// Longer than any token with all scopes there are: nothing else is opened.
const MOST_BYTES: usize = 16 * 1024;

/// Seals and opens tokens.
#[derive(Debug, Default)]
pub(super) struct SealedTokens(Arc<StoreKeys>);

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealedGrant {
    /// Random: no two tokens have the same.
    id: String,
    user: String,
    /// The mark of the user's password at the time of issue, in Base64.
    stamp: String,
    client: String,
    scopes: Vec<String>,
    /// Milliseconds since 1970.
    issued: u64,
    end: u64,
}

/// Tells whether a text has the form of a sealed token, good or bad.
pub(super) fn is_sealed_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl SealedTokens {
    pub(super) fn new(keys: Arc<StoreKeys>) -> Self {
        Self(keys)
    }

    pub(super) fn can_issue(&self) -> bool {
        self.0.can_seal()
    }

    /// Makes a token; `None` if the system has no random numbers. `now` is in milliseconds since
    /// 1970.
    pub(super) fn issue(&self, grant: TokenGrant, kind: ApiTokenKind, now: u64) -> Option<Secret> {
        let lifetime = u64::try_from(kind.lifetime().as_millis()).ok()?;
        let content = SealedGrant {
            id: random_text()?.reveal().to_owned(),
            user: grant.user,
            stamp: URL_SAFE_NO_PAD.encode(grant.stamp),
            client: grant.client,
            scopes: grant.scopes,
            issued: now,
            end: now.saturating_add(lifetime),
        };
        let content = serde_json::to_vec(&content).ok()?;
        let sealed = self.0.seal_bytes(purpose(kind), content).ok()?;
        Some(Secret::new(format!("{PREFIX}{sealed}")))
    }

    /// Opens a token of this kind that has not expired.
    pub(super) fn open(&self, token: &str, kind: ApiTokenKind, now: u64) -> Option<SealedGrant> {
        let sealed = token.strip_prefix(PREFIX).filter(|_| token.len() <= MOST_BYTES)?;
        let content = self.0.open_bytes(purpose(kind), sealed)?;
        let content: SealedGrant = serde_json::from_slice(&content).ok()?;
        (now < content.end).then_some(content)
    }
}

impl SealedGrant {
    pub(super) fn is_of(&self, client: &str) -> bool {
        self.client == client
    }

    /// The token as it is noted where it ends early.
    pub(super) fn mark(&self) -> EndedToken<'_> {
        EndedToken { id: &self.id, user: &self.user, issued: self.issued, end: self.end }
    }

    pub(super) fn grant(self) -> Option<TokenGrant> {
        let stamp = URL_SAFE_NO_PAD.decode(self.stamp).ok()?.try_into().ok()?;
        let Self { user, client, scopes, .. } = self;
        Some(TokenGrant { user, stamp, client, scopes })
    }
}

/// The use of a sealed text, which is authenticated with it.
fn purpose(kind: ApiTokenKind) -> &'static str {
    match kind {
        ApiTokenKind::Access => "access token of the management API",
        ApiTokenKind::Refresh => "refresh token of the management API",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::SecretKey;
    use crate::model::store::{StoreLocation, StoreSettings};

    fn tokens(current: Option<u8>, previous: &[u8]) -> SealedTokens {
        let key = |byte: &u8| SecretKey::new([*byte; 32]);
        let settings = StoreSettings {
            location: StoreLocation::None,
            state_dir: std::path::PathBuf::new(),
            poll_interval: std::time::Duration::from_secs(1),
            encryption_key: current.as_ref().map(key),
            previous_encryption_keys: previous.iter().map(key).collect(),
        };
        SealedTokens::new(Arc::new(StoreKeys::new(&settings).unwrap()))
    }

    fn grant() -> TokenGrant {
        let scopes = vec!["apim:admin".to_owned()];
        let (user, client) = ("ann".to_owned(), "tool".to_owned());
        TokenGrant { user, stamp: [7; 32], client, scopes }
    }

    const ACCESS: ApiTokenKind = ApiTokenKind::Access;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_token_permits_what_was_granted_until_it_expires() {
        let tokens = tokens(Some(1), &[]);
        let token = tokens.issue(grant(), ACCESS, 5).unwrap();
        assert!(is_sealed_token(token.reveal()));
        let open = |kind, now| tokens.open(token.reveal(), kind, now);
        assert_eq!(open(ACCESS, 5).unwrap().grant().unwrap(), grant());
        assert!(open(ACCESS, 4 + HOUR).is_some() && open(ACCESS, 5 + HOUR).is_none());
        assert!(open(ApiTokenKind::Refresh, 5).is_none());
        let refresh = tokens.issue(grant(), ApiTokenKind::Refresh, 5).unwrap();
        assert!(tokens.open(refresh.reveal(), ACCESS, 5).is_none());
        let again = tokens.issue(grant(), ACCESS, 5).unwrap();
        assert_ne!(token, again);
        assert!(!token.reveal().contains("ann"));
    }

    #[test]
    fn what_was_changed_or_cut_or_is_of_another_key_does_not_open() {
        let tokens_of = tokens;
        let tokens = tokens_of(Some(1), &[]);
        let token = tokens.issue(grant(), ACCESS, 0).unwrap();
        let text = token.reveal();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(tokens.open(&changed, ACCESS, 0).is_none(), "changed at {at}");
            assert!(tokens.open(&text[..at], ACCESS, 0).is_none(), "cut at {at}");
        }
        for odd in ["", "ptc1.", "ptc1..", "ptc1.a.b", "ptc1.\u{1f980}.x"] {
            assert!(tokens.open(odd, ACCESS, 0).is_none(), "{odd}");
        }
        assert!(tokens.open(&format!("{PREFIX}{}", "A".repeat(MOST_BYTES)), ACCESS, 0).is_none());
        assert!(tokens_of(Some(2), &[]).open(text, ACCESS, 0).is_none());
        assert!(tokens_of(Some(2), &[1]).open(text, ACCESS, 0).is_some(), "while keys change");
        let none = tokens_of(None, &[]);
        assert!(!none.can_issue() && none.issue(grant(), ACCESS, 0).is_none());
    }
}
