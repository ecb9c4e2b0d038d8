//! The owner of a consumer key.

use crate::model::application::KeyType;
use crate::model::names::ApplicationSlot;

/// The application that a consumer key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOwner {
    pub application: ApplicationSlot,
    pub key_type: KeyType,
}
