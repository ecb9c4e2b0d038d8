//! Names as types: a consumer key is not an issuer, and an index of an API is not one of a key
//! manager.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name of an object, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// A name was empty, too long, or held a control character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must not be empty")]
    Empty,
    #[error("must not be longer than {most} bytes")]
    TooLong { most: usize },
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// Refuses a text that is blank, longer than `most` bytes, or holds a control character.
pub(super) fn check(text: &str, most: usize) -> Result<(), InvalidName> {
    if text.trim().is_empty() {
        Err(InvalidName::Empty)
    } else if text.len() > most {
        Err(InvalidName::TooLong { most })
    } else if text.chars().any(char::is_control) {
        Err(InvalidName::ControlCharacter)
    } else {
        Ok(())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                check(text, MAX_NAME_BYTES).map(|()| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The unique name of a key manager.
    KeyManagerName
);
name!(
    /// The `iss` of a key manager's tokens: compared byte for byte, never normalized.
    Issuer
);
name!(
    /// An API's name; with its [`Version`] it is unique.
    ApiName
);
name!(
    /// An API's version.
    Version
);
name!(
    /// A scope as tokens carry it.
    Scope
);

/// The slot of a key manager, or of a template of key managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyManagerSlot(pub u16);

/// The slot of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiSlot(pub u32);

/// The slot of an application in a [`super::directory::Directory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApplicationSlot(pub u32);

impl KeyManagerSlot {
    pub fn position(self) -> usize {
        usize::from(self.0)
    }
}

impl ApiSlot {
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

impl ApplicationSlot {
    pub fn position(self) -> usize {
        self.0 as usize
    }
}
