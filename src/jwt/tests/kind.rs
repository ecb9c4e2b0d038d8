//! Shapes of real servers' tokens, by their documents or as recorded: access tokens pass, all others are refused.

use serde_json::{Value as Json, json};

use crate::jwt::tests::{Server, rules};
use crate::jwt::{Introspected, Rejection, TokenKind, WrongType};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{IdTokens, TokenRules};

const LATEST: UnixSeconds = UnixSeconds(1_700_000_600);

fn merged(mut base: Json, more: &Json) -> String {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base.to_string()
}

/// The verdict on a JWT with these claims, and on an introspection answer with the same members.
fn both(header: &str, claims: &Json, rules: &TokenRules) -> [Result<(), WrongType>; 2] {
    let server = Server::new("EdDSA");
    let payload = merged(json!({ "iss": "a", "exp": 1_700_000_600 }), claims);
    let header = format!(r#"{{"alg":"EdDSA","kid":"k1"{header}}}"#);
    let signed = match server.judge(server.signer.token(&header, &payload), rules) {
        Ok(_) => Ok(()),
        Err(Rejection::TokenType(wrong)) => Err(wrong),
        Err(other) => panic!("{other:?}"),
    };
    let answer = merged(json!({ "active": true }), claims);
    let told = match crate::jwt::Claims::introspected(answer.as_bytes(), "a", rules, LATEST) {
        Ok(Introspected::Active(..)) => Ok(()),
        Ok(Introspected::NotAccess(wrong)) => Err(wrong),
        other => panic!("{other:?}"),
    };
    [signed, told]
}

fn verdicts(claims: &Json) -> [Result<(), WrongType>; 2] {
    both(r#","typ":"JWT""#, claims, &rules())
}

#[test]
fn whatever_member_names_another_kind_the_token_is_refused() {
    for (member, word, kind) in [
        ("typ", "Refresh", TokenKind::Refresh),
        ("typ", "refresh", TokenKind::Refresh),
        ("typ", "Offline", TokenKind::Other),
        ("typ", "ID", TokenKind::Id),
        ("typ", "Serialized-ID", TokenKind::Id),
        ("typ", "Logout", TokenKind::Logout),
        ("typ", "logout+jwt", TokenKind::Logout),
        ("typ", "application/secevent+jwt", TokenKind::SecurityEvent),
        ("typ", "RegistrationAccessToken", TokenKind::Other),
        ("token_use", "id", TokenKind::Id),
        ("token_use", "refresh", TokenKind::Refresh),
        ("token_use", "refresh_token", TokenKind::Refresh),
        ("token_use", "REFRESH_TOKEN", TokenKind::Refresh),
        ("tokenUse", "refresh", TokenKind::Refresh),
        ("token_type", "refresh", TokenKind::Refresh),
        ("token_type", "refresh_token", TokenKind::Refresh),
        ("token_type", "InternalKey", TokenKind::Key),
        ("token_type", "apiKey", TokenKind::Key),
        ("token_type", "N_A", TokenKind::Other),
        ("token_type", "something-new", TokenKind::Other),
        ("tokenType", "refresh-token", TokenKind::Refresh),
        ("token_usage", "id_token", TokenKind::Id),
        ("tokenName", "id_token", TokenKind::Id),
        ("issued_token_type", "urn:ietf:params:oauth:token-type:refresh_token", TokenKind::Refresh),
        ("issued_token_type", "urn:ietf:params:oauth:token-type:id_token", TokenKind::Id),
        ("type", "refresh_token", TokenKind::Refresh),
        ("use", "refresh", TokenKind::Refresh),
        ("purpose", "id", TokenKind::Id),
    ] {
        // scopes do not make a token an access token if its server names it otherwise
        for verdict in verdicts(&json!({ member: word, "scope": "read" })) {
            let Err(WrongType::Named { kind: found, .. }) = verdict else {
                panic!("{member} {word}: {verdict:?}")
            };
            assert_eq!(found, kind, "{member} {word}");
        }
    }
    for value in [json!(["access", "refresh"]), json!(7), json!({}), json!(true)] {
        assert!(verdicts(&json!({ "token_use": value })).iter().all(Result::is_err), "{value}");
    }
    let [in_header, _] = both(r#","token_use":"refresh""#, &json!({}), &rules());
    assert!(matches!(in_header, Err(WrongType::Named { kind: TokenKind::Refresh, .. })));
}

#[test]
fn access_tokens_by_any_of_their_names_pass() {
    for (member, word) in [
        ("typ", "Bearer"),
        ("typ", "DPoP"),
        ("typ", "at+jwt"),
        ("typ", "application/at+jwt"),
        ("typ", "JWT"),
        ("typ", "access_token"),
        ("token_use", "access"),
        ("token_use", "access_token"),
        ("token_type", "Bearer"),
        ("token_type", "bearer"),
        ("token_type", "DPoP"),
        ("token_type", "mac"),
        ("token_type", "access_token"),
        ("tokenType", "access-token"),
        ("token_usage", "access_token"),
        ("tokenName", "access_token"),
        ("issued_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("type", "client_token"),
        ("type", "access_token"),
        ("use", "sig"),
        ("purpose", "treatment"),
        ("kind", "user"),
    ] {
        assert_eq!(verdicts(&json!({ member: word })), [Ok(()), Ok(())], "{member} {word}");
    }
    assert_eq!(verdicts(&json!({ "typ": null, "token_use": null })), [Ok(()), Ok(())]);
}

#[test]
fn the_operator_can_take_a_name_that_is_not_known() {
    let claims = json!({ "typ": "svc", "token_type": "SVC" });
    assert!(verdicts(&claims).iter().all(Result::is_err));
    let mut rules = rules();
    rules.token_types = vec!["svc".to_owned(), "jwt".to_owned()];
    assert_eq!(both(r#","typ":"JWT""#, &claims, &rules), [Ok(()), Ok(())]);
}

/// None of the ID tokens of WSO2 Identity Server, glewlwyd, Hydra, Entra, Okta and Auth0 names its
/// kind.
#[test]
fn id_tokens_that_do_not_say_so_are_refused() {
    let wso2 = json!({
        "isk": "b9", "at_hash": "mYyqNWzUGmNNYxaCDpF7NA", "sub": "alice", "amr": ["BasicAuthenticator"], "aud": "client",
        "c_hash": "lnDb", "nbf": 1, "azp": "client", "org_id": "10084a8d", "iat": 1, "jti": "j", "org_name": "Super",
    });
    let glewlwyd = json!({
        "aud": "client", "azp": "client", "sub": "s", "at_hash": "h", "nonce": "n", "amr": ["password"], "auth_time": 1, "acr": "0",
    });
    let hydra = json!({
        "at_hash": "h", "aud": ["client"], "auth_time": 1, "jti": "j", "nonce": "n", "rat": 1, "sid": "s", "sub": "u",
    });
    for (server, claims, mark) in [
        ("wso2", wso2, "at_hash"),
        ("glewlwyd", glewlwyd, "at_hash"),
        ("hydra", hydra, "at_hash"),
        ("implicit flow", json!({ "aud": "client", "azp": "client", "nonce": "n" }), "nonce"),
        (
            "entra v2",
            json!({ "aud": "client", "nonce": "n", "oid": "o", "tid": "t", "uti": "u", "ver": "2.0" }),
            "nonce",
        ),
        ("hybrid flow", json!({ "aud": "client", "azp": "client", "c_hash": "c" }), "c_hash"),
        ("an empty scope", json!({ "azp": "client", "s_hash": "s", "scope": "" }), "s_hash"),
    ] {
        let looks = Err(WrongType::IdToken { mark });
        // the scheme of a token tells nothing about its kind
        for more in [json!({}), json!({ "token_type": "Bearer" })] {
            let claims = serde_json::from_str(&merged(claims.clone(), &more)).unwrap();
            assert_eq!(verdicts(&claims), [looks, looks], "{server}");
        }
        let mut allowing = rules();
        allowing.id_tokens = IdTokens::Allow;
        assert_eq!(both(r#","typ":"JWT""#, &claims, &allowing), [Ok(()), Ok(())], "{server}");
    }
    assert!(WrongType::IdToken { mark: "nonce" }.to_string().contains("looks like an ID token"));
}

#[test]
fn id_tokens_allowed_are_id_tokens_only() {
    let mut rules = rules();
    rules.id_tokens = IdTokens::Allow;
    assert_eq!(both("", &json!({ "token_use": "id", "at_hash": "h" }), &rules), [Ok(()), Ok(())]);
    assert!(both("", &json!({ "typ": "Refresh" }), &rules).iter().all(Result::is_err));
    assert!(both(r#","typ":"rt+jwt""#, &json!({}), &rules)[0].is_err());
}

/// The claims that these servers write into access tokens; some are marks of an ID token elsewhere.
#[test]
fn real_access_tokens_pass() {
    for (server, claims) in [
        (
            "wso2 without scopes",
            json!({ "aut": "APPLICATION", "aud": "client", "azp": "client", "nbf": 1 }),
        ),
        (
            "wso2 organization",
            json!({ "aut": "APPLICATION_USER", "aud": "client", "client_id": "client", "token_type": "Bearer" }),
        ),
        (
            "keycloak of before 25",
            json!({ "typ": "Bearer", "azp": "client", "aud": "account", "nonce": "n", "session_state": "s" }),
        ),
        (
            "entra v2, its own API",
            json!({ "aud": "client", "azp": "client", "azpacr": "1", "nonce": "n", "ver": "2.0" }),
        ),
        (
            "entra b2c",
            json!({ "aud": "api", "azp": "client", "scp": "read", "nonce": "n", "ver": "1.0" }),
        ),
        ("auth0", json!({ "azp": "client", "gty": "client-credentials", "aud": "https://api" })),
        ("okta", json!({ "ver": 1, "cid": "client", "uid": "u", "aud": "api://default" })),
        ("cognito", json!({ "token_use": "access", "client_id": "client", "auth_time": 1 })),
        (
            "pingam",
            json!({ "tokenName": "access_token", "token_type": "Bearer", "aud": "client", "nonce": "n", "scope": ["a"] }),
        ),
        (
            "casdoor",
            json!({ "tokenType": "access-token", "aud": ["client"], "azp": "client", "nonce": "n", "email": "a@b" }),
        ),
        ("a plain one", json!({ "azp": "client", "aud": "client" })),
        ("nonce for an API", json!({ "azp": "client", "aud": "https://api", "nonce": "n" })),
        ("scopes and a hash", json!({ "azp": "client", "at_hash": "h", "scope": "read" })),
    ] {
        assert_eq!(verdicts(&claims), [Ok(()), Ok(())], "{server}");
    }
    let [by_header, _] =
        both(r#","typ":"at+jwt""#, &json!({ "azp": "c", "at_hash": "h" }), &rules());
    assert_eq!(by_header, Ok(()), "the header says what it is");
}
