//! The output names the fault of a token plainly.

use super::vendors::{auth0, entra_v1, entra_v2, forgerock, keycloak, okta};
use super::*;

/// Returns the output for this token on one line.
fn told(server: &Server, header: &Value, payload: &Value) -> String {
    let text = server.told(Some(&server.token(header, payload)));
    loaded(&text);
    unbroken(&text)
}

fn good() -> Value {
    json!({ "sub": "s", "azp": "client-1", "aud": "https://api.bank.example",
        "scope": "accounts:read" })
}

fn good_with(members: &Value) -> Value {
    let mut payload = good();
    payload.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    payload
}

#[track_caller]
fn has(text: &str, phrases: &[&str]) {
    for phrase in phrases {
        assert!(text.contains(phrase), "{phrase:?} is not in\n{text}");
    }
}

#[test]
fn a_good_token_has_nothing_wrong() {
    let text = told(&auth0(), &json!({}), &good());
    has(
        &text,
        &[
            "good: signed ES256 with the key \"key-1\" of the set",
            "good: azp holds the client, \"client-1\"",
        ],
    );
    assert!(!text.contains("WRONG") && !text.contains("CHECK"), "{text}");
}

#[test]
fn id_tokens() {
    let server = auth0();
    for (payload, because) in [
        (json!({ "sub": "s", "aud": "client-1", "nonce": "n" }), "it has `nonce` and no scopes"),
        (
            json!({ "sub": "s", "aud": "client-1", "azp": "client-1", "at_hash": "h" }),
            "it has `at_hash`",
        ),
        (json!({ "sub": "s", "aud": "client-1", "token_use": "id" }), "`token_use` is id"),
        (
            json!({ "sub": "s", "aud": "client-1", "azp": "client-1", "typ": "ID", "scope": "a" }),
            "`typ` is ID",
        ),
    ] {
        let text = told(&server, &json!({}), &payload);
        has(&text, &["WRONG: it is an ID token", because, "Use the `access_token`"]);
        assert!(
            !text.contains("holds the client,") && !text.contains("its type"),
            "an ID token is no evidence: {text}"
        );
    }
    // the gateway accepts these, so they are only worth a look
    for (payload, because) in [
        (
            json!({ "sub": "s", "aud": ["client-1"], "azp": "client-1" }),
            "`aud` is the client itself, as in `azp`",
        ),
        (
            json!({ "sub": "s", "aud": "client-1", "email": "user@bank.example" }),
            "neither scopes nor a client",
        ),
    ] {
        let text = told(&server, &json!({}), &payload);
        has(&text, &["CHECK: it may be an ID token", because, "Write `audiences`"]);
    }
    // some servers put these into access tokens, too
    for payload in [
        good_with(&json!({ "nonce": "n" })),
        good_with(&json!({ "at_hash": "h", "aud": "client-1" })),
    ] {
        assert!(!told(&server, &json!({}), &payload).contains("ID token"));
    }
    let refresh = told(&keycloak(), &json!({}), &good_with(&json!({ "typ": "Refresh" })));
    has(&refresh, &["WRONG: it is a refresh token (`typ` is Refresh)"]);
}

#[test]
fn issuers_that_differ() {
    let server = keycloak();
    let issuer = |issuer: &str| told(&server, &json!({}), &good_with(&json!({ "iss": issuer })));
    has(
        &issuer("https://sso.bank.example/realms/bank/"),
        &[
            "by a slash at the end",
            "write the token's issuer as `issuer`",
            "issuer = \"https://sso.bank.example/realms/bank/\"",
        ],
    );
    has(&issuer("https://sso.bank.example/realms/Bank"), &["by upper and lower case"]);
    has(&issuer("http://sso.bank.example/realms/bank"), &["by http and https"]);
    has(
        &issuer("https://sso.bank.example/realms/shop"),
        &["another tenant, realm or authorization server"],
    );
    has(
        &issuer("https://elsewhere.example/realms/bank"),
        &["another server's than the document's"],
    );
    let mut payload = good();
    payload["iss"] = Value::Null;
    has(&told(&server, &json!({}), &payload), &["it has no issuer (`iss`)"]);

    // a token of another signer is no reason to write another issuer
    let other = Signer::new("ES256");
    let payload = json!({ "iss": "https://sso.bank.example/realms/bank/", "exp": NOW.0 + 60,
        "azp": "c", "scope": "a" });
    let token = other.token(r#"{"alg":"ES256","kid":"key-1"}"#, &payload.to_string());
    let text = unbroken(&server.told(Some(&token)));
    has(&text, &["equal, byte for byte", "WRONG: its signature does not match the key it names"]);
    assert!(!text.contains("write the token's issuer"), "{text}");
}

#[test]
fn entra_versions_tenants_and_patterns() {
    let payload = json!({ "iss": entra_v1().issuer(), "aud": "api://bank", "appid": "c",
        "scp": "a", "ver": "1.0" });
    has(
        &told(&entra_v2(), &json!({}), &payload),
        &["of an Entra v1 token, but the document is for v2: set requestedAccessTokenVersion to 2"],
    );
    let payload = json!({ "iss": entra_v2().issuer(), "aud": "api://bank", "azp": "c", "scp": "a",
        "ver": "2.0" });
    has(
        &told(&entra_v1(), &json!({}), &payload),
        &["of an Entra v2 token, but the document is for v1"],
    );
    let elsewhere = "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0";
    has(
        &told(&entra_v2(), &json!({}), &json!({ "iss": elsewhere, "azp": "c", "scp": "a" })),
        &["another tenant"],
    );
    let pattern = Server::new(
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "/common/oauth2/v2.0/token",
        "/common/discovery/v2.0/keys",
    );
    has(
        &told(&pattern, &json!({}), &json!({ "iss": elsewhere, "azp": "c", "scp": "a" })),
        &["WRONG: the issuer is a pattern for many tenants", "and the document's is a pattern"],
    );
}

#[test]
fn tokens_for_microsoft_itself() {
    let server = entra_v2();
    for audience in [
        "00000003-0000-0000-c000-000000000000",
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/",
    ] {
        let text = told(
            &server,
            &json!({}),
            &json!({ "aud": audience, "appid": "c", "scp": "User.Read" }),
        );
        has(
            &text,
            &[
                "WRONG: it is a token for Microsoft Graph (`aud` is",
                "Expose an API in an app registration of your own",
            ],
        );
    }
    // Microsoft signs over another header than the one that is sent
    let token =
        server.token(&json!({ "nonce": "n" }), &json!({ "aud": "x", "azp": "c", "scp": "a" }));
    let (front, _) = token.rsplit_once('.').unwrap();
    let broken = format!("{front}.{}", server.signer.token("{}", "{}").rsplit_once('.').unwrap().1);
    let text = unbroken(&server.told(Some(&broken)));
    has(&text, &["its header has a `nonce`"]);
    assert!(!text.contains("its signature does not match"), "one cause is enough: {text}");
}

#[test]
fn tokens_that_cannot_be_read() {
    let opaque = "c9a1a7f2-2f1d-4d0b-9d5e-0c2a4d1f5a77";
    for (server, hint) in [
        (auth0(), "with the `audience` of your API"),
        (forgerock(), "client-side"),
        (okta(), "RFC 9068"),
    ] {
        has(
            &unbroken(&server.told(Some(opaque))),
            &["WRONG: it is an opaque token", "names no introspection endpoint", hint],
        );
    }
    let asked =
        auth0().with("introspection_endpoint", json!("https://tenant.auth0.com/introspect"));
    let text = asked.told(Some(opaque));
    has(&unbroken(&text), &["CHECK: it is an opaque token", "--introspect --client-id"]);
    has(&text, &["\nintrospection_endpoint = \"https://", "\n# credentials = { username = "]);
    loaded(&text);
    let header = encode(br#"{"alg":"dir","enc":"A256GCM"}"#);
    let encrypted = format!("{header}..aXY.Y2lwaGVydGV4dA.dGFn");
    let text = unbroken(&write(
        &auth0().well_known_url,
        None,
        None,
        &auth0().answers(),
        Some(&TokenSample::read(&encrypted)),
        NOW,
    ));
    has(&text, &["WRONG: it is an encrypted token (five parts)", "no `audience`"]);
    let token = auth0().token(&json!({}), &good());
    let cut = token.split_once('.').unwrap().0.to_owned() + ".eyJ.c2ln";
    let text = unbroken(&write(
        &auth0().well_known_url,
        None,
        None,
        &auth0().answers(),
        Some(&TokenSample::read(&cut)),
        NOW,
    ));
    has(&text, &["WRONG: its payload cannot be read"]);
}

#[test]
fn keys_and_algorithms() {
    let server = auth0();
    has(
        &told(&server, &json!({ "kid": "key-2" }), &good()),
        &[
            "WRONG: its key \"key-2\" is not in the key set, which has \"key-1\"",
            "seen: azp holds the client",
        ],
    );
    has(
        &told(&server, &json!({ "alg": "HS256" }), &good()),
        &["signed with \"HS256\", a shared secret", "Choose RS256 in the settings of the API"],
    );
    has(&told(&server, &json!({ "alg": "none" }), &good()), &["it is not signed (alg none)"]);
    has(&told(&server, &json!({ "alg": "RS256" }), &good()), &["does not verify RS256"]);
    has(&told(&server, &json!({ "crit": ["x"] }), &good()), &["has `crit`, an extension"]);
    has(
        &told(&server, &json!({ "typ": "odd+jwt" }), &good()),
        &["its type \"odd+jwt\"", "token_types = [\"odd+jwt\"]"],
    );
    let token = server.signer.token(
        r#"{"alg":"ES256"}"#,
        &json!({ "iss": server.issuer(), "exp": NOW.0 + 60, "azp": "c", "scope": "a" }).to_string(),
    );
    has(&unbroken(&server.told(Some(&token))), &["CHECK: it names no key (kid)"]);
}

#[test]
fn times_bindings_and_claims() {
    let server = auth0();
    let expired = told(&server, &json!({}), &good_with(&json!({ "exp": NOW.0 - 3 * 86_400 })));
    has(&expired, &["CHECK: it expired 3 days ago", "good: signed"]);
    has(
        &told(&server, &json!({}), &good_with(&json!({ "exp": 1.5 }))),
        &["WRONG: the token expired 19675 days ago"],
    );
    has(
        &told(&server, &json!({}), &good_with(&json!({ "nbf": NOW.0 + 600 }))),
        &["CHECK: it is not valid yet, for another 10 minutes"],
    );
    has(
        &told(&server, &json!({}), &good_with(&json!({ "cnf": { "jkt": "x" } }))),
        &["CHECK: it is bound"],
    );
    has(
        &told(&server, &json!({}), &good_with(&json!({ "client_id": "client-2" }))),
        &["CHECK: azp is read as the client, but client_id"],
    );
    let nobody = told(
        &server,
        &json!({}),
        &json!({ "sub": "s", "aud": "x", "scope": "a", "owner\n[gateway]": "y" }),
    );
    has(&nobody, &["WRONG: it has none of the usual claims for the client", "\"owner?[gateway]\""]);
    has(
        &told(&server, &json!({}), &json!({ "sub": "s", "aud": "x", "azp": "c" })),
        &["CHECK: it has no scope, scp or roles"],
    );
}

#[test]
fn a_strangers_words_stay_words() {
    let server = keycloak()
        .with("userinfo_endpoint", json!("https://x/\"\n[gateway]\nworkers = 1"))
        .with("grant_types_supported", json!(["a\"]\n[gateway]", "password"]));
    let payload = good_with(
        &json!({ "azp": "c\n[gateway]", "aud": "a\"]\n[gateway]\nworkers = 1\n#\u{7f}\u{202e}",
            "scope": "a\u{2028}b\r[x]" }),
    );
    let text = server.told(Some(&server.token(&json!({ "kid": "k\n[x]" }), &payload)));
    let key_manager = loaded(&text);
    assert_eq!(key_manager.endpoints.grant_types, ["password"]);
    assert!(
        text.lines().all(|line| line.starts_with('#')
            || line.is_empty()
            || line == "[[key_managers]]"
            || line.contains(" = ")),
        "{text}"
    );
    assert!(
        text.chars()
            .all(|character| character == '\n' || character == ' ' || character.is_ascii_graphic()),
        "{text}"
    );
    // lines that an operator may uncomment are TOML, too
    let line = text.lines().find_map(|line| line.strip_prefix("# audiences = ")).unwrap();
    loaded(&format!("{text}\naudiences = {line}\n"));
}
