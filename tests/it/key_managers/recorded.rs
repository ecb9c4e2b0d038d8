//! Keycloak and Ory Hydra as they answered (`tests/vectors/recorded`), by what docs/identity-providers.md says for each.
//!
//! Their documents, keys, tokens and introspection answers are played unchanged, so signatures and claims are real.

use std::process::Output;

use serde_json::json;

use super::documented::block;
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::program::command;
use crate::support::recorded::Recorded;
use crate::support::until;

const KEYCLOAK: [&str; 2] = ["keycloak/26.5.6", "keycloak/26.7.3"];
const HYDRA: &str = "hydra/2.3.0";

/// Clients of the recorded servers; each is the key of an application that may use the API.
const CLIENTS: [&str; 3] = ["shop", "stall", "kiosk"];

struct Stage {
    gateway: Gateway,
    server: Origin,
    recorded: Recorded,
    _backend: Origin,
}

impl Stage {
    /// The block of the manual with these lines instead of its own.
    async fn of(version: &str, lines: &str) -> Stage {
        let recorded = Recorded::of(version);
        let (server, backend) = (recorded.play(), Origin::start());
        let manual = block(version.split('/').next().unwrap()).to_string();
        // the recorded server speaks plain http, through the proxy that plays it
        let mut key_manager: toml::Table = manual.replace("https://", "http://").parse().unwrap();
        let more = "allow_http = true\nintrospection_cache = \"0s\"\njwks_min_refetch = \"100ms\"";
        let changes = format!("proxy = \"{}\"\n{more}\n{lines}", server.url());
        key_manager.extend(changes.parse::<toml::Table>().unwrap());
        let name = key_manager["name"].as_str().unwrap().to_owned();
        let served = api("t:1.0.0").to(&backend.url());
        let mut config = Config::new()
            .key_manager_table(key_manager)
            .api(served.operation("method = \"*\", path = \"/*\", scopes = [\"read\"]"));
        for client in CLIENTS {
            config = config.application(application(client).key(&name, client));
        }
        let gateway = config.start().await;
        gateway.ready().await;
        Stage { gateway, server, recorded, _backend: backend }
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.get("/t/1.0.0/x", Some(token)).await.status().as_u16()
    }

    /// The status for a token of a recorded token answer.
    async fn status_of(&self, answer: &str, kind: &str) -> u16 {
        self.status(self.recorded.token(answer, kind)).await
    }

    /// Asks again until the server's later answer is in force.
    async fn until(&self, token: &str, status: u16) {
        until("the later answer", || self.status(token), |seen| *seen == status).await;
    }

    /// What the operator reads of the first request.
    async fn message(&self) -> String {
        self.gateway.log(1).await[0]["message"].as_str().unwrap().to_owned()
    }
}

const BY_KEYS: &str = "token_validation = \"self_validate_jwt\"";
const ASKED: &str = "token_validation = \"introspection\"";
const BOTH: &str = "token_validation = \"both\"\nintrospect_every = \"100ms\"";

#[tokio::test]
async fn keycloak_verified_by_its_keys() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, BY_KEYS).await;
        assert_eq!(stage.status_of("token", "access_token").await, 200, "{version}");
        assert_eq!(stage.status_of("tokens of alice", "access_token").await, 200, "{version}");
        for kind in ["refresh_token", "id_token"] {
            assert_eq!(stage.status_of("tokens of alice", kind).await, 401, "{version} {kind}");
        }
    }
}

#[tokio::test]
async fn keycloak_asked_about_each_token() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, ASKED).await;
        assert_eq!(stage.status_of("token", "access_token").await, 200, "{version}");
        assert_eq!(stage.status_of("tokens of alice", "access_token").await, 200, "{version}");
        // 26.5 calls these active
        for (kind, name) in [("refresh_token", "refresh token"), ("id_token", "ID token")] {
            let answer = stage.recorded.body(&format!("introspect {name}"));
            assert_eq!(answer["active"], json!(version == KEYCLOAK[0]), "{version} {kind}");
            assert_eq!(stage.status_of("tokens of alice", kind).await, 401, "{version} {kind}");
        }
        assert_eq!(stage.status("nobody-s").await, 401, "{version}");
    }
}

/// The gateway's client is the one that people log in at: then 26.7 calls their ID tokens active, too.
#[tokio::test]
async fn keycloak_asked_by_the_client_of_an_id_token() {
    for version in KEYCLOAK {
        let credentials = "credentials = { username = \"shop\", password = \"shop-secret\" }";
        let stage = Stage::of(version, &format!("{ASKED}\n{credentials}")).await;
        assert_eq!(stage.recorded.body("introspect ID token as shop")["active"], json!(true));
        assert_eq!(stage.status_of("tokens of alice", "id_token").await, 401, "{version}");
        let message = stage.message().await;
        assert!(message.contains("ID"), "{version}: {message}");
    }
}

#[tokio::test]
async fn keycloak_asked_with_an_odd_secret() {
    let credentials = "username = \"gate:way\", password = \"p+w %:é\"";
    for version in KEYCLOAK {
        for method in ["", ", method = \"post\""] {
            let lines = format!("{ASKED}\ncredentials = {{ {credentials}{method} }}");
            let stage = Stage::of(version, &lines).await;
            assert_eq!(stage.status_of("token", "access_token").await, 200, "{version} {method}");
        }
    }
}

#[tokio::test]
async fn keycloak_refuses_the_gateways_credentials() {
    for version in KEYCLOAK {
        for (credentials, recorded) in [
            ("username = \"gateway\", password = \"wrong\"", "introspect with a wrong secret"),
            ("username = \"nobody\", password = \"wrong\"", "introspect as an unknown client"),
            ("method = \"none\"", "introspect as nobody"),
        ] {
            let lines = format!("{ASKED}\ncredentials = {{ {credentials} }}");
            let stage = Stage::of(version, &lines).await;
            assert_eq!(stage.status_of("token", "access_token").await, 503, "{version} {recorded}");
            let message = stage.message().await;
            let said = stage.recorded.body(recorded)["error_description"].as_str().unwrap();
            assert!(
                message.contains("refuses the gateway's own credentials") && message.contains(said),
                "{version} {recorded}: {message}"
            );
        }
    }
}

/// 26.7 answers 400 with `unauthorized_client` where it cannot decode what it is sent.
#[tokio::test]
async fn keycloak_refuses_credentials_that_it_cannot_decode() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, ASKED).await;
        stage.server.always(stage.recorded.answering("introspect token", "introspect raw"));
        assert_eq!(stage.status_of("token", "access_token").await, 503, "{version}");
        let message = stage.message().await;
        assert!(message.contains("refuses the gateway's own credentials"), "{version}: {message}");
    }
}

/// From 26.7 on the gateway's client has to be in the token's `aud`.
#[tokio::test]
async fn keycloak_asked_about_a_token_for_others() {
    for (version, status) in KEYCLOAK.into_iter().zip([200, 401]) {
        let stage = Stage::of(version, BOTH).await;
        let token = stage.recorded.token("token of stall", "access_token").to_owned();
        assert_eq!(stage.status(&token).await, status, "{version}");
        let told = program(&stage, &["explain", "--token", &token, "GET /t/1.0.0/x"]).await;
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        let hint = "without the gateway's own client \"gateway\"";
        let unbroken = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(unbroken.contains(hint), status == 401, "{version}: {said}");
    }
}

#[tokio::test]
async fn keycloak_rotates_its_keys() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, BY_KEYS).await;
        let new = stage.recorded.token("token after rotation", "access_token").to_owned();
        assert_eq!(stage.status(&new).await, 401, "{version}: not published yet");
        stage.server.always(stage.recorded.script(&["keys after rotation"]));
        assert_eq!(stage.status(&new).await, 200, "{version}");
        assert_eq!(stage.status_of("token", "access_token").await, 200, "{version}: the old key");
    }
}

#[tokio::test]
async fn keycloak_ends_a_session() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, BOTH).await;
        let token = stage.recorded.token("tokens of alice again", "access_token").to_owned();
        assert_eq!(stage.status(&token).await, 200, "{version}");
        stage.server.always(stage.recorded.script(&["introspect after logout"]));
        stage.until(&token, 401).await;
        assert_eq!(stage.status_of("token", "access_token").await, 200, "{version}: another's");
    }
}

#[tokio::test]
async fn hydra_asked_about_opaque_tokens() {
    let stage = Stage::of(HYDRA, "").await;
    assert_eq!(stage.status_of("token of shop", "access_token").await, 200);
    assert_eq!(stage.status_of("tokens of alice at shop", "access_token").await, 200);
    let asked = stage.server.received();
    let asked = asked.iter().rfind(|request| request.method == "POST").unwrap();
    assert!(asked.values("authorization").is_empty(), "the admin port asks for no credentials");
    let refresh = stage.recorded.body("introspect refresh token of shop");
    assert_eq!(
        (&refresh["active"], &refresh["token_use"]),
        (&json!(true), &json!("refresh_token"))
    );
    for kind in ["refresh_token", "id_token"] {
        assert_eq!(stage.status_of("tokens of alice at shop", kind).await, 401, "{kind}");
        assert_eq!(stage.status_of("tokens of alice at kiosk", kind).await, 401, "{kind}");
    }
    let revoked = stage.recorded.token("token of shop again", "access_token").to_owned();
    assert_eq!(stage.status(&revoked).await, 200);
    stage.server.always(stage.recorded.script(&["introspect after revocation"]));
    assert_eq!(stage.status(&revoked).await, 401);
    assert_eq!(stage.status("ory_at_nobody.s").await, 401);
}

#[tokio::test]
async fn hydra_verified_by_its_keys() {
    let stage = Stage::of(HYDRA, "").await;
    assert_eq!(stage.status_of("token of kiosk", "access_token").await, 200);
    assert_eq!(stage.status_of("tokens of alice at kiosk", "access_token").await, 200);
    let new = stage.recorded.token("token of kiosk after rotation", "access_token").to_owned();
    assert_eq!(stage.status(&new).await, 401, "not published yet");
    stage.server.always(stage.recorded.script(&["keys after rotation"]));
    assert_eq!(stage.status(&new).await, 200);
    assert_eq!(stage.status_of("token of kiosk", "access_token").await, 200, "the old key");
}

/// Hydra calls a JWT inactive whose key was followed by another, though it still publishes that key.
#[tokio::test]
async fn hydra_forgets_tokens_of_former_keys() {
    let stage = Stage::of(HYDRA, BOTH).await;
    let token = stage.recorded.token("token of kiosk", "access_token").to_owned();
    assert_eq!(stage.status(&token).await, 200);
    stage.server.always(
        stage.recorded.script(&["keys after rotation", "introspect token of before the rotation"]),
    );
    stage.until(&token, 401).await;
}

#[tokio::test]
async fn both_are_imported() {
    for version in KEYCLOAK {
        let stage = Stage::of(version, BY_KEYS).await;
        let discovery = "http://sso.bank.example/realms/bank/.well-known/openid-configuration";
        let client = ["--client-id", "gateway", "--client-secret-file", "secret"];
        let block = imported(&stage, discovery, "token", &client).await;
        for (key, value) in [
            ("type", "KeyCloak"),
            ("issuer", "http://sso.bank.example/realms/bank"),
            (
                "introspection_endpoint",
                "http://sso.bank.example/realms/bank/protocol/openid-connect/token/introspect",
            ),
        ] {
            assert_eq!(block[key].as_str(), Some(value), "{version}: {block}");
        }
        assert_eq!(
            block["credentials"]["username"].as_str(),
            Some("gateway"),
            "{version}: {block}"
        );
        assert!(block["credentials"].get("method").is_none(), "the usual one: {block}");
    }
    let stage = Stage::of(HYDRA, "").await;
    let discovery = "http://hydra.bank.example/.well-known/openid-configuration";
    let endpoint = "http://hydra-admin.bank.example:4445/admin/oauth2/introspect";
    let more = ["--introspection-endpoint", endpoint];
    for (sample, claim) in [("token of shop", None), ("token of kiosk", Some("client_id"))] {
        let block = imported(&stage, discovery, sample, &more).await;
        let named = block.get("consumer_key_claim").and_then(toml::Value::as_str);
        assert_eq!(named, claim, "{sample}: {block}");
        for (key, value) in [
            ("type", "CustomKeyManager"),
            ("issuer", "http://hydra.bank.example"),
            ("introspection_endpoint", endpoint),
        ] {
            assert_eq!(block[key].as_str(), Some(value), "{sample}: {block}");
        }
        assert_eq!(block["credentials"]["method"].as_str(), Some("none"), "{sample}: {block}");
    }
}

/// The block that `import` prints of a server, with a sample and without a complaint.
async fn imported(stage: &Stage, discovery: &str, sample: &str, more: &[&str]) -> toml::Table {
    let folder = stage.gateway.folder();
    std::fs::write(folder.join("sample"), stage.recorded.token(sample, "access_token")).unwrap();
    std::fs::write(folder.join("secret"), "gateway-secret").unwrap();
    let arguments = ["import", discovery, "--allow-http", "--introspect", "--token", "sample"];
    let told = program(stage, &[&arguments[..], more].concat()).await;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(0), "{sample}: {complaint}");
    assert!(!text.contains("WRONG") && text.contains("is active"), "{sample}: {text}");
    // `account` is Keycloak's own client, and no audience of an API
    let audiences = text.lines().find(|line| line.starts_with("# audiences = ")).unwrap();
    assert!(!audiences.contains("account"), "{text}");
    let mut table: toml::Table = text.parse().unwrap();
    table.remove("key_managers").unwrap().as_array().unwrap()[0].as_table().unwrap().clone()
}

/// Runs a command of the binary in the gateway's folder, behind the proxy that plays.
async fn program(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = command(stage.gateway.folder(), arguments);
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("HTTP_PROXY", stage.server.url()).env("http_proxy", stage.server.url());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
