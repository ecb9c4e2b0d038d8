//! The table of reasons: status, code, message and description for the client.
//!
//! The codes, messages and descriptions are WSO2's if WSO2 has the case. For troubles of the
//! backend or of fetching keys WSO2 answers 500; this table answers 502, 503 or 504, with WSO2's
//! own backend codes.

use http::StatusCode;

use crate::model::reason::Reason;
use crate::proxy::denial::challenge::Challenge;
use crate::proxy::denial::reply::DenialReply;
use crate::proxy::denial::row::{
    FaultFamily, Row, forbidden, runtime, status, throttled, unauthorized,
};

/// Seconds after which keys may have arrived: the first retry of a failed fetch.
const KEYS_RETRY_SECONDS: u32 = 1;
/// nginx's status for a client that left. It stands in logs only, since no client reads it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

const INVALID_CREDENTIALS: &str =
    "Invalid Credentials. Make sure you have provided the correct security credentials";
const SUBSCRIPTION: &str =
    "User is NOT authorized to access the Resource. API Subscription validation failed.";
const AUDIENCE: &str =
    "Access Denied. The access token does not allow you to access the requested resource";
const ORGANIZATION_MISSING: &str =
    "Claim Invalid. The configured resource access validation claim is not present in the token.";
const ORGANIZATION_MISMATCH: &str = "Claim Mismatch. The claim configured in the system and the claim provided in the token do not align. \
                                     Please ensure the claims match.";
const BLOCKED: &str = "This API has been blocked temporarily. Please try again later or contact the system administrators.";
const FORGED_TOKENS: &str = "Too many invalid tokens from this address. Try again later";
const UNKNOWN_TOKENS: &str = "Too many unknown tokens from this address. Try again later";
const DENIED: &str = "You have been blocked from accessing the resource";
const OVER_QUOTA: &str = "You have exceeded your quota";
const OVER_BURST: &str = "You have exceeded your application burst limit quota";
const NO_PRODUCTION: &str = "Production key offered to the API with no production endpoint";
const NO_SANDBOX: &str = "Sandbox key offered to the API with no sandbox endpoint";

#[expect(clippy::too_many_lines, reason = "one row a reason, in one place")]
#[deny(clippy::wildcard_enum_match_arm)]
pub(super) fn row(refusal: &DenialReply<'_>) -> Row {
    use StatusCode as S;
    match refusal.reason {
        Reason::InvalidRequest => status(
            S::BAD_REQUEST,
            "400",
            "Bad Request",
            "The request cannot be read in one way only",
        ),
        Reason::TargetTooLong => {
            status(S::URI_TOO_LONG, "414", "URI Too Long", "The target of the request is too long")
        }
        Reason::VersionRefused => status(
            S::HTTP_VERSION_NOT_SUPPORTED,
            "505",
            "HTTP Version Not Supported",
            "The gateway speaks HTTP/1.0, HTTP/1.1 and HTTP/2",
        ),
        Reason::Misdirected => status(
            S::MISDIRECTED_REQUEST,
            "421",
            "Misdirected Request",
            "An https target needs a connection with TLS",
        ),
        Reason::HeadTooLarge => status(
            S::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "431",
            "Request Header Fields Too Large",
            "The head of the request is too large",
        ),
        Reason::InvalidPath => status(
            S::BAD_REQUEST,
            "400",
            "Bad Request",
            "The path of the request cannot be read in one way only",
        ),
        // 405 would have to list the allowed methods, and these are allowed nowhere
        Reason::MethodRefused => status(
            S::NOT_IMPLEMENTED,
            "501",
            "Not Implemented",
            "The gateway does not support this method",
        ),
        Reason::BodyTooLarge => status(
            S::PAYLOAD_TOO_LARGE,
            "413",
            "Payload Too Large",
            "The body of the request is too large",
        ),
        Reason::BodyStalled => status(
            S::REQUEST_TIMEOUT,
            "408",
            "Request Timeout",
            "The body of the request did not arrive in time",
        ),

        Reason::Overloaded => Row {
            retry_after: Some(1),
            ..status(
                S::SERVICE_UNAVAILABLE,
                "503",
                "Service Unavailable",
                "The gateway is overloaded. Try again shortly",
            )
        },

        Reason::ApiNotFound => {
            status(S::NOT_FOUND, "404", "Not Found", "The requested resource is not available.")
        }
        Reason::OperationNotFound => {
            runtime(S::NOT_FOUND, "404", "No matching resource found for given API Request")
        }
        Reason::MethodNotAllowed => {
            runtime(S::METHOD_NOT_ALLOWED, "405", "Method not allowed for given API resource")
        }
        Reason::ApiBlocked => status(S::SERVICE_UNAVAILABLE, "700700", "API blocked", BLOCKED),

        Reason::MissingCredentials => missing_credentials(refusal),
        Reason::SeveralCredentials => several_credentials(),
        Reason::UnknownIssuer => unknown_issuer(refusal),
        Reason::TokenTooLarge
        | Reason::TokenMalformed
        | Reason::KeyManagerNotAllowed
        | Reason::AlgorithmRefused
        | Reason::CriticalHeader
        | Reason::UnknownKey
        | Reason::BadSignature
        | Reason::TokenExpired
        | Reason::TokenNotYetValid
        | Reason::InvalidClaims
        | Reason::LifetimeTooLong
        | Reason::TokenTypeRefused
        | Reason::TokenAudience
        | Reason::TokenBound
        | Reason::TokenRevoked
        | Reason::TokenInactive
        | Reason::TokenNotBound => {
            unauthorized("900901", "Invalid Credentials", INVALID_CREDENTIALS)
        }
        Reason::ProofInvalid => Row {
            challenge: Some(Challenge::Proof),
            ..unauthorized("900901", "Invalid Credentials", INVALID_CREDENTIALS)
        },
        Reason::ProofNonce => Row {
            challenge: Some(Challenge::ProofNonce),
            ..unauthorized("900901", "Invalid Credentials", INVALID_CREDENTIALS)
        },
        Reason::ForgedTokens => Row {
            retry_after: Some(1),
            ..status(S::TOO_MANY_REQUESTS, "429", "Too Many Requests", FORGED_TOKENS)
        },
        Reason::UnknownTokens => Row {
            retry_after: Some(1),
            ..status(S::TOO_MANY_REQUESTS, "429", "Too Many Requests", UNKNOWN_TOKENS)
        },
        Reason::KeysUnavailable | Reason::IntrospectionUnavailable => keys_unavailable(),

        Reason::ConsumerKeyMissing => {
            forbidden("900908", "Resource forbidden ", "Resource forbidden ")
        }
        Reason::ConsumerKeyUnknown | Reason::NotSubscribed => {
            forbidden("900908", "Resource forbidden ", SUBSCRIPTION)
        }
        Reason::OrganizationMissing => {
            unauthorized("900913", "Claim Invalid", ORGANIZATION_MISSING)
        }
        Reason::OrganizationMismatch => {
            unauthorized("900912", "Claim Mismatch", ORGANIZATION_MISMATCH)
        }
        Reason::SubscriptionBlocked => {
            unauthorized("900907", "The requested API is temporarily blocked", SUBSCRIPTION)
        }
        Reason::SubscriptionInactive => {
            unauthorized("900909", "The subscription to the API is inactive", SUBSCRIPTION)
        }
        Reason::InsufficientScope => insufficient_scope(refusal),
        Reason::AudienceRefused => forbidden("900914", "Access Denied", AUDIENCE),
        Reason::NoProductionBackend => runtime(S::FORBIDDEN, "900901", NO_PRODUCTION),
        Reason::NoSandboxBackend => runtime(S::FORBIDDEN, "900901", NO_SANDBOX),

        Reason::ConcurrencyLimit | Reason::CountersUnavailable => Row {
            retry_after: Some(1),
            ..status(
                S::SERVICE_UNAVAILABLE,
                "900801",
                "API Limit Reached",
                "API not accepting requests",
            )
        },

        Reason::HardLimit => Row {
            family: FaultFamily::Throttling,
            ..status(
                S::SERVICE_UNAVAILABLE,
                "900801",
                "API Limit Reached",
                "API not accepting requests",
            )
        },
        Reason::Denied => Row {
            family: FaultFamily::Throttling,
            ..status(S::FORBIDDEN, "900805", "Message blocked", DENIED)
        },
        Reason::ApiQuota => throttled(refusal, "900800", OVER_QUOTA),
        Reason::OperationQuota => throttled(refusal, "900802", OVER_QUOTA),
        Reason::ApplicationQuota => throttled(refusal, "900803", OVER_QUOTA),
        Reason::SubscriptionQuota => throttled(refusal, "900804", OVER_QUOTA),
        Reason::CustomQuota => throttled(refusal, "900806", OVER_QUOTA),
        Reason::SubscriptionBurst => throttled(refusal, "900807", OVER_QUOTA),
        Reason::ApplicationBurst => throttled(refusal, "900809", OVER_BURST),

        Reason::BackendUnresolved | Reason::BackendDenied => {
            runtime(S::SERVICE_UNAVAILABLE, "303001", "The backend cannot be found")
        }
        Reason::BackendRefused => {
            runtime(S::SERVICE_UNAVAILABLE, "101503", "The backend does not accept connections")
        }
        Reason::OwnShortage => {
            runtime(S::SERVICE_UNAVAILABLE, "101500", "The gateway cannot open more connections")
        }
        Reason::BackendConnectTimeout => {
            runtime(S::GATEWAY_TIMEOUT, "101508", "Connecting to the backend took too long")
        }
        Reason::BackendTls => {
            runtime(S::BAD_GATEWAY, "101503", "No secure connection to the backend could be made")
        }
        Reason::BackendTimeout => {
            runtime(S::GATEWAY_TIMEOUT, "101504", "The backend took too long to answer")
        }
        Reason::RequestTimeout => {
            runtime(S::GATEWAY_TIMEOUT, "101504", "The request exceeded its time limit")
        }
        Reason::UpgradeRefused => {
            runtime(S::BAD_GATEWAY, "101506", "The backend did not switch protocols as it said")
        }
        Reason::BackendReset => runtime(
            S::BAD_GATEWAY,
            "101505",
            "The backend closed the connection before it answered",
        ),
        Reason::BackendProtocol => {
            runtime(S::BAD_GATEWAY, "101506", "The backend's answer cannot be understood")
        }

        Reason::ClientClosed => client_closed(),
        // the first four refuse nothing: a refusal with them is a bug, and no bug opens the gateway
        Reason::Forwarded
        | Reason::ServerOptions
        | Reason::CorsPreflight
        | Reason::ResourceMetadata
        | Reason::InternalError => internal_error(),
    }
}

fn missing_credentials(refusal: &DenialReply<'_>) -> Row {
    let header = refusal.api.map_or("authorization", |api| api.authorization_header);
    let header =
        if header.eq_ignore_ascii_case("authorization") { "Authorization" } else { header };
    let description = format!(
        "Invalid Credentials. Make sure your API invocation call has a header: '{header} : Bearer ACCESS_TOKEN' or \
         '{header} : Basic ACCESS_TOKEN' or 'ApiKey : API_KEY'"
    );
    Row {
        challenge: Some(Challenge::Bare),
        ..unauthorized("900902", "Missing Credentials", description)
    }
}

fn several_credentials() -> Row {
    let challenge = Some(Challenge::InvalidRequest);
    let description =
        "Invalid Credentials. Make sure your API invocation call has exactly one access token";
    Row {
        status: StatusCode::BAD_REQUEST,
        challenge,
        ..unauthorized("900901", "Invalid Credentials", description)
    }
}

fn unknown_issuer(refusal: &DenialReply<'_>) -> Row {
    let Some(api) = refusal.api else {
        return unauthorized("900901", "Invalid Credentials", INVALID_CREDENTIALS);
    };
    let context = if api.base_path.is_empty() { "/" } else { api.base_path };
    let description = format!(
        "Access failure for API: {context}, version: {} status: (900901) - {INVALID_CREDENTIALS}",
        api.version
    );
    unauthorized("900901", "Invalid Credentials", description)
}

fn insufficient_scope(refusal: &DenialReply<'_>) -> Row {
    let template = refusal.template.unwrap_or("/");
    let description = format!(
        "User is NOT authorized to access the Resource: {template}. Scope validation failed."
    );
    let message = "The access token does not allow you to access the requested resource";
    Row {
        challenge: Some(Challenge::InsufficientScope),
        ..forbidden("900910", message, description)
    }
}

fn keys_unavailable() -> Row {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let message = "Unclassified Authentication Failure";
    let description = "The credentials cannot be checked at the moment. Try again later";
    let retry_after = Some(KEYS_RETRY_SECONDS);
    Row {
        family: FaultFamily::Security,
        retry_after,
        ..status(unavailable, "900900", message, description)
    }
}

fn client_closed() -> Row {
    let closed = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
    status(closed, "499", "Client Closed Request", "The client closed the connection")
}

fn internal_error() -> Row {
    status(
        StatusCode::INTERNAL_SERVER_ERROR,
        "500",
        "Internal Server Error",
        "The gateway failed to handle the request",
    )
}
