//! The answer to each reason, as a client reads it.

use serde_json::Value;

use self::rows::{ROWS, SUBSCRIPTION};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};

use super::*;
use crate::model::names::Scope;
use crate::model::reason::Reason;

mod rows;

static ID: HeaderValue = HeaderValue::from_static("7f3a-1");
const API: RefusingApi<'_> = RefusingApi {
    base_path: "/accounts/1.0.0",
    version: "1.0.0",
    authorization_header: "authorization",
};

fn refused(reason: Reason, format: ReplyFormat, scopes: &[Scope]) -> Response<Bytes> {
    let allowed = [Method::GET, Method::HEAD];
    answer(&DenialReply {
        api: Some(API),
        template: Some("/accounts/{id}"),
        scopes,
        allowed: &allowed,
        ..DenialReply::new(reason, &ID, &Method::GET, format)
    })
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn each_reason_has_its_answer() {
    for &(reason, status, code, report, message, description) in ROWS {
        let response = refused(reason, ReplyFormat::Wso2, &[]);
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
fn the_manual_has_the_status_and_code_of_each_reason() {
    let page = include_str!("../../../docs/troubleshooting.md");
    for reason in Reason::ALL {
        let start = format!("| `{}` | ", reason.label());
        let row = page.lines().find(|line| line.starts_with(&start)).expect("a row");
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let documented: String = cells[1].chars().take_while(char::is_ascii_digit).collect();
        let status = match reason {
            // the backend's
            Reason::Forwarded => String::new(),
            // no client is left that reads it
            Reason::ClientClosed => "499".to_owned(),
            _ => status(*reason).as_str().to_owned(),
        };
        assert_eq!(documented, status, "{row}");
        if cells.len() == 5 && !matches!(reason, Reason::Forwarded | Reason::ClientClosed) {
            let code = json(&refused(*reason, ReplyFormat::Wso2, &[]))["code"].clone();
            assert_eq!(cells[2], code, "{row}");
        }
    }
}

#[test]
fn the_members_stand_in_their_order() {
    let response = refused(Reason::ApiNotFound, ReplyFormat::Wso2, &[]);
    let expected = r#"{"code":"404","type":"Status report","message":"Not Found","description":"The requested resource is not available."}"#;
    assert_eq!(response.body(), expected);
}

#[test]
fn every_answer_can_be_told_from_a_backends() {
    for reason in Reason::ALL {
        for format in [ReplyFormat::Wso2, ReplyFormat::Problem, ReplyFormat::ApplicationXml] {
            let response = refused(*reason, format, &[]);
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
                let response = refused(reason, ReplyFormat::Wso2, &[]);
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
            header(&refused(reason, ReplyFormat::Wso2, &[]), "www-authenticate"),
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
        let response = refused(Reason::InsufficientScope, ReplyFormat::Wso2, &scopes(names));
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
        header(&refused(Reason::KeysUnavailable, ReplyFormat::Wso2, &[]), "retry-after"),
        Some("1")
    );
    assert_eq!(header(&refused(Reason::TokenExpired, ReplyFormat::Wso2, &[]), "retry-after"), None);
    let known = DenialReply {
        retry_after: Some(30),
        ..DenialReply::new(Reason::KeysUnavailable, &ID, &Method::GET, ReplyFormat::Wso2)
    };
    assert_eq!(header(&answer(&known), "retry-after"), Some("30"));
}

#[test]
fn an_api_may_have_its_own_header_and_stand_at_the_root() {
    let api = RefusingApi { base_path: "", version: "v2", authorization_header: "x-token" };
    let told = |reason| {
        json(&answer(&DenialReply {
            api: Some(api),
            ..DenialReply::new(reason, &ID, &Method::GET, ReplyFormat::Wso2)
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
    let response = refused(Reason::TokenExpired, ReplyFormat::ApplicationXml, &[]);
    assert_eq!(header(&response, "content-type"), Some("application/xml"));
    assert_eq!(
        response.body(),
        "<ams:fault xmlns:ams=\"http://wso2.org/apimanager/security\"><ams:code>900901</ams:code>\
         <ams:message>Invalid Credentials</ams:message><ams:description>Invalid Credentials. Make sure you have provided \
         the correct security credentials</ams:description></ams:fault>"
    );
    let response = refused(Reason::ApiNotFound, ReplyFormat::TextXml, &[]);
    assert_eq!(header(&response, "content-type"), Some("text/xml"));
    assert_eq!(
        response.body(),
        "<am:fault xmlns:am=\"http://wso2.org/apimanager\"><am:code>404</am:code><am:type>Status report</am:type>\
         <am:message>Not Found</am:message><am:description>The requested resource is not available.</am:description></am:fault>"
    );
}

#[test]
fn a_problem_follows_its_standard() {
    let response = refused(Reason::NotSubscribed, ReplyFormat::Problem, &[]);
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
fn no_format_tells_why_a_token_failed() {
    let bodies =
        [Reason::BadSignature, Reason::TokenExpired, Reason::UnknownKey, Reason::TokenBound].map(
            |reason| {
                [ReplyFormat::Wso2, ReplyFormat::Problem, ReplyFormat::ApplicationXml]
                    .map(|format| refused(reason, format, &[]).into_body())
            },
        );
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn head_gets_the_head_alone() {
    let get = refused(Reason::ApiNotFound, ReplyFormat::Wso2, &[]);
    let head =
        answer(&DenialReply::new(Reason::ApiNotFound, &ID, &Method::HEAD, ReplyFormat::Wso2));
    assert!(head.body().is_empty());
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
}
