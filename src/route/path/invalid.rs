//! The reasons why a path is refused.

use crate::model::reason::Reason;

/// The longest accepted path.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// The reason why a path has no single reading. It is for the operator; the client learns only that
/// its path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("the path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    #[error("the path does not start with \"/\"")]
    NotAbsolute,
    #[error("the path climbs above the root")]
    AboveRoot,
    #[error("the path holds a character that must be percent-encoded")]
    Character,
    #[error("the path holds a \"%\" that two hexadecimal digits do not follow")]
    Triplet,
    #[error("the path holds an encoded slash, backslash or control character")]
    EncodedDelimiter,
    #[error("the path holds encoded octets that are not UTF-8")]
    NotUtf8,
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    #[error("a segment of the path has parameters but no name")]
    BareParameters,
    #[error("the path holds dot segments beside encoded or doubled slashes")]
    DotSegments,
    #[error("the API keeps doubled slashes (`merge_slashes`), and its context is sent with one")]
    EmptySegments,
}

impl InvalidPath {
    pub fn reason(self) -> Reason {
        match self {
            Self::TooLong => Reason::TargetTooLong,
            _ => Reason::InvalidPath,
        }
    }
}
