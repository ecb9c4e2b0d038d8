//! Tokens of a server that are no access tokens open nothing, by whatever member they are known, and whoever vouches for them.
//!
//! Shapes are recorded from Keycloak 26.5, Ory Hydra 2.3, nanoidp and glewlwyd, and written by the code of WSO2 Identity
//! Server 7 (`JWTTokenIssuer`, `DefaultIDTokenBuilder`).

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::program::portcullis;
use crate::support::script::Script;
use crate::support::signer::Signer;

const ISSUER: &str = "https://as.example";

/// A gateway with one API, whose key manager has these lines and believes one signer.
struct Stage {
    gateway: Gateway,
    signer: Signer,
    _backend: Origin,
}

impl Stage {
    async fn signing(more: &str) -> Stage {
        let signer = Signer::new("key-1");
        Stage::of(Config::new().signed_by("as", ISSUER, &signer, more), signer).await
    }

    async fn asking(server: &Origin) -> Stage {
        let lines = format!("issuer = \"{ISSUER}\"\nintrospection_cache = \"0s\"");
        Stage::of(Config::new().asking("as", &server.url(), &lines), Signer::new("unused")).await
    }

    async fn of(config: Config, signer: Signer) -> Stage {
        let backend = Origin::start();
        let gateway = config
            .api(api("t:1.0.0").to(&backend.url()))
            .application(application("app").key("as", "client"))
            .start()
            .await;
        Stage { gateway, signer, _backend: backend }
    }

    /// The claims of a client's token, and these.
    fn token(&self, typ: Option<&str>, more: &Value) -> String {
        let header = Header {
            kid: Some(self.signer.key_id.to_owned()),
            typ: typ.map(str::to_owned),
            ..Header::new(Algorithm::ES256)
        };
        self.signer.sign_with(&header, &claims(more))
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.status("/t/1.0.0/x", token).await
    }
}

fn claims(more: &Value) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    let mut claims =
        json!({ "iss": ISSUER, "sub": "alice", "azp": "client", "iat": now, "exp": now + 600 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

#[tokio::test]
async fn a_signed_token_that_names_another_kind_is_refused() {
    let stage = Stage::signing("").await;
    for more in [
        json!({ "token_use": "refresh", "token_type": "refresh" }), // nanoidp
        json!({ "token_type": "refresh" }),
        json!({ "token_use": "id_token" }),
        json!({ "typ": "Refresh", "scope": "read" }), // Keycloak
        json!({ "typ": "Offline", "scope": "read" }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Serialized-ID" }),
        json!({ "typ": "Logout" }),
        json!({ "type": "refresh_token" }), // glewlwyd
        json!({ "tokenUse": "Refresh" }),
        json!({ "token_type": "InternalKey" }), // WSO2
        json!({ "token_type": "apiKey" }),
        json!({ "token_use": "whatever-comes-next" }),
    ] {
        let token = stage.token(Some("JWT"), &more);
        assert_eq!(stage.status(&token).await, 401, "{more}");
    }
    for typ in ["rt+jwt", "logout+jwt", "secevent+jwt", "application/id_token+jwt"] {
        assert_eq!(stage.status(&stage.token(Some(typ), &json!({}))).await, 401, "{typ}");
    }
    for more in [
        json!({}),
        json!({ "typ": "Bearer" }),
        json!({ "token_use": "access", "token_type": "Bearer" }),
        json!({ "type": "access_token" }),
    ] {
        assert_eq!(stage.status(&stage.token(Some("JWT"), &more)).await, 200, "{more}");
    }
    let lines = stage.gateway.log(21).await;
    assert!(lines.iter().any(|line| line["reason"] == "token_type_refused"), "{lines:?}");
}

#[tokio::test]
async fn an_answer_that_names_another_kind_is_no_access_token() {
    let server = Origin::start();
    let stage = Stage::asking(&server).await;
    let now = jsonwebtoken::get_current_timestamp();
    let answer = |more: &Value| {
        let mut answer = json!({
            "active": true, "client_id": "client", "iss": ISSUER, "exp": now + 600, "scope": "openid read",
        });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.always(Script::answer(
            200,
            &[("Content-Type", "application/json")],
            answer.to_string(),
        ));
    };
    for more in [
        json!({ "typ": "Refresh" }),                    // Keycloak
        json!({ "typ": "ID", "token_type": "Bearer" }), // Keycloak 26.5
        json!({ "typ": "Offline" }),
        json!({ "token_use": "refresh_token", "token_type": "Bearer" }), // Hydra
        json!({ "token_type": "refresh_token" }),
        json!({ "token_usage": "id_token" }), // OpenIddict
        json!({ "scope": null, "aud": "client", "at_hash": "h", "nonce": "n" }),
    ] {
        answer(&more);
        assert_eq!(stage.status("opaque").await, 401, "{more}");
    }
    for more in [
        json!({}),
        json!({ "typ": "Bearer", "token_type": "Bearer" }),
        json!({ "typ": "DPoP", "token_type": "Bearer" }),
        json!({ "token_use": "access_token", "token_type": "Bearer" }),
        json!({ "token_usage": "access_token" }),
        // WSO2 Identity Server, of an application of an organization
        json!({ "aut": "APPLICATION_USER", "aud": "client", "token_type": "Bearer", "scope": null }),
    ] {
        answer(&more);
        assert_eq!(stage.status("opaque").await, 200, "{more}");
    }
}

/// What ID tokens of servers look like that do not name the kind; the client claim is `azp`, as theirs is.
fn unnamed_id_tokens() -> [Value; 4] {
    [
        // WSO2 Identity Server
        json!({ "isk": "b9", "at_hash": "mYyqNWzUGmNNYxaCDpF7NA", "c_hash": "lnDb", "aud": "client", "amr": ["BasicAuthenticator"] }),
        json!({ "at_hash": "mYyqNWzUGmNNYxaCDpF7NA", "aud": ["client"], "org_id": "10084a8d", "sid": "s" }),
        // glewlwyd
        json!({ "aud": "client", "nonce": "n", "auth_time": 1, "acr": "0", "amr": ["password"] }),
        json!({ "aud": "client", "c_hash": "lnDb", "nonce": "n" }),
    ]
}

#[tokio::test]
async fn id_tokens_that_do_not_say_so_are_known_by_their_marks() {
    let stage = Stage::signing("").await;
    for more in unnamed_id_tokens() {
        assert_eq!(stage.status(&stage.token(Some("JWT"), &more)).await, 401, "{more}");
        assert_eq!(stage.status(&stage.token(None, &more)).await, 401, "{more}");
    }
    let allowing = Stage::signing("id_tokens = \"allow\"").await;
    for more in unnamed_id_tokens() {
        assert_eq!(allowing.status(&allowing.token(Some("JWT"), &more)).await, 200, "{more}");
    }
    let refresh = allowing.token(Some("JWT"), &json!({ "typ": "Refresh" }));
    assert_eq!(allowing.status(&refresh).await, 401, "ID tokens only");
}

#[tokio::test]
async fn servers_that_always_write_a_type_are_asked_for_it() {
    for kind in ["WSO2-IS-7", "fsKeyManager", "Asgardeo"] {
        let stage = Stage::signing(&format!("type = \"{kind}\"")).await;
        assert_eq!(stage.status(&stage.token(Some("at+jwt"), &json!({}))).await, 200, "{kind}");
        assert_eq!(stage.status(&stage.token(Some("JWT"), &json!({}))).await, 401, "{kind}");
        assert_eq!(stage.status(&stage.token(None, &json!({}))).await, 401, "{kind}");
    }
    let stage = Stage::signing("type = \"WSO2-IS-7\"\ntoken_types = []").await;
    assert_eq!(stage.status(&stage.token(Some("JWT"), &json!({}))).await, 200, "as written");
}

#[tokio::test]
async fn explain_and_import_know_the_same_tokens() {
    let stage = Stage::signing("").await;
    let token = stage.token(Some("JWT"), &unnamed_id_tokens()[0]);
    let arguments = ["explain", "--token", &token, "GET /t/1.0.0/x"];
    let output = portcullis(stage.gateway.folder(), &arguments).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("looks like an ID token") && said.contains("id_tokens = \"allow\""),
        "{said}"
    );

    let server = Origin::start();
    let document =
        json!({ "issuer": ISSUER, "jwks_uri": format!("{}/keys", server.url()) }).to_string();
    for (more, words) in [
        (unnamed_id_tokens()[0].clone(), "it is an ID token"),
        (json!({ "token_use": "refresh", "token_type": "refresh" }), "it is a refresh token"),
        (json!({ "tokenUse": "Refresh" }), "it is a refresh token"),
    ] {
        for body in [document.clone(), stage.signer.jwks()] {
            server.once(Script::answer(200, &[("Content-Type", "application/json")], body));
        }
        let sample = stage.gateway.folder().join("sample.jwt");
        std::fs::write(sample, stage.token(Some("JWT"), &more)).unwrap();
        let url = format!("{}/.well-known/openid-configuration", server.url());
        let import = ["import", &url, "--token", "sample.jwt"];
        let output = portcullis(stage.gateway.folder(), &import).await;
        let told = String::from_utf8_lossy(&output.stdout).replace("\n#", " ");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("WRONG: {words}")), "{more}: {told}");
    }
}
