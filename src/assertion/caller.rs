//! The facts about a caller that a backend JWT can tell.

use crate::jwt::Claims;
use crate::model::application::KeyType;

/// A caller, as the decision on its request found it.
#[derive(Debug, Clone, Copy)]
pub struct AssertedCaller<'c> {
    pub claims: &'c Claims,
    /// Claims of the token that backends know by another name.
    pub mapping: &'c [(String, String)],
    /// The application's name and owner.
    pub application: Option<(&'c str, &'c str)>,
    /// The application's attributes, a JSON object of texts.
    pub attributes: Option<&'c str>,
    pub key_type: KeyType,
    pub api: &'c str,
    pub version: &'c str,
    pub context: &'c str,
}
