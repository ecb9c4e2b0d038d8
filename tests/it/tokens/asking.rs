//! How a server is asked about tokens: who the gateway says it is, where it asks, and what of an answer it believes.

use std::collections::HashMap;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::origin::{Origin, Received};
use crate::support::script::Script;
use crate::support::signer::Signer;

/// A gateway in front of an echo, whose key manager has these lines.
struct Stage {
    gateway: Gateway,
    _backend: Origin,
}

fn config(backend: &str, key_manager: &str) -> Config {
    let lines =
        format!("request_timeout = \"1s\"\nconsumer_key_claim = \"client_id\"\n{key_manager}");
    Config::new()
        .key_manager("opaque", &lines)
        .api(api("any:1").to(backend))
        .application(application("app").key("opaque", "app-key"))
}

impl Stage {
    /// With these files beside `gateway.toml`.
    async fn of(key_manager: &str, files: &[(&str, String)]) -> Stage {
        let backend = Origin::start();
        let config =
            files.iter().fold(config(&backend.url(), key_manager), |config, (name, content)| {
                config.beside(name, content)
            });
        Stage { gateway: config.start().await, _backend: backend }
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.status("/any/1/x", token).await
    }
}

fn active() -> Script {
    Script::answer(
        200,
        &[("Content-Type", "application/json")],
        json!({ "active": true, "client_id": "app-key" }).to_string(),
    )
}

/// A form's fields, decoded.
fn fields(request: &Received) -> HashMap<String, String> {
    form_urlencoded(std::str::from_utf8(&request.body).unwrap())
}

fn form_urlencoded(text: &str) -> HashMap<String, String> {
    let plain = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

#[tokio::test]
async fn a_key_says_who_asks_anew_for_each_question() {
    let (pair, server) =
        (KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), Origin::serving(active()));
    let public = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
    let asked = |more: &str, issuer: &str| {
        format!(
            "token_validation = \"introspection\"\nintrospection_endpoint = \"{}/introspect\"\n{issuer}\n\
             credentials = {{ username = \"gateway\", key = \"gw.key\"{more} }}",
            server.url()
        )
    };
    let endpoint = format!("{}/introspect", server.url());
    let mut ids = Vec::new();
    for (more, issuer, audience, key_id) in [
        ("", "issuer = \"https://is.example\"", "https://is.example", None),
        ("", "", &*endpoint, None),
        (
            ", audience = \"https://is.example/token\", key_id = \"gw-1\"",
            "",
            "https://is.example/token",
            Some("gw-1"),
        ),
    ] {
        let stage = Stage::of(&asked(more, issuer), &[("gw.key", pair.serialize_pem())]).await;
        let before = server.received().len();
        assert_eq!((stage.status("t-1").await, stage.status("t-2").await), (200, 200));
        for request in &server.received()[before..] {
            let fields = fields(request);
            assert_eq!(request.values("authorization"), [] as [&str; 0]);
            assert_eq!(
                (&*fields["client_id"], fields["token"].starts_with("t-")),
                ("gateway", true)
            );
            assert_eq!(
                fields["client_assertion_type"],
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            let mut validation = Validation::new(Algorithm::ES256);
            validation.set_audience(&[audience]);
            validation.set_issuer(&["gateway"]);
            let read =
                jsonwebtoken::decode::<Value>(&fields["client_assertion"], &public, &validation)
                    .unwrap();
            assert_eq!(read.claims["sub"], "gateway");
            assert!(
                read.claims["exp"].as_u64().unwrap() - read.claims["iat"].as_u64().unwrap() == 60,
                "{}",
                read.claims
            );
            assert!(
                key_id.is_none_or(|key_id| read.header.kid.as_deref() == Some(key_id))
                    && read.header.kid.is_some()
            );
            ids.push(read.claims["jti"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 6);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6, "each is good once");
}

#[tokio::test]
async fn the_discovery_document_says_where_to_ask() {
    let (signer, server) = (Signer::new("key-1"), Origin::serving(active()));
    let document = |more: Value| {
        let mut document =
            json!({ "issuer": "https://is.example", "jwks_uri": format!("{}/jwks", server.url()) });
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Script::answer(200, &[("Content-Type", "application/json")], document.to_string())
    };
    let keys = || Script::answer(200, &[("Content-Type", "application/json")], signer.jwks());
    let key_manager = format!(
        "issuer = \"https://is.example\"\nwell_known_url = \"{}/known\"\njwks_min_refetch = \"1ms\"\n\
         credentials = {{ username = \"gateway\", password = \"p\" }}",
        server.url()
    );
    server.once(document(
        json!({ "introspection_endpoint": format!("{}/asked-here", server.url()) }),
    ));
    server.once(keys());
    let stage = Stage::of(&key_manager, &[]).await;
    stage.gateway.ready().await;
    assert_eq!(stage.status("opaque").await, 200);
    assert!(
        server
            .received()
            .iter()
            .any(|request| request.method == "POST" && request.target == "/asked-here")
    );
    // with the keys' address written, the document is still read for the endpoint
    server.once(document(
        json!({ "introspection_endpoint": format!("{}/asked-there", server.url()) }),
    ));
    server.once(keys());
    let stage = Stage::of(
        &format!("{key_manager}\ncertificates = {{ jwks = \"{}/jwks\" }}", server.url()),
        &[],
    )
    .await;
    stage.gateway.ready().await;
    assert_eq!(stage.status("opaque").await, 200);
    assert!(server.received().iter().any(|request| request.target == "/asked-there"));
    // one that may not be asked, and none: nobody is asked, and the client is told that it is our trouble
    for more in [json!({ "introspection_endpoint": "http://is.example/asked" }), json!({})] {
        server.always(document(more.clone()));
        let stage = Stage::of(&key_manager, &[]).await;
        let posted = || server.received().iter().filter(|request| request.method == "POST").count();
        let before = posted();
        let answer = stage.gateway.get("/any/1/x", Some("opaque")).await;
        assert_eq!(
            (answer.status().as_u16(), &json(&answer)["code"]),
            (503, &json!("900900")),
            "{more}"
        );
        assert_eq!(posted(), before);
    }
}

#[tokio::test]
async fn a_signed_answer_is_believed_by_the_key_managers_keys() {
    let (signer, server) = (Signer::new("key-1"), Origin::start());
    let key_manager = |more: &str| {
        format!(
            "token_validation = \"introspection\"\nintrospection_endpoint = \"{}\"\nissuer = \"https://is.example\"\n\
             certificates = {{ jwks_file = \"keys.json\" }}\ncredentials = {{ username = \"gateway\", password = \"p\" }}\n{more}",
            server.url()
        )
    };
    let signed = |by: &Signer, changes: &Value| {
        let now = jsonwebtoken::get_current_timestamp();
        let mut claims = json!({
            "iss": "https://is.example", "aud": "gateway", "iat": now, "token_introspection": { "active": true, "client_id": "app-key" },
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let typ = Some("token-introspection+jwt".to_owned());
        let token = by.sign_with(
            &Header { kid: Some("key-1".to_owned()), typ, ..Header::new(Algorithm::ES256) },
            &claims,
        );
        Script::answer(200, &[("Content-Type", "application/token-introspection+jwt")], token)
    };
    let stage =
        Stage::of(&key_manager("introspection_signed = true"), &[("keys.json", signer.jwks())])
            .await;
    let now = jsonwebtoken::get_current_timestamp();
    for (what, script, wanted) in [
        ("good", signed(&signer, &json!({})), 200),
        ("inactive", signed(&signer, &json!({ "token_introspection": { "active": false } })), 401),
        ("forged", signed(&Signer::new("key-1"), &json!({})), 503),
        ("elsewhere", signed(&signer, &json!({ "iss": "https://other.example" })), 503),
        ("for-another", signed(&signer, &json!({ "aud": "another" })), 503),
        ("old", signed(&signer, &json!({ "iat": now - 600 })), 503),
        ("unsigned", active(), 503),
    ] {
        server.always(script);
        assert_eq!(stage.status(what).await, wanted, "{what}");
    }
    assert_eq!(server.received()[0].values("accept"), ["application/token-introspection+jwt"]);
    // where it is not asked for it may come, and is verified all the same
    let stage = Stage::of(&key_manager(""), &[("keys.json", signer.jwks())]).await;
    for (what, script, wanted) in [
        ("signed", signed(&signer, &json!({})), 200),
        ("lied", signed(&Signer::new("key-1"), &json!({})), 503),
        ("plain", active(), 200),
    ] {
        server.always(script);
        assert_eq!(stage.status(what).await, wanted, "{what}");
    }
    assert_eq!(server.received().last().unwrap().values("accept"), ["application/json"]);
}

#[tokio::test]
async fn what_cannot_be_meant_is_told() {
    let gateway = Config::least().start().await;
    let good = "token_validation = \"introspection\"\nintrospection_endpoint = \"https://is.example/i\"\ncredentials = { username = \"g\", password = \"p\" }";
    gateway.change(&config("http://127.0.0.1:1", good)).await.unwrap();
    let wrong = [
        good.replace("password = \"p\"", "password = \"p\", key = \"gw.key\""),
        good.replace(", password = \"p\"", ""),
        good.replace("password = \"p\"", "password = \"p\", key_id = \"x\""),
        good.replace("password = \"p\"", "key = \"gw.key\""),
        good.replace("password = \"p\"", "key = \"gateway.toml\""),
        format!("{good}\nintrospection_signed = true"),
        good.replace("introspection_endpoint = \"https://is.example/i\"\n", ""),
    ];
    let files = wrong.map(|key_manager| config("http://127.0.0.1:1", &key_manager).to_string());
    insta::assert_snapshot!(gateway.reports(files).await);
}
