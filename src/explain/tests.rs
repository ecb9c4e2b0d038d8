//! `explain` reports exactly what the gateway does.

mod stage;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::explain::tests::stage::{Stage, control_runtime};
use crate::model::clock::{Moment, UnixSeconds};
use crate::proxy::{ConnectionFacts, RequestFacts, decide};
use crate::revocation::record::{Mark, RevocationKind, RevocationRecord};
use crate::route;

use super::*;
use proptest::prelude::*;

#[test]
fn a_refusal_that_is_only_observed_is_told() {
    let stage = Stage::new();
    for (client, found) in [
        ("client", "would be refused (not_subscribed), observed: "),
        ("nobody", "would be refused (consumer_key_unknown), observed: "),
    ] {
        let token = stage.token("https://one.example/token", client, "read", "k", 60);
        let explanation = stage.explain("GET /tried/1/x", Some(token));
        let text = explanation.text();
        assert!(explanation.is_allowed() && text.contains(found), "{text}");
        assert!(text.contains("the API has observe = true"), "{text}");
    }
    let expired = stage.token("https://one.example/token", "client", "new", "k", -600);
    assert_eq!(stage.explain("GET /tried/1/x", Some(expired)).reason(), "token_expired");
}

#[test]
fn near_misses_are_named() {
    let stage = Stage::new();
    let line = "GET /a/1/x/7";
    for (issuer, client, line, reason, hint) in [
        ("https://one.example/token/", "client", line, "unknown_issuer", "only by a slash"),
        (
            "https://ONE.example/token",
            "client",
            line,
            "unknown_issuer",
            "only in upper and lower case",
        ),
        ("http://one.example/token", "client", line, "unknown_issuer", "only in the scheme"),
        ("https://off.example/token", "client", line, "unknown_issuer", "is not enabled"),
        (
            "https://one.example/token",
            "second",
            line,
            "consumer_key_unknown",
            "under key manager \"two\"",
        ),
        ("https://one.example/token", "client", "GET /a/2/x/7", "not_subscribed", "in version 1"),
        ("https://two.example/token", "second", line, "key_manager_not_allowed", "key_managers"),
        ("https://one.example/token", "client", "GET /a/1/y", "operation_not_found", "/x/{id}"),
    ] {
        let explanation = stage.explain(line, Some(stage.token(issuer, client, "read", "k", 60)));
        assert_eq!(explanation.reason(), reason, "{}", explanation.text());
        assert!(
            explanation.hints().iter().any(|found| found.contains(hint)),
            "{hint}: {}",
            explanation.text()
        );
    }
}

#[test]
fn times_scopes_and_organizations_have_their_hints() {
    let stage = Stage::new();
    let issuer = "https://one.example/token";
    let (now, line) = (stage.now.0, "GET /a/1/x/7");
    for (issuer, more, reason, words) in [
        (
            issuer,
            json!({ "exp": now - 100 }),
            "token_expired",
            vec!["of 30 s (leeway)", "it is judged at 20"],
        ),
        (issuer, json!({ "nbf": now + 100 }), "token_not_yet_valid", vec!["clock is 100 s ahead"]),
        (
            issuer,
            json!({ "scope": "x", "scp": ["read"], "realm_access": { "roles": ["write",
                "read"] } }),
            "insufficient_scope",
            vec!["scopes_claim = \"scp\"", "scopes_claim = \"realm_access.roles\""],
        ),
        (
            "https://org.example/mine",
            json!({ "org_id": "other" }),
            "unknown_issuer",
            vec!["org_id is \"other\"", "has the organization \"mine\""],
        ),
    ] {
        let line = if issuer.contains("org.") { "GET /bound/1/x" } else { line };
        let explanation = stage.explain(line, Some(stage.token_with(issuer, &more)));
        assert_eq!(explanation.reason(), reason, "{}", explanation.text());
        for words in words {
            assert!(explanation.text().contains(words), "{words}: {}", explanation.text());
        }
    }
}

#[test]
fn near_hosts_and_ports_are_named() {
    let stage = Stage::new();
    let listening = [
        Listening { name: "tls".to_owned(), address: "127.0.0.1:8243".parse().unwrap(), tls: true },
        Listening {
            name: "plain".to_owned(),
            address: "127.0.0.1:8280".parse().unwrap(),
            tls: false,
        },
    ];
    let found = |line: &str| {
        let grounds = Grounds {
            snapshot: &stage.snapshot,
            common: Common::alone(),
            listening: &listening,
            now: stage.now,
            moment: Moment(1),
            counts: CountsKnown::OfThisGateway,
        };
        let question = ExplainRequest::parse(line, None).unwrap();
        control_runtime().block_on(judge(&grounds, &question)).hints().join("; ")
    };
    for (line, words) in [
        ("GET https://api.bank.exmple/hosted/1/x", "did you mean \"api.bank.example\"?"),
        ("GET https://www.api.bank.example/hosted/1/x", "did you mean \"api.bank.example\"?"),
        ("GET https://shop.example/hosted/1/x", "itself does not match"),
        ("GET https://other.test/hosted/1/x", "add that to the API's hosts"),
        ("GET /hosted/1/x", "write the whole address"),
        ("GET https://api.bank.example/hostd/1/x", "API hosted 1 is served at /hosted/1"),
        ("GET https://a:9443/a/1/open/y", "no listener has the port 9443"),
        ("GET http://a:8243/a/1/open/y", "the address says http, but the listener is \"tls\""),
    ] {
        let hints = found(line);
        assert!(hints.contains(words), "{line}: {words}: {hints}");
    }
    for line in ["GET https://a:8243/a/1/open/y", "GET http://a:8280/a/1/open/y", "GET /a/1/open/y"]
    {
        assert_eq!(found(line), "", "{line}");
    }
}

/// A step's line, and whether it passed.
fn step(explanation: &Explanation, name: &str) -> (bool, String) {
    let text = explanation.text();
    let line = text.lines().find(|line| line.get(4..).is_some_and(|rest| rest.starts_with(name)));
    let line = line.unwrap_or_else(|| panic!("no step {name} in\n{text}"));
    (line.starts_with("ok"), line.to_owned())
}

#[test]
fn revocation_has_its_reason() {
    let stage = Stage::new();
    let token = stage.token_with("https://one.example/token", &json!({ "jti": "7" }));
    let question = ExplainRequest::parse("GET /a/1/x/7", Some(token.clone())).unwrap();
    let found = stage.judge(&question, &[]);
    assert!(
        found.is_allowed() && step(&found, "revocation").1.contains("no revocations in"),
        "{}",
        found.text()
    );
    let until = UnixSeconds(stage.now.0 + 60);
    let holder = RevocationKind::Holder { before: stage.now };
    for (mark, kind, words) in [
        (Mark::of_token(token.as_bytes()), RevocationKind::Token, "about this token"),
        (Mark::of_id("one", "7"), RevocationKind::Token, "this token's id"),
        (Mark::of_client("one", "client"), holder, "the client got"),
        (Mark::of_subject("one", "s"), holder, "the subject got"),
    ] {
        let found = stage.judge(&question, &[RevocationRecord::new(mark, kind, until)]);
        let (passed, line) = step(&found, "revocation");
        assert!(
            !passed && line.contains(words) && found.reason() == "token_revoked",
            "{}",
            found.text()
        );
    }
    let found = stage.judge(
        &question,
        &[RevocationRecord::new(Mark::of_id("two", "7"), RevocationKind::Token, until)],
    );
    assert!(step(&found, "revocation").1.contains("none of the 1 "), "{}", found.text());
}

#[test]
fn token_handling_has_its_reason() {
    let stage = Stage::new();
    let ask = |organization: serde_json::Value| {
        let token = stage.token_with("https://shared.example", &json!({ "org_id": organization }));
        stage.explain("GET /bound/1/x", Some(token))
    };
    let (_, line) = step(&ask(json!("south-1")), "key manager");
    assert!(
        line.contains("south,")
            && line.contains("one of [\"north\", \"south\"]")
            && line.contains("org_id = \"south-1\" matches \"^s\""),
        "{line}"
    );
    let nobodys = ask(json!("west"));
    assert_eq!(nobodys.reason(), "unknown_issuer");
    let hints = nobodys.hints().join("; ");
    assert!(
        hints.contains("\"north\" wants org_id \"^n\", the token has \"west\"")
            && hints.contains("\"south\""),
        "{hints}"
    );
}

#[test]
fn binding_has_its_reason() {
    let stage = Stage::new();
    let issuer = "https://one.example/token";
    let (line, address) =
        ("GET https://api.example:8243/bound/1/x", "https://api.example:8243/bound/1/x");
    let certificate = [7; 32];
    let to_certificate = stage
        .token_with(issuer, &json!({ "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(certificate) } }));
    let to_key = stage.token_with(issuer, &json!({ "cnf": { "jkt": stage.thumbprint() } }));
    let to_other =
        stage.token_with(issuer, &json!({ "cnf": { "jkt": URL_SAFE_NO_PAD.encode([1; 32]) } }));
    let plain = stage.token_with(issuer, &json!({}));
    let good = |token: &str| Some(stage.proof("GET", address, token));
    for (token, proof, shown, reason, words) in [
        (&plain, None, None, "token_not_bound", "takes only bound tokens"),
        (&to_certificate, None, None, "token_bound", "--client-certificate"),
        (&to_certificate, None, Some([8; 32]), "token_bound", "x5t#S256 \"BwcH"),
        (
            &to_certificate,
            None,
            Some(certificate),
            "forwarded",
            "bound by x5t#S256, and the sender proved it",
        ),
        (&to_key, None, None, "token_bound", "--dpop"),
        (&to_key, good(&to_key), None, "forwarded", "bound by jkt, and the sender proved it"),
        (
            &to_key,
            Some(stage.proof("POST", address, &to_key)),
            None,
            "proof_invalid",
            "the proof has htm \"POST\"",
        ),
        (&to_key, Some("x.y".to_owned()), None, "proof_invalid", "not a compact JWS"),
        (&to_other, good(&to_other), None, "proof_invalid", "jkt \"AQEB"),
    ] {
        let question = ExplainRequest::parse(line, Some(token.clone()))
            .unwrap()
            .with_evidence(proof, shown)
            .unwrap();
        let found = stage.judge(&question, &[]);
        assert_eq!(found.reason(), reason, "{}", found.text());
        assert!(found.text().contains(words), "{words}: {}", found.text());
        assert_eq!(step(&found, "binding").0, found.is_allowed(), "{}", found.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_verdict_is_the_data_paths(
        method in prop::sample::select(vec!["GET", "POST", "DELETE"]),
        path in prop::sample::select(vec!["/a/1/x/7", "/a/1/x", "/a/1/open/y", "/a/2/x/7",
        "/a/3/x", "/a/1/x/%2e%2e/x/7", "/a/1/x/a;b", "/"]),
        issuer in prop::sample::select(vec!["https://one.example/token",
        "https://two.example/token", "https://off.example/token", "https://x"]),
        client in prop::sample::select(vec!["client", "second", "sandbox", "nobody", ""]),
        scope in prop::sample::select(vec!["read", "write", ""]),
        key_id in prop::sample::select(vec!["k", "other"]),
        lifetime in prop::sample::select(vec![60_i64, -600]),
        with_token in any::<bool>(),
    ) {
        thread_local!(static STAGE: Stage = Stage::new());
        STAGE.with(|stage| {
            let token = with_token.then(|| stage.token(issuer, client, scope, key_id, lifetime));
            let line = format!("{method} {path}");
            let question = ExplainRequest::parse(&line, token.clone()).unwrap();
            let explanation = stage.judge(&question, &[]);
            let normal = route::normalize(path).unwrap();
            let headers = question.headers("authorization");
            let cache = TokenCache::new(65536, Metrics::new(1, 1).worker(0), Common::alone());
            let asked = RequestFacts { method: &question.method, host: "", path: &normal,
                headers: &headers, connection: ConnectionFacts::UNKNOWN };
            let decided = decide(&stage.snapshot, &asked, &cache, stage.now);
            prop_assert_eq!(explanation.is_allowed(), decided.is_ok());
            if let Err(undecided) = decided {
                let refusal = undecided.into_refusal();
                prop_assert_eq!(explanation.reason(), refusal.reason().label());
            }
            Ok(())
        })?;
    }
}
