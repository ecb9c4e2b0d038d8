//! The registered claims, the key manager's rules, and how clients and scopes are found.

use std::time::Duration;

use crate::jwt::tests::{NOW, Server, rules};
use crate::jwt::{ClaimFault, Claims, Rejection, TokenKind, WrongType, check_time};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::ClaimNames;
use crate::model::reason::Reason;

fn names(consumer_key: Option<&str>, scopes: Option<&str>) -> ClaimNames {
    ClaimNames { consumer_key: consumer_key.map(str::to_owned), scopes: scopes.map(str::to_owned) }
}

fn claims(server: &Server, members: &str) -> Claims {
    server.claims(&format!(r#"{{"iss":"a","exp":1700000600,{members}}}"#)).unwrap()
}

#[test]
fn time_has_leeway_on_both_sides() {
    let rules = rules();
    let at =
        |exp, nbf: Option<u64>| check_time(UnixSeconds(exp), nbf.map(UnixSeconds), &rules, NOW);
    assert_eq!(at(NOW.0 - 29, None), Ok(()));
    assert_eq!(at(NOW.0 - 30, None), Err(Rejection::Expired { seconds: 30 }));
    assert_eq!(at(NOW.0 + 1, Some(NOW.0 + 30)), Ok(()));
    assert_eq!(at(NOW.0 + 1, Some(NOW.0 + 31)), Err(Rejection::NotYetValid { seconds: 31 }));
    assert_eq!(at(u64::MAX, Some(0)), Ok(()));
    let end = UnixSeconds(u64::MAX);
    assert!(matches!(
        check_time(UnixSeconds(1), None, &rules, end),
        Err(Rejection::Expired { .. })
    ));
}

#[test]
fn a_lifetime_may_be_bounded() {
    let mut rules = rules();
    rules.max_lifetime = Some(Duration::from_hours(1));
    let at = |exp| check_time(UnixSeconds(exp), None, &rules, NOW);
    assert_eq!(at(NOW.0 + 3630), Ok(()));
    assert_eq!(at(NOW.0 + 3631), Err(Rejection::LifetimeTooLong));
    assert_eq!(at(u64::MAX), Err(Rejection::LifetimeTooLong));
}

#[test]
fn not_before_is_checked_and_rounded_up() {
    let server = Server::new("EdDSA");
    let with = |nbf: &str| {
        server
            .claims(&format!(r#"{{"iss":"a","exp":1700000600,"nbf":{nbf}}}"#))
            .map(|claims| claims.not_before())
    };
    assert_eq!(with("1700000030"), Ok(Some(UnixSeconds(1_700_000_030))));
    assert_eq!(with("1700000029.5"), Ok(Some(UnixSeconds(1_700_000_030))));
    assert_eq!(with("1700000030.5"), Err(Rejection::NotYetValid { seconds: 31 }));
    assert_eq!(with("-5"), Ok(Some(UnixSeconds(0))));
    assert_eq!(
        with("\"1\""),
        Err(Rejection::InvalidClaim { name: "nbf", fault: ClaimFault::WrongType })
    );
}

#[test]
fn registered_claims_of_a_wrong_type_are_never_absent_claims() {
    let server = Server::new("EdDSA");
    for (name, value) in [
        ("iss", "[\"a\"]"),
        ("iss", "null"),
        ("sub", "1"),
        ("jti", "{}"),
        ("aud", "null"),
        ("aud", "{\"a\":1}"),
        ("aud", "[\"a\",1]"),
        ("aud", "7"),
        ("iat", "\"now\""),
        ("iat", "false"),
    ] {
        let issuer = if name == "iss" { "" } else { "\"iss\":\"a\"," };
        let rejection = server
            .claims(&format!(r#"{{{issuer}"exp":1700000600,"{name}":{value}}}"#))
            .unwrap_err();
        assert_eq!(
            rejection,
            Rejection::InvalidClaim { name, fault: ClaimFault::WrongType },
            "{name} {value}"
        );
        assert_eq!(rejection.reason(), Reason::InvalidClaims);
    }
    let rejection = server.claims(r#"{"exp":1700000600}"#).unwrap_err();
    assert_eq!(rejection, Rejection::InvalidClaim { name: "iss", fault: ClaimFault::Missing });
    assert_eq!(claims(&server, r#""iat":1.5"#).issued_at(), Some(UnixSeconds(1)));
    assert_eq!(
        claims(&server, r#""iat":99999999999"#).issued_at(),
        Some(UnixSeconds(99_999_999_999)),
        "iat is not compared"
    );
}

#[test]
fn audiences_are_any_of() {
    let server = Server::new("EdDSA");
    let mut rules = rules();
    rules.audiences = vec!["orders".to_owned(), "accounts".to_owned()];
    let judge = |aud: &str| {
        server
            .judge(server.token(&format!(r#"{{"iss":"a","exp":1700000600{aud}}}"#)), &rules)
            .map(|_| ())
    };
    assert_eq!(judge(r#","aud":"orders""#), Ok(()));
    assert_eq!(judge(r#","aud":["x","accounts"]"#), Ok(()));
    for other in
        ["", r#","aud":[]"#, r#","aud":"Orders""#, r#","aud":"orders accounts""#, r#","aud":["x"]"#]
    {
        assert_eq!(judge(other), Err(Rejection::Audience), "{other}");
    }
    assert_eq!(claims(&server, r#""aud":["x","y"]"#).audiences(), ["x".to_owned(), "y".to_owned()]);
}

#[test]
fn token_types() {
    let server = Server::new("EdDSA");
    let good = r#"{"iss":"a","exp":1700000600}"#;
    let judge = |typ: Option<&str>, accepted: &[&str]| {
        let typ = typ.map(|typ| format!(r#","typ":"{typ}""#)).unwrap_or_default();
        let mut rules = rules();
        rules.token_types = accepted.iter().map(|&name| name.to_owned()).collect();
        server
            .judge(
                server.signer.token(&format!(r#"{{"alg":"EdDSA","kid":"k1"{typ}}}"#), good),
                &rules,
            )
            .map(|_| ())
    };
    for typ in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("at+jwt"),
        Some("AT+JWT"),
        Some("application/at+jwt"),
        Some("Application/JWT"),
    ] {
        assert_eq!(judge(typ, &[]), Ok(()), "{typ:?}");
    }
    for (typ, kind) in [
        ("rt+jwt", TokenKind::Refresh),
        ("logout+jwt", TokenKind::Logout),
        ("secevent+jwt", TokenKind::SecurityEvent),
        ("application/id_token+jwt", TokenKind::Id),
    ] {
        let named = WrongType::Named { member: "typ", kind };
        assert_eq!(judge(Some(typ), &[]), Err(Rejection::TokenType(named)), "{typ}");
    }
    for typ in ["dpop+jwt", "", "JOSE", "application/", "jwt ", "text/jwt"] {
        assert_eq!(judge(Some(typ), &[]), Err(Rejection::TokenType(WrongType::Header)), "{typ}");
    }
    assert_eq!(judge(Some("application/at+jwt"), &["at+jwt"]), Ok(()));
    assert_eq!(judge(Some("AT+jwt"), &["at+jwt"]), Ok(()));
    assert_eq!(judge(Some("JWT"), &["at+jwt"]), Err(Rejection::TokenType(WrongType::Header)));
    assert_eq!(judge(None, &["at+jwt"]), Err(Rejection::TokenType(WrongType::Header)));
}

#[test]
fn consumer_keys() {
    let server = Server::new("EdDSA");
    let key = |members: &str, name: Option<&str>| {
        claims(&server, members).consumer_key(&names(name, None)).map(str::to_owned)
    };
    assert_eq!(key(r#""client_id":"c","azp":"z""#, Some("client_id")).as_deref(), Some("c"));
    assert_eq!(key(r#""client_id":["c"]"#, Some("client_id")).as_deref(), Some("c"));
    assert_eq!(key(r#""azp":"z""#, None).as_deref(), Some("z"));
    assert_eq!(key(r#""azp":"z","consumerKey":"c""#, None).as_deref(), Some("c"));
    for (members, name) in [
        (r#""azp":"z""#, Some("client_id")),
        (r#""client_id":["c","d"]"#, Some("client_id")),
        (r#""client_id":[]"#, Some("client_id")),
        (r#""client_id":[1]"#, Some("client_id")),
        (r#""client_id":"  ""#, Some("client_id")),
        (r#""client_id":7"#, Some("client_id")),
        (r#""client_id":{"a":"b"}"#, Some("client_id")),
        (r#""azp":"z","consumerKey":"""#, None),
        (r#""sub":"s""#, None),
    ] {
        assert_eq!(key(members, name), None, "{members}");
    }
}

#[test]
fn scopes() {
    let server = Server::new("EdDSA");
    let scopes = |members: &str, name: Option<&str>| {
        claims(&server, members)
            .scopes(&names(None, name))
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(scopes(r#""scope":"read  write ""#, None), "read|write");
    assert_eq!(scopes(r#""scp":["read","a b",7,""],"scope":"other""#, Some("scp")), "read|a b");
    assert_eq!(scopes(r#""scp":"read""#, None), "");
    assert_eq!(scopes(r#""scope":7"#, None), "");
    assert_eq!(scopes(r#""scope":"a\tb""#, None), "a\tb");
}

#[test]
fn a_bound_token_says_so_in_whatever_form() {
    let server = Server::new("EdDSA");
    for (members, bound) in [
        (r#""cnf":{"jkt":"x"}"#, true),
        (r#""cnf":null"#, true),
        (r#""cnf":"x""#, true),
        (r#""sub":"x""#, false),
    ] {
        assert_eq!(claims(&server, members).is_bound(), bound, "{members}");
    }
}
