//! Makes sure that exactly one key manager decides on each token.

use crate::config::reader::Table;
use crate::config::resolve::unique::Unique;
use crate::model::KeyManagerTemplate;
use crate::model::key_manager::KeyManager;
use crate::model::names::Issuer;
use crate::model::token_handling::TokenHandling;

/// Templates that accept organizations which are not listed. For two of them with one issuer,
/// chance would decide.
#[derive(Debug, Default)]
pub(super) struct Templates(Unique);

impl Templates {
    pub(super) fn claim_template(&mut self, template: &KeyManagerTemplate, table: &Table<'_>) {
        let segments = template.issuer().as_str().split('/');
        let shape: Vec<_> =
            segments.map(|segment| if segment.starts_with('{') { "{}" } else { segment }).collect();
        self.0.claim(
            &shape.join("/"),
            &table.at_key("issuer"),
            "a template with a pattern and the issuer",
            table.problems(),
        );
    }
}

/// Reports key managers that share an issuer. They may do so if each has a `token_handling` rule
/// for its own tokens, and no two rules are equal.
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
            "two enabled key managers have the issuer {:?}, so it is not clear which of them \
             validates a token",
            issuer.as_str()
        );
        let hint = "disable one, or give each a `token_handling` of type \"jwt\" that matches its \
                    own tokens only";
        table.problems().conflict(at, other_at.clone(), message, Some(hint.to_owned()));
    }
}
