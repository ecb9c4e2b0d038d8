//! The answers of a server about a token, and the outcomes of asking for one.

use std::sync::Arc;
use std::time::Duration;

use crate::jwt::{Claims, WrongType};
use crate::model::clock::Moment;

/// The reason for which a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionPurpose {
    /// The answer is all that is known of the token.
    Judge,
    /// The signature is good, and the server may know better (`token_validation = "both"`).
    Confirm,
}

/// The answer of a server about a token.
#[derive(Debug, Clone)]
pub enum IntrospectionAnswer {
    /// The token is active, until the time at which it must be asked about again.
    Active(Arc<Claims>, Moment),
    /// The server knows the token, and it is no access token.
    NotAccess(WrongType),
    Inactive,
    /// The server gave no answer, and `on_introspection_failure` lets the signature alone be enough
    /// until then.
    Unconfirmed(Moment),
}

/// The outcome of asking.
#[derive(Debug, Clone)]
pub enum IntrospectionOutcome {
    Answered(IntrospectionAnswer),
    /// There is no answer; with the message for the operator.
    Unavailable(Arc<str>),
    /// The server failed again and again, and is not asked for this long.
    Spared(Arc<str>, Duration),
}
