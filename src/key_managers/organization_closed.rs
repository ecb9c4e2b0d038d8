//! The reason for which an organization is not served.

/// The reason why an organization is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationClosed {
    /// The server was just asked, and has no such organization.
    Absent,
    /// The server was asked before, and has no such organization.
    KnownAbsent,
    /// The server could not be asked, or did not answer with keys.
    Unavailable,
    /// Too many new ones were opened in the last minute.
    TooMany { retry_after: u32 },
}

impl std::fmt::Display for OrganizationClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("its server says that there is no such organization"),
            Self::KnownAbsent => {
                f.write_str("its server said a moment ago that there is no such organization")
            }
            Self::Unavailable => f.write_str("its server did not answer with keys"),
            Self::TooMany { retry_after } => {
                write!(
                    f,
                    "max_new_organizations were opened in the last minute, or a quarter of them by this address for nothing; the next one may be in {retry_after} s"
                )
            }
        }
    }
}
