//! The faults of a message that revokes: the cause, and the remedy.

/// The reason why the message of a revocation is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageFault {
    #[error("the message is not a JSON object")]
    NotAnObject,
    #[error("the message names no `token`, `jti`, `consumer_key` or `subject`")]
    NothingRevoked,
    #[error("no key manager has the name or the type {0:?}")]
    UnknownKeyManager(String),
    #[error(
        "no key manager has the issuer {0:?}: its tokens are refused anyway, so revoking one has \
         no effect"
    )]
    UnknownIssuer(String),
    #[error("`{0}` is not a number of seconds since 1970")]
    NotATime(&'static str),
    #[error("unknown member {0:?}; known are {members}", members = MEMBERS.join(", "))]
    UnknownMember(String),
    #[error("`{0}` is not a string, or is empty")]
    NotText(&'static str),
    #[error("`{0}` and `{1}` exclude each other: send one of them, or one call for each")]
    Several(&'static str, &'static str),
    #[error("`{0}` begins with {1:?}, which is not part of it: leave it out")]
    Scheme(&'static str, String),
    #[error("`{0}` contains white space or a line break: leave it out")]
    WhiteSpace(&'static str),
    #[error("`{0}` begins or ends with white space: leave it out")]
    Untrimmed(&'static str),
    #[error("`{0}` is a whole token: send it as `token`")]
    WholeToken(&'static str),
    #[error(
        "`before` needs `consumer_key` or `subject`; a single token is revoked whenever it was \
         issued"
    )]
    MisplacedBefore,
    #[error("`{name}` is in milliseconds, but must be in seconds: write {meant}")]
    Milliseconds { name: &'static str, meant: u64 },
    #[error("`{name}` is in seconds, but must be in milliseconds: write {meant}")]
    Seconds { name: &'static str, meant: u64 },
    #[error(
        "`{name}` lies {ahead} seconds in the future and would revoke tokens that are not issued \
         yet; leave it out to mean now"
    )]
    Future { name: &'static str, ahead: u64 },
    #[error("`{name}` lies more than {MOST_YEARS} years in the future, and no token lives so long")]
    TooFar { name: &'static str },
    #[error("`{name}` lies before 2001, so no token would be revoked; write seconds since 1970")]
    Ancient { name: &'static str },
    #[error(
        "`expires_at` passed {ago} seconds ago, so nothing would be revoked; it says until when \
         the revocation lasts"
    )]
    Past { ago: u64 },
    #[error(
        "the token expired {ago} seconds ago: it is refused anyway, so there is nothing to revoke"
    )]
    Expired { ago: u64 },
    #[error(
        "`token` is not a whole JWT, and no key manager uses introspection, so the token is \
         refused anyway; is a part of it missing?"
    )]
    Opaque,
}

/// All members of a call.
pub(super) const MEMBERS: [&str; 8] =
    ["token", "jti", "consumer_key", "subject", "key_manager", "issuer", "before", "expires_at"];

/// The latest end of a revocation, in years: no token lives longer, so a later one is a mistake.
pub(super) const MOST_YEARS: u64 = 10;
