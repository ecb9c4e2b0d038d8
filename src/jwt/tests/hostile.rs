//! Tokens that were made to be accepted wrongly; each is refused for its own reason.

use aws_lc_rs::hmac;
use serde_json::json;

use crate::jwt::rejection::{MalformedToken, Part};
use crate::jwt::tests::signer::{Signer, encode};
use crate::jwt::tests::{GOOD, MAX_BYTES, Server, key_set, rules};
use crate::jwt::{ClaimFault, JsonFault, Rejection, Unverified};
use crate::model::key_manager::SignatureAlgorithm;
use crate::model::reason::Reason;

fn malformed(rejection: Rejection) -> MalformedToken {
    match rejection {
        Rejection::Malformed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn symmetric_and_absent_signatures_are_unknown_algorithms() {
    let server = Server::new("RS256");
    for public in [server.signer.public_bytes().to_vec(), server.signer.public_info()] {
        let input =
            format!("{}.{}", encode(br#"{"alg":"HS256","kid":"k1"}"#), encode(GOOD.as_bytes()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), input.as_bytes());
        let rejection = server.verify(format!("{input}.{}", encode(tag.as_ref()))).unwrap_err();
        assert_eq!(rejection.reason(), Reason::AlgorithmRefused);
    }
    for name in ["none", "None", "NONE", "", "rs256", "RS256 ", "HS256", "RS1"] {
        let token = server.signer.token(&format!(r#"{{"alg":"{name}","kid":"k1"}}"#), GOOD);
        assert_eq!(
            server.verify(&token).unwrap_err().reason(),
            Reason::AlgorithmRefused,
            "{name:?}"
        );
        let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(
            server.verify(unsigned).unwrap_err().reason(),
            Reason::AlgorithmRefused,
            "{name:?}"
        );
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    let rsa = Signer::new("RS256");
    let header = r#"{"alg":"PS256","kid":"k1"}"#;
    let input = format!("{}.{}", encode(header.as_bytes()), encode(GOOD.as_bytes()));
    let token = format!("{input}.{}", encode(&rsa.signature("PS256", input.as_bytes())));
    let judge = |jwk, rules: &_| {
        Unverified::parse(token.as_bytes(), MAX_BYTES)
            .unwrap()
            .verify(&key_set(&[jwk]), rules, super::NOW)
            .map(|_| ())
    };
    let open = rsa.jwk(&json!({"kid": "k1"}));
    assert_eq!(judge(open.clone(), &rules()), Ok(()));
    let narrowed = rsa.jwk(&json!({"kid": "k1", "alg": "RS256"}));
    assert_eq!(
        judge(narrowed, &rules()),
        Err(Rejection::KeyAlgorithm { algorithm: SignatureAlgorithm::PS256 })
    );
    let mut only_rs256 = rules();
    only_rs256.algorithms = vec![SignatureAlgorithm::RS256];
    assert_eq!(judge(open, &only_rs256).unwrap_err().reason(), Reason::AlgorithmRefused);
    let other_family = Signer::new("ES256").jwk(&json!({"kid": "k1"}));
    assert_eq!(
        judge(other_family, &rules()),
        Err(Rejection::KeyAlgorithm { algorithm: SignatureAlgorithm::PS256 })
    );
}

#[test]
fn exactly_three_parts() {
    let server = Server::new("ES256");
    let token = server.token(GOOD);
    for text in [
        "",
        ".",
        "..",
        "a",
        "a.b",
        &format!("{token}."),
        &format!("{token}.e30"),
        &format!(".{token}"),
        &".".repeat(MAX_BYTES),
    ] {
        let rejection = server.verify(text).unwrap_err();
        assert_eq!(rejection.reason(), Reason::TokenMalformed, "{rejection}");
    }
    assert_eq!(
        malformed(server.verify(format!("{token}.e30.e30")).unwrap_err()),
        MalformedToken::Encrypted
    );
    assert_eq!(
        malformed(server.verify("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d").unwrap_err()),
        MalformedToken::Encrypted
    );
}

#[test]
fn one_spelling_of_base64url() {
    let server = Server::new("ES256");
    let header = encode(br#"{"alg":"ES256","kid":"k1"}"#);
    let payload = encode(GOOD.as_bytes());
    let check = |header: &str, payload: &str, part| {
        let rejection =
            server.verify(server.signer.sealed(&format!("{header}.{payload}"))).unwrap_err();
        assert_eq!(malformed(rejection), MalformedToken::Base64(part), "{header} {payload}");
    };
    // the length of neither is a multiple of three, so both have unused bits at the end
    assert_eq!((header.len() % 4, payload.len() % 4), (3, 2));
    check(&format!("{header}="), &payload, Part::Header);
    check(&format!("{}B", &header[..header.len() - 1]), &payload, Part::Header);
    check(&header, &format!("{payload}=="), Part::Payload);
    check(&header, &format!("{payload}\n"), Part::Payload);
    check(&header, &format!(" {payload}"), Part::Payload);
    check(&header, &payload.replace('I', "+"), Part::Payload);
    check(&header, &format!("{}/{}", &payload[..4], &payload[5..]), Part::Payload);
    check(&header, &format!("{payload}AAA"), Part::Payload);
    let token = server.token(GOOD);
    // 64 bytes of signature leave four spare bits: every other last character is another spelling of the same bytes
    let (front, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let position = alphabet.find(last).unwrap();
    for spare in 1..16 {
        let spelling = format!("{front}{}", &alphabet[position + spare..=position + spare]);
        assert_eq!(
            malformed(server.verify(spelling).unwrap_err()),
            MalformedToken::Base64(Part::Signature)
        );
    }
}

#[test]
fn json_is_read_strictly() {
    let server = Server::new("EdDSA");
    let deep = |levels: usize| {
        format!(
            r#"{{"iss":"a","exp":1700000600,"x":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(server.claims(&deep(31)).is_ok());
    for (payload, fault) in [
        (deep(32), JsonFault::OverLimit),
        (deep(200), JsonFault::OverLimit),
        (deep(5_000), JsonFault::OverLimit),
        (r#"{"iss":"a","iss":"b","exp":1700000600}"#.to_owned(), JsonFault::DuplicateMember),
        (r#"{"iss":"a","exp":1,"\u0065xp":1700000600}"#.to_owned(), JsonFault::DuplicateMember),
        (
            r#"{"iss":"a","exp":1700000600,"x":[{"a":{"y":1,"y":1}}]}"#.to_owned(),
            JsonFault::DuplicateMember,
        ),
        ("[1]".to_owned(), JsonFault::NotAnObject),
        (r#""a""#.to_owned(), JsonFault::NotAnObject),
    ] {
        assert_eq!(
            malformed(server.claims(&payload).unwrap_err()),
            MalformedToken::Payload(fault),
            "{payload}"
        );
    }
    for payload in [
        "",
        "{",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "{\"iss\":\"a\",}",
        "{'iss':'a'}",
        "{\"exp\":01}",
        "{\"exp\":+1}",
        "{\"exp\":1e400}",
        "{\"exp\":NaN}",
        "{\"exp\":Infinity}",
        "{\"exp\":1.}",
        "{\"iss\":\"\u{0}\"}",
        "{\"iss\":\"\\ud800\"}",
        "\u{0}{}",
        "{}\u{0}",
        "// c\n{}",
    ] {
        let fault = malformed(server.claims(payload).unwrap_err());
        assert!(
            matches!(fault, MalformedToken::Payload(JsonFault::Syntax { .. })),
            "{payload:?} {fault:?}"
        );
    }
}

#[test]
fn only_utf_8_is_text() {
    let server = Server::new("EdDSA");
    let header = br#"{"alg":"EdDSA","kid":"k1"}"#;
    for payload in [
        &b"{\"iss\":\"\xff\"}"[..],
        b"{\"iss\":\"\xc0\xaf\"}",
        b"{\"iss\":\"\xed\xa0\x80\"}",
        b"\xff\xfe{\0}\0",
    ] {
        let rejection = server.verify(server.signer.token_of_bytes(header, payload)).unwrap_err();
        assert_eq!(malformed(rejection), MalformedToken::Payload(JsonFault::NotUtf8));
    }
    let utf_16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let rejection = server.verify(server.signer.token_of_bytes(header, &utf_16)).unwrap_err();
    assert!(matches!(malformed(rejection), MalformedToken::Payload(JsonFault::Syntax { .. })));
    let rejection = server
        .verify(server.signer.token_of_bytes(b"\xef\xbb\xbf{\"alg\":\"EdDSA\"}", GOOD.as_bytes()))
        .unwrap_err();
    assert!(matches!(malformed(rejection), MalformedToken::Header(JsonFault::Syntax { .. })));
}

#[test]
fn the_header_is_typed() {
    let server = Server::new("EdDSA");
    let long = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(1025));
    for (header, member) in [
        (r#"{"kid":"k1"}"#, "alg"),
        (r#"{"alg":null,"kid":"k1"}"#, "alg"),
        (r#"{"alg":["EdDSA"],"kid":"k1"}"#, "alg"),
        (r#"{"alg":"EdDSA","kid":1}"#, "kid"),
        (r#"{"alg":"EdDSA","kid":null}"#, "kid"),
        (long.as_str(), "kid"),
        (r#"{"alg":"EdDSA","kid":"k1","typ":7}"#, "typ"),
    ] {
        let rejection = server.verify(server.signer.token(header, GOOD)).unwrap_err();
        assert_eq!(malformed(rejection), MalformedToken::HeaderMember(member), "{header}");
    }
    let twice = server.signer.token(r#"{"alg":"EdDSA","alg":"EdDSA","kid":"k1"}"#, GOOD);
    assert_eq!(
        malformed(server.verify(twice).unwrap_err()),
        MalformedToken::Header(JsonFault::DuplicateMember)
    );
}

#[test]
fn what_is_critical_and_not_understood_is_refused() {
    let server = Server::new("EdDSA");
    for extra in [
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""b64":true"#,
    ] {
        let rejection = server
            .verify(server.signer.token(&format!(r#"{{"alg":"EdDSA","kid":"k1",{extra}}}"#), GOOD))
            .unwrap_err();
        assert_eq!(rejection.reason(), Reason::CriticalHeader, "{extra}");
    }
}

#[test]
fn a_token_does_not_bring_its_key() {
    let server = Server::new("ES256");
    let attacker = Signer::new("ES256");
    let jwk = attacker.jwk(&json!({}));
    for header in [
        json!({"alg": "ES256", "kid": "k1", "jwk": jwk}),
        json!({"alg": "ES256", "jwk": jwk}),
        json!({"alg": "ES256", "kid": "k1", "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/c", "x5c": ["AA"]}),
    ] {
        assert_eq!(
            server.verify(attacker.token(&header.to_string(), GOOD)).unwrap_err(),
            Rejection::BadSignature
        );
        assert!(
            server.verify(server.signer.token(&header.to_string(), GOOD)).is_ok(),
            "unknown members are ignored"
        );
    }
}

#[test]
fn signatures_have_one_form() {
    let server = Server::new("ES256");
    let token = server.token(GOOD);
    let (input, _) = token.rsplit_once('.').unwrap();
    let good = server.signer.signature("ES256", input.as_bytes());
    let der = |signature: &[u8]| {
        let mut out = vec![0x30, 0];
        for half in signature.chunks(32) {
            out.extend([2, 33, 0]);
            out.extend(half);
        }
        out[1] = u8::try_from(out.len() - 2).unwrap();
        out
    };
    for bad in [
        vec![0; 64],
        Vec::new(),
        der(&good),
        good[..63].to_vec(),
        [good.as_slice(), &[0]].concat(),
        vec![0xff; 64],
    ] {
        assert_eq!(
            server.verify(format!("{input}.{}", encode(&bad))).unwrap_err(),
            Rejection::BadSignature,
            "{bad:?}"
        );
    }
    let server = Server::new("RS256");
    let token = server.token(GOOD);
    let (input, _) = token.rsplit_once('.').unwrap();
    let good = server.signer.signature("RS256", input.as_bytes());
    for bad in [
        [&[0], good.as_slice()].concat(),
        good[..255].to_vec(),
        vec![0; 256],
        vec![1],
        vec![0xff; 256],
    ] {
        assert_eq!(
            server.verify(format!("{input}.{}", encode(&bad))).unwrap_err(),
            Rejection::BadSignature
        );
    }
}

#[test]
fn times_are_numbers_within_reach() {
    let server = Server::new("EdDSA");
    let with = |exp: &str| {
        server.claims(&format!(r#"{{"iss":"a","exp":{exp}}}"#)).map(|claims| claims.expires_at().0)
    };
    let invalid = |fault| Err(Rejection::InvalidClaim { name: "exp", fault });
    assert_eq!(with("1700000600.9"), Ok(1_700_000_600));
    assert_eq!(with("1.7000006e9"), Ok(1_700_000_600));
    assert_eq!(with("9223372036854775807"), Ok(9_223_372_036_854_775_807));
    for wrong in ["\"1700000600\"", "[1700000600]", "true", "null", "{}"] {
        assert_eq!(with(wrong), invalid(ClaimFault::WrongType), "{wrong}");
    }
    for beyond in [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e300",
        "18446744073709552e3",
    ] {
        assert_eq!(with(beyond), invalid(ClaimFault::OutOfRange), "{beyond}");
    }
    for past in [
        "-1",
        "-1e300",
        "-9223372036854775808",
        "-9223372036854775809",
        "0",
        "-0",
        "1e-300",
        "1699999970",
    ] {
        assert!(matches!(with(past), Err(Rejection::Expired { .. })), "{past}");
    }
    assert_eq!(
        server.claims(r#"{"iss":"a"}"#).unwrap_err(),
        Rejection::InvalidClaim { name: "exp", fault: ClaimFault::Missing }
    );
}

#[test]
fn messages_do_not_repeat_what_the_client_sent() {
    let server = Server::new("EdDSA");
    let noise = format!("k\\n\\u001b[31m\\u202e{}", "x".repeat(500));
    let token = server.signer.token(&format!(r#"{{"alg":"EdDSA","kid":"{noise}"}}"#), GOOD);
    let message = server.verify(token).unwrap_err().to_string();
    assert!(
        message.is_ascii() || message.chars().all(|c| c.is_ascii() || c == '\u{fffd}' || c == '…'),
        "{message}"
    );
    assert!(
        message.chars().count() < 120 && !message.contains('\n') && !message.contains('\u{1b}'),
        "{message}"
    );
    let token = server.signer.token(r#"{"alg":"EdDSA"}"#, r#"{"secret-claim":x}"#);
    assert!(!server.verify(token).unwrap_err().to_string().contains("secret"));
}
