//! The marks by which a token can be revoked, made once for a verdict.

use crate::model::clock::UnixSeconds;
use crate::revocation::record::Mark;

/// All marks of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    pub token: Mark,
    /// The marks in the scope of its issuer.
    pub own: Holders,
    /// The marks in the scope of a template's organizations, if the token belongs to one.
    pub family: Option<Box<Holders>>,
    pub issued_at: Option<UnixSeconds>,
}

/// The marks within one scope by which a token can be revoked, beside the mark of the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holders {
    pub id: Option<Mark>,
    pub client: Option<Mark>,
    pub subject: Option<Mark>,
    /// The subject, if `sub` is a name that people read: WSO2's `entity_id`.
    pub entity: Option<Mark>,
}

/// The names in a token that [`Holders`] are made of.
#[derive(Debug, Clone, Copy)]
pub struct HolderNames<'t> {
    pub id: Option<&'t str>,
    pub client: Option<&'t str>,
    pub subject: Option<&'t str>,
    pub entity: Option<&'t str>,
}

impl Holders {
    /// Makes the marks within `scope`: an issuer, or a template's issuer with its braces.
    pub fn of(scope: &str, names: HolderNames<'_>) -> Self {
        Self {
            id: names.id.map(|id| Mark::of_id(scope, id)),
            client: names.client.map(|client| Mark::of_client(scope, client)),
            subject: names.subject.map(|subject| Mark::of_subject(scope, subject)),
            entity: names.entity.map(|entity| Mark::of_subject(scope, entity)),
        }
    }
}
