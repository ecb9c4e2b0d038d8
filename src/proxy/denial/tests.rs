//! What a client reads of each reason.

use serde_json::Value;

use super::*;

static ID: HeaderValue = HeaderValue::from_static("7f3a-1");
const API: RefusingApi<'_> = RefusingApi {
    base_path: "/accounts/1.0.0",
    version: "1.0.0",
    authorization_header: "authorization",
};

fn refused(reason: Reason, tongue: Tongue, scopes: &[Scope]) -> Response<Bytes> {
    let allowed = [Method::GET, Method::HEAD];
    answer(&Refusal {
        api: Some(API),
        template: Some("/accounts/{id}"),
        scopes,
        allowed: &allowed,
        ..Refusal::new(reason, &ID, &Method::GET, tongue)
    })
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

const INVALID: &str =
    "Invalid Credentials. Make sure you have provided the correct security credentials";
const SUBSCRIPTION: &str =
    "User is NOT authorized to access the Resource. API Subscription validation failed.";

/// Reason, status, code, message, description; the type is `Status report` where marked.
const SECURITY: bool = false;
const STATUS: bool = true;
type Expected = (Reason, u16, &'static str, bool, &'static str, &'static str);

const ROWS: &[Expected] = &[
    (
        Reason::InvalidRequest,
        400,
        "400",
        STATUS,
        "Bad Request",
        "The request cannot be read in one way only",
    ),
    (
        Reason::HeadTooLarge,
        431,
        "431",
        STATUS,
        "Request Header Fields Too Large",
        "The head of the request is too large",
    ),
    (
        Reason::InvalidPath,
        400,
        "400",
        STATUS,
        "Bad Request",
        "The path of the request cannot be read in one way only",
    ),
    (
        Reason::MethodRefused,
        501,
        "501",
        STATUS,
        "Not Implemented",
        "The gateway does not support this method",
    ),
    (
        Reason::BodyTooLarge,
        413,
        "413",
        STATUS,
        "Payload Too Large",
        "The body of the request is too large",
    ),
    (
        Reason::BodyStalled,
        408,
        "408",
        STATUS,
        "Request Timeout",
        "The body of the request did not arrive in time",
    ),
    (
        Reason::ApiNotFound,
        404,
        "404",
        STATUS,
        "Not Found",
        "The requested resource is not available.",
    ),
    (
        Reason::OperationNotFound,
        404,
        "404",
        STATUS,
        "Runtime Error",
        "No matching resource found for given API Request",
    ),
    (
        Reason::MethodNotAllowed,
        405,
        "405",
        STATUS,
        "Runtime Error",
        "Method not allowed for given API resource",
    ),
    (
        Reason::ApiBlocked,
        503,
        "700700",
        STATUS,
        "API blocked",
        "This API has been blocked temporarily. Please try again later or contact the system administrators.",
    ),
    (
        Reason::MissingCredentials,
        401,
        "900902",
        SECURITY,
        "Missing Credentials",
        "Invalid Credentials. Make sure your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN' or 'Authorization : Basic ACCESS_TOKEN' or 'ApiKey : API_KEY'",
    ),
    (
        Reason::SeveralCredentials,
        400,
        "900901",
        SECURITY,
        "Invalid Credentials",
        "Invalid Credentials. Make sure your API invocation call has exactly one access token",
    ),
    (
        Reason::UnknownIssuer,
        401,
        "900901",
        SECURITY,
        "Invalid Credentials",
        "Access failure for API: /accounts/1.0.0, version: 1.0.0 status: (900901) - Invalid Credentials. Make sure you have provided the correct security credentials",
    ),
    (Reason::TokenTooLarge, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenMalformed, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::KeyManagerNotAllowed, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::AlgorithmRefused, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::CriticalHeader, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::UnknownKey, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::BadSignature, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenExpired, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenNotYetValid, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::InvalidClaims, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::LifetimeTooLong, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenTypeRefused, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenAudience, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenBound, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (
        Reason::KeysUnavailable,
        503,
        "900900",
        SECURITY,
        "Unclassified Authentication Failure",
        "The credentials cannot be checked at the moment. Try again later",
    ),
    (
        Reason::ConsumerKeyMissing,
        403,
        "900908",
        SECURITY,
        "Resource forbidden ",
        "Resource forbidden ",
    ),
    (Reason::ConsumerKeyUnknown, 403, "900908", SECURITY, "Resource forbidden ", SUBSCRIPTION),
    (
        Reason::OrganizationMissing,
        401,
        "900913",
        SECURITY,
        "Claim Invalid",
        "Claim Invalid. The configured resource access validation claim is not present in the token.",
    ),
    (
        Reason::OrganizationMismatch,
        401,
        "900912",
        SECURITY,
        "Claim Mismatch",
        "Claim Mismatch. The claim configured in the system and the claim provided in the token do not align. Please ensure the claims match.",
    ),
    (Reason::NotSubscribed, 403, "900908", SECURITY, "Resource forbidden ", SUBSCRIPTION),
    (
        Reason::SubscriptionBlocked,
        401,
        "900907",
        SECURITY,
        "The requested API is temporarily blocked",
        SUBSCRIPTION,
    ),
    (
        Reason::SubscriptionInactive,
        401,
        "900909",
        SECURITY,
        "The subscription to the API is inactive",
        SUBSCRIPTION,
    ),
    (
        Reason::InsufficientScope,
        403,
        "900910",
        SECURITY,
        "The access token does not allow you to access the requested resource",
        "User is NOT authorized to access the Resource: /accounts/{id}. Scope validation failed.",
    ),
    (
        Reason::AudienceRefused,
        403,
        "900914",
        SECURITY,
        "Access Denied",
        "Access Denied. The access token does not allow you to access the requested resource",
    ),
    (
        Reason::NoProductionBackend,
        403,
        "900901",
        STATUS,
        "Runtime Error",
        "Production key offered to the API with no production endpoint",
    ),
    (
        Reason::NoSandboxBackend,
        403,
        "900901",
        STATUS,
        "Runtime Error",
        "Sandbox key offered to the API with no sandbox endpoint",
    ),
    (
        Reason::BackendUnresolved,
        503,
        "303001",
        STATUS,
        "Runtime Error",
        "The backend cannot be found",
    ),
    (
        Reason::BackendRefused,
        503,
        "101503",
        STATUS,
        "Runtime Error",
        "The backend does not accept connections",
    ),
    (
        Reason::OwnShortage,
        503,
        "101500",
        STATUS,
        "Runtime Error",
        "The gateway cannot open more connections",
    ),
    (
        Reason::BackendConnectTimeout,
        504,
        "101508",
        STATUS,
        "Runtime Error",
        "Connecting to the backend took too long",
    ),
    (
        Reason::BackendTls,
        502,
        "101503",
        STATUS,
        "Runtime Error",
        "No secure connection to the backend could be made",
    ),
    (
        Reason::BackendTimeout,
        504,
        "101504",
        STATUS,
        "Runtime Error",
        "The backend took too long to answer",
    ),
    (
        Reason::BackendReset,
        502,
        "101505",
        STATUS,
        "Runtime Error",
        "The backend closed the connection before it answered",
    ),
    (
        Reason::BackendProtocol,
        502,
        "101506",
        STATUS,
        "Runtime Error",
        "The backend's answer cannot be understood",
    ),
    (
        Reason::ClientClosed,
        499,
        "499",
        STATUS,
        "Client Closed Request",
        "The client closed the connection",
    ),
    (
        Reason::InternalError,
        500,
        "500",
        STATUS,
        "Internal Server Error",
        "The gateway failed to handle the request",
    ),
    (
        Reason::Forwarded,
        500,
        "500",
        STATUS,
        "Internal Server Error",
        "The gateway failed to handle the request",
    ),
    (Reason::TokenRevoked, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::TokenInactive, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (
        Reason::IntrospectionUnavailable,
        503,
        "900900",
        SECURITY,
        "Unclassified Authentication Failure",
        "The credentials cannot be checked at the moment. Try again later",
    ),
    (Reason::TokenNotBound, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::ProofInvalid, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (Reason::ProofNonce, 401, "900901", SECURITY, "Invalid Credentials", INVALID),
    (
        Reason::ForgedTokens,
        429,
        "429",
        STATUS,
        "Too Many Requests",
        "Too many tokens of this address could not be verified. Try again later",
    ),
    (
        Reason::UnknownTokens,
        429,
        "429",
        STATUS,
        "Too Many Requests",
        "Too many unknown tokens from this address. Try again later",
    ),
    (
        Reason::ResourceMetadata,
        500,
        "500",
        STATUS,
        "Internal Server Error",
        "The gateway failed to handle the request",
    ),
    (
        Reason::CorsPreflight,
        500,
        "500",
        STATUS,
        "Internal Server Error",
        "The gateway failed to handle the request",
    ),
    (
        Reason::Overloaded,
        503,
        "503",
        STATUS,
        "Service Unavailable",
        "The gateway is overloaded. Try again shortly",
    ),
    (
        Reason::ConcurrencyLimit,
        503,
        "900801",
        STATUS,
        "API Limit Reached",
        "API not accepting requests",
    ),
    (
        Reason::RequestTimeout,
        504,
        "101504",
        STATUS,
        "Runtime Error",
        "The exchange took longer than it may",
    ),
    (
        Reason::UpgradeRefused,
        502,
        "101506",
        STATUS,
        "Runtime Error",
        "The backend did not switch protocols as it said",
    ),
    (
        Reason::ServerOptions,
        500,
        "500",
        STATUS,
        "Internal Server Error",
        "The gateway failed to handle the request",
    ),
];

#[test]
fn each_reason_has_its_answer() {
    for &(reason, status, code, report, message, description) in ROWS {
        let response = refused(reason, Tongue::Wso2, &[]);
        assert_eq!(response.status().as_u16(), status, "{reason:?}");
        let mut expected =
            serde_json::json!({ "code": code, "message": message, "description": description });
        if report {
            expected["type"] = "Status report".into();
        }
        assert_eq!(json(&response), expected, "{reason:?}");
    }
    let covered: Vec<Reason> = ROWS.iter().map(|row| row.0).collect();
    for reason in Reason::ALL {
        assert_eq!(covered.iter().filter(|other| *other == reason).count(), 1, "{reason:?}");
    }
}

#[test]
fn the_members_stand_in_their_order() {
    let response = refused(Reason::ApiNotFound, Tongue::Wso2, &[]);
    let expected = r#"{"code":"404","type":"Status report","message":"Not Found","description":"The requested resource is not available."}"#;
    assert_eq!(response.body(), expected);
}

#[test]
fn every_answer_can_be_told_from_a_backends() {
    for reason in Reason::ALL {
        for tongue in [Tongue::Wso2, Tongue::Problem, Tongue::ApplicationXml] {
            let response = refused(*reason, tongue, &[]);
            assert_eq!(header(&response, "portcullis-denial"), Some("7f3a-1"));
            assert_eq!(header(&response, "cache-control"), Some("no-store"));
            assert_eq!(
                header(&response, "content-length"),
                Some(response.body().len().to_string().as_str())
            );
            assert_eq!(
                header(&response, "allow"),
                (*reason == Reason::MethodNotAllowed).then_some("GET, HEAD")
            );
        }
    }
}

#[test]
fn challenges_say_what_the_standard_lets_them_say() {
    let realm = r#"Bearer realm="WSO2 API Manager""#;
    let invalid = format!(
        r#"{realm}, error="invalid_token", error_description="The provided token is invalid""#
    );
    let request = format!(
        r#"{realm}, error="invalid_request", error_description="Exactly one token must be sent""#
    );
    let scope = format!(
        r#"{realm}, error="insufficient_scope", error_description="The token does not allow this request""#
    );
    for &(reason, status, code, ..) in ROWS {
        let expected = match (reason, status, code) {
            (Reason::MissingCredentials, ..) => Some(realm),
            (Reason::SeveralCredentials, ..) => Some(request.as_str()),
            (Reason::ProofInvalid | Reason::ProofNonce, ..) => {
                let response = refused(reason, Tongue::Wso2, &[]);
                let challenge = header(&response, "www-authenticate").unwrap();
                let word = if reason == Reason::ProofNonce {
                    "use_dpop_nonce"
                } else {
                    "invalid_dpop_proof"
                };
                assert!(
                    challenge.starts_with("DPoP realm=")
                        && challenge.contains(&format!("error=\"{word}\"")),
                    "{challenge}"
                );
                continue;
            }
            (_, 401, _) => Some(invalid.as_str()),
            (Reason::InsufficientScope, ..) => Some(scope.as_str()),
            _ => None,
        };
        assert_eq!(
            header(&refused(reason, Tongue::Wso2, &[]), "www-authenticate"),
            expected,
            "{reason:?}"
        );
    }
}

#[test]
fn the_scopes_that_would_do_are_named() {
    let scopes = |names: &[&str]| {
        names.iter().map(|name| Scope::try_from(*name).unwrap()).collect::<Vec<_>>()
    };
    let challenge = |names: &[&str]| {
        let response = refused(Reason::InsufficientScope, Tongue::Wso2, &scopes(names));
        header(&response, "www-authenticate")
            .unwrap()
            .split_once(", scope=")
            .map(|(_, scope)| scope.to_owned())
    };
    assert_eq!(challenge(&["accounts:read", "b"]), Some("\"accounts:read b\"".to_owned()));
    assert_eq!(challenge(&["a\"b", "caf\u{e9}", "c\\d", "kept"]), Some("\"kept\"".to_owned()));
    assert_eq!(challenge(&["a b"]), None);
}

#[test]
fn waiting_is_advised_where_it_helps() {
    assert_eq!(
        header(&refused(Reason::KeysUnavailable, Tongue::Wso2, &[]), "retry-after"),
        Some("1")
    );
    assert_eq!(header(&refused(Reason::TokenExpired, Tongue::Wso2, &[]), "retry-after"), None);
    let known = Refusal {
        retry_after: Some(30),
        ..Refusal::new(Reason::KeysUnavailable, &ID, &Method::GET, Tongue::Wso2)
    };
    assert_eq!(header(&answer(&known), "retry-after"), Some("30"));
}

#[test]
fn an_api_may_have_its_own_header_and_stand_at_the_root() {
    let api = RefusingApi { base_path: "", version: "v2", authorization_header: "x-token" };
    let told = |reason| {
        json(&answer(&Refusal {
            api: Some(api),
            ..Refusal::new(reason, &ID, &Method::GET, Tongue::Wso2)
        }))
    };
    assert_eq!(
        told(Reason::MissingCredentials)["description"],
        "Invalid Credentials. Make sure your API invocation call has a header: 'x-token : Bearer ACCESS_TOKEN' or 'x-token : Basic ACCESS_TOKEN' or 'ApiKey : API_KEY'"
    );
    let issuer = told(Reason::UnknownIssuer)["description"].clone();
    assert!(
        issuer
            .as_str()
            .unwrap()
            .starts_with("Access failure for API: /, version: v2 status: (900901) - Invalid")
    );
}

#[test]
fn xml_is_in_the_namespace_of_its_family() {
    let response = refused(Reason::TokenExpired, Tongue::ApplicationXml, &[]);
    assert_eq!(header(&response, "content-type"), Some("application/xml"));
    assert_eq!(
        response.body(),
        "<ams:fault xmlns:ams=\"http://wso2.org/apimanager/security\"><ams:code>900901</ams:code>\
         <ams:message>Invalid Credentials</ams:message><ams:description>Invalid Credentials. Make sure you have provided \
         the correct security credentials</ams:description></ams:fault>"
    );
    let response = refused(Reason::ApiNotFound, Tongue::TextXml, &[]);
    assert_eq!(header(&response, "content-type"), Some("text/xml"));
    assert_eq!(
        response.body(),
        "<am:fault xmlns:am=\"http://wso2.org/apimanager\"><am:code>404</am:code><am:type>Status report</am:type>\
         <am:message>Not Found</am:message><am:description>The requested resource is not available.</am:description></am:fault>"
    );
}

#[test]
fn a_problem_follows_its_standard() {
    let response = refused(Reason::NotSubscribed, Tongue::Problem, &[]);
    assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
    let expected = serde_json::json!({
        "type": "urn:portcullis:error:900908",
        "title": "Resource forbidden",
        "status": 403,
        "detail": SUBSCRIPTION,
        "code": "900908",
        "denial": "7f3a-1",
    });
    assert_eq!(json(&response), expected);
}

#[test]
fn no_tongue_tells_why_a_token_failed() {
    let bodies =
        [Reason::BadSignature, Reason::TokenExpired, Reason::UnknownKey, Reason::TokenBound].map(
            |reason| {
                [Tongue::Wso2, Tongue::Problem, Tongue::ApplicationXml]
                    .map(|tongue| refused(reason, tongue, &[]).into_body())
            },
        );
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn head_gets_the_head_alone() {
    let get = refused(Reason::ApiNotFound, Tongue::Wso2, &[]);
    let head = answer(&Refusal::new(Reason::ApiNotFound, &ID, &Method::HEAD, Tongue::Wso2));
    assert!(head.body().is_empty());
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
}
