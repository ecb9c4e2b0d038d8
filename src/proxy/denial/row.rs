//! One row of the table of reasons, and the kinds of rows that WSO2 knows.

use std::borrow::Cow;

use http::StatusCode;

use crate::proxy::denial::challenge::Challenge;
use crate::proxy::denial::reply::DenialReply;

/// One answer, before it is written in a format.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) family: FaultFamily,
    pub(super) message: &'static str,
    pub(super) description: Cow<'static, str>,
    pub(super) challenge: Option<Challenge>,
    /// Seconds to wait, unless the refusal itself knows better.
    pub(super) retry_after: Option<u32>,
}

/// The shapes of WSO2's faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultFamily {
    /// Authentication and authorization.
    Security,
    /// Throttling: like the first, with the time from which requests are accepted again, if it is
    /// known.
    Throttling,
    /// All others, with a `type` that is always `Status report`.
    Status,
}

/// Makes a row of the family with a `type`.
pub(super) fn status(
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    description: &'static str,
) -> Row {
    let description = Cow::Borrowed(description);
    Row {
        status,
        code,
        family: FaultFamily::Status,
        message,
        description,
        challenge: None,
        retry_after: None,
    }
}

/// Makes a row for a limit that was reached. Its answer has the time from which requests are
/// accepted again.
pub(super) fn throttled(
    refusal: &DenialReply<'_>,
    code: &'static str,
    description: &'static str,
) -> Row {
    // the space before the full stop is WSO2's
    let later = |next| format!("{description} .You can access API after {next}").into();
    Row {
        family: FaultFamily::Throttling,
        description: refusal.next_access.map_or(Cow::Borrowed(description), later),
        ..status(StatusCode::TOO_MANY_REQUESTS, code, "Message throttled out", description)
    }
}

/// Makes a row for a trouble behind the gateway.
pub(super) fn runtime(
    code_status: StatusCode,
    code: &'static str,
    description: &'static str,
) -> Row {
    status(code_status, code, "Runtime Error", description)
}

/// Makes a row for a token that is not accepted.
pub(super) fn unauthorized(
    code: &'static str,
    message: &'static str,
    description: impl Into<Cow<'static, str>>,
) -> Row {
    let challenge = Some(Challenge::InvalidToken);
    let description = description.into();
    Row {
        status: StatusCode::UNAUTHORIZED,
        code,
        family: FaultFamily::Security,
        message,
        description,
        challenge,
        retry_after: None,
    }
}

/// Makes a row for a caller that may not call.
pub(super) fn forbidden(
    code: &'static str,
    message: &'static str,
    description: impl Into<Cow<'static, str>>,
) -> Row {
    Row {
        status: StatusCode::FORBIDDEN,
        challenge: None,
        ..unauthorized(code, message, description)
    }
}
