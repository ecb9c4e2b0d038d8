//! Issuers that are taken: for each token one key manager decides.

use crate::config::reader::Table;
use crate::config::resolve::unique::Unique;
use crate::model::key_manager::KeyManager;
use crate::model::names::Issuer;
use crate::model::token_handling::TokenHandling;

/// Templates whose organizations are not listed: two of one issuer would be a coin toss for each token.
#[derive(Debug, Default)]
pub(super) struct Templates(Unique);

impl Templates {
    pub(super) fn claim_template(&mut self, built: &KeyManager, table: &Table<'_>) {
        let shape = built.issuer.as_ref().map(|issuer| {
            let segments = issuer
                .as_str()
                .split('/')
                .map(|segment| if segment.starts_with('{') { "{}" } else { segment });
            segments.collect::<Vec<_>>().join("/")
        });
        if let Some(shape) = shape {
            self.0.claim(
                &shape,
                &table.at_key("issuer"),
                "a template with a pattern and the issuer",
                table.problems(),
            );
        }
    }
}

/// Several key managers may have one issuer where each says by claims which tokens are its own, and no two say the same.
pub(super) fn one_issuer(
    issuers: &mut Unique,
    issuer: &Issuer,
    built: &KeyManager,
    others: &[KeyManager],
    table: &Table<'_>,
) {
    let at = table.at_key("issuer");
    let Some(other_at) = issuers.seen.get(issuer.as_str()) else {
        issuers.seen.insert(issuer.to_string(), at);
        return;
    };
    let picks = |key_manager: &KeyManager| -> Vec<TokenHandling> {
        key_manager
            .handling
            .iter()
            .filter(|rule| matches!(rule, TokenHandling::Jwt { .. }))
            .cloned()
            .collect()
    };
    let own = picks(built);
    let mut same_issuer =
        others.iter().filter(|other| other.enabled && other.issuer.as_ref() == Some(issuer));
    let ambiguous = own.is_empty()
        || same_issuer.any(|other| {
            picks(other).is_empty() || picks(other).iter().any(|rule| own.contains(rule))
        });
    if ambiguous {
        let message = format!(
            "two enabled key managers have the issuer {:?}: which of them judges a token would be a coin toss",
            issuer.as_str()
        );
        let hint = "disable one, or give each a `token_handling` of the type jwt that fits its own tokens only";
        table.problems().conflict(at, other_at.clone(), message, Some(hint.to_owned()));
    }
}
