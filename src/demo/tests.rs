//! The demo's parts as their users meet them: over sockets and on the disk.

mod certificates;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::demo::authorization_server::{
    DISCOVERY_PATH, DemoServer, JWKS_PATH, ROTATE_PATH, TOKEN_PATH,
};
use crate::demo::backend::DemoBackend;
use crate::demo::loopback::RunningServer;
use crate::demo::script::curl_lines;
use crate::demo::settings::{
    AUTHORIZATION_SERVER, NEW_CLIENT, PRODUCTION_BACKEND, PRODUCTION_CLIENT, SANDBOX_BACKEND,
    SANDBOX_CLIENT, UNSUBSCRIBED_CLIENT, clients,
};
use crate::model::clock::{Clock, UnixSeconds};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(jiff::Timestamp::now().as_second().unsigned_abs())
    }
}

async fn server() -> RunningServer {
    DemoServer::start(ANY_PORT, clients(), Arc::new(WallClock)).await.unwrap()
}

/// Returns the status line and fields, and the body as it came.
async fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> Value {
    let (head, body) =
        exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
            .await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    serde_json::from_str(&body).unwrap()
}

async fn post(
    address: SocketAddr,
    path: &str,
    credentials: Option<(&str, &str)>,
    form: &str,
) -> (String, Value) {
    let basic = credentials.map_or_else(String::new, |(id, secret)| {
        format!("authorization: Basic {}\r\n", STANDARD.encode(format!("{id}:{secret}")))
    });
    let length = form.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{basic}content-length: \
         {length}\r\n\r\n{form}"
    );
    let (head, body) = exchange(address, &request).await;
    (head, serde_json::from_str(&body).unwrap())
}

async fn token(address: SocketAddr, client: (&str, &str), scope: &str) -> String {
    let form = format!("grant_type=client_credentials&scope={scope}");
    let (head, answer) = post(address, TOKEN_PATH, Some(client), &form).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("no-store"), "{head} {answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The claims, if the published keys verify the token.
async fn verified(address: SocketAddr, token: &str) -> Option<Value> {
    let keys: JwkSet = serde_json::from_value(get(address, JWKS_PATH).await).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(header.kid.as_deref().unwrap())?;
    let mut rules = Validation::new(header.alg);
    rules.validate_nbf = true;
    rules.validate_aud = false;
    rules.set_issuer(&[format!("http://{address}/oauth2/token")]);
    Some(decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims)
}

#[tokio::test]
async fn tokens_verify_against_the_published_keys() {
    let server = server().await;
    let address = server.address();
    let discovered = get(address, DISCOVERY_PATH).await;
    assert_eq!(discovered["jwks_uri"], format!("http://{address}/oauth2/jwks"));
    assert_eq!(
        discovered["scopes_supported"],
        json!(["accounts:read", "accounts:write", "apim:subscribe"])
    );

    let mut token_ids = HashSet::new();
    for client in [PRODUCTION_CLIENT, SANDBOX_CLIENT, UNSUBSCRIBED_CLIENT] {
        let claims =
            verified(address, &token(address, client, "accounts:read+admin+accounts:read").await)
                .await
                .unwrap();
        for name in ["sub", "aud", "azp", "client_id"] {
            assert_eq!(claims[name], client.0, "{name}");
        }
        assert_eq!(claims["scope"], "accounts:read", "only what the client may have");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
        assert_eq!(claims["nbf"], claims["iat"]);
        token_ids.insert(claims["jti"].as_str().unwrap().to_owned());
    }
    assert_eq!(token_ids.len(), 3);
    assert_eq!(
        verified(address, &token(address, PRODUCTION_CLIENT, "").await).await.unwrap().get("scope"),
        None
    );
    server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_rotated_key_stays_published_until_the_next_rotation() {
    let server = server().await;
    let address = server.address();
    for client in [PRODUCTION_CLIENT, SANDBOX_CLIENT] {
        let first = token(address, client, "").await;
        let rotate = async || {
            assert!(post(address, ROTATE_PATH, None, "").await.0.starts_with("HTTP/1.1 200 "));
        };
        rotate().await;
        let second = token(address, client, "").await;
        assert_ne!(decode_header(&first).unwrap().kid, decode_header(&second).unwrap().kid);
        assert!(verified(address, &first).await.is_some());
        assert!(verified(address, &second).await.is_some());
        rotate().await;
        assert!(verified(address, &first).await.is_none());
        assert!(verified(address, &second).await.is_some());
    }
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_the_words_of_rfc_6749() {
    let server = server().await;
    let address = server.address();
    let (id, secret) = PRODUCTION_CLIENT;
    let grant = "grant_type=client_credentials";
    let with = |more: &str| format!("{grant}&{more}");
    let cases = [
        (None, grant.to_owned(), 401, "invalid_client"),
        (Some((id, "wrong")), grant.to_owned(), 401, "invalid_client"),
        (Some(("nobody", secret)), grant.to_owned(), 401, "invalid_client"),
        (None, with(&format!("client_id={id}&client_secret=wrong")), 401, "invalid_client"),
        (Some((id, secret)), with(&format!("client_secret={secret}")), 400, "invalid_request"),
        (
            None,
            with(&format!("client_id={id}&client_id={id}&client_secret={secret}")),
            400,
            "invalid_request",
        ),
        (Some((id, secret)), "scope=accounts:read".to_owned(), 400, "invalid_request"),
        (Some((id, secret)), with(grant), 400, "invalid_request"),
        (Some((id, secret)), with("scope=a&scope=b"), 400, "invalid_request"),
        (Some((id, secret)), "grant_type=password".to_owned(), 400, "unsupported_grant_type"),
        (Some((id, secret)), with(&"x".repeat(20_000)), 400, "invalid_request"),
    ];
    for (credentials, form, status, error) in cases {
        let (head, answer) = post(address, TOKEN_PATH, credentials, &form).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head} for {form}");
        assert_eq!(answer["error"], error, "{form}");
        assert_eq!(
            head.to_lowercase().contains("www-authenticate: basic"),
            status == 401,
            "{head}"
        );
    }
    let posted = with(&format!("client_id={id}&client_secret={secret}"));
    assert!(post(address, TOKEN_PATH, None, &posted).await.0.starts_with("HTTP/1.1 200 "));
    for (request, status) in
        [("GET /oauth2/token", 405), ("DELETE /oauth2/jwks", 405), ("GET /nothing", 404)]
    {
        let (head, _) = exchange(
            address,
            &format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
    }
}

#[tokio::test]
async fn a_backend_names_itself_and_withholds_credentials() {
    let backend = DemoBackend::start(ANY_PORT, "sandbox").await.unwrap();
    let address = backend.address();
    let request = "PUT /accounts/1?x=y HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \
                   secret\r\nx-request-id: 7\r\nconnection: close\r\n\r\n";
    let (_, body) = exchange(address, request).await;
    assert!(!body.contains("secret"));
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&said["backend"], &said["method"], &said["path"]),
        (&json!("sandbox"), &json!("PUT"), &json!("/accounts/1"))
    );
    assert_eq!(said["headers"]["x-request-id"], json!(["7"]));
    assert_eq!(get(address, "/health").await["status"], "up");
}

#[tokio::test]
async fn a_stream_comes_line_by_line() {
    let backend = DemoBackend::start(ANY_PORT, "production").await.unwrap();
    let mut stream = TcpStream::connect(backend.address()).await.unwrap();
    stream
        .write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b" 1 of 10\n\r\n") {
        stream.read_buf(&mut answer).await.unwrap();
    }
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches(" of 10\n").count(), 10);
    assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn other_machines_cannot_reach_the_demo() {
    let error = DemoBackend::start("0.0.0.0:0".parse().unwrap(), "production").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let taken = DemoBackend::start(ANY_PORT, "production").await.unwrap();
    let error = DemoBackend::start(taken.address(), "production").await.unwrap_err();
    assert!(error.to_string().contains(&taken.address().to_string()), "{error}");
}

#[tokio::test]
async fn the_printed_token_line_runs_in_a_shell_as_it_stands() {
    let server = server().await;
    let lines = curl_lines("https://localhost:8243", "certs/dev-ca.crt", server.address());
    let command = format!("{}; printf %s \"$TOKEN\"", lines[0].command);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(command)
            .env("no_proxy", "*")
            .output()
            .unwrap()
    });
    let token = String::from_utf8(output.await.unwrap().stdout).unwrap();
    assert_eq!(verified(server.address(), &token).await.unwrap()["scope"], "accounts:read");
    assert!(lines.iter().all(|line| !line.to_string().contains('\n')));
}

#[test]
fn the_repositorys_gateway_toml_names_what_the_demo_starts() {
    let file: toml::Table = include_str!("../../gateway.toml").parse().unwrap();
    let key_manager = &file["key_managers"][0];
    assert_eq!(
        key_manager["well_known_url"].as_str().unwrap(),
        format!("http://{AUTHORIZATION_SERVER}{DISCOVERY_PATH}")
    );
    assert_eq!(
        key_manager["issuer"].as_str().unwrap(),
        format!("http://{AUTHORIZATION_SERVER}{TOKEN_PATH}")
    );
    let api = &file["apis"][0];
    assert_eq!(
        api["production"]["urls"][0].as_str().unwrap(),
        format!("http://{PRODUCTION_BACKEND}")
    );
    assert_eq!(api["sandbox"]["urls"][0].as_str().unwrap(), format!("http://{SANDBOX_BACKEND}"));

    let key = |application: usize, position: usize| {
        let key = &file["applications"][application]["keys"][position];
        (key["type"].as_str().unwrap(), key["consumer_key"].as_str().unwrap())
    };
    assert_eq!(key(0, 0), ("production", PRODUCTION_CLIENT.0));
    assert_eq!(key(0, 1), ("sandbox", SANDBOX_CLIENT.0));
    assert_eq!(key(1, 0), ("production", UNSUBSCRIBED_CLIENT.0));
    assert!(file["applications"][1].get("subscriptions").is_none());
    assert!(!file["applications"].to_string().contains(NEW_CLIENT.0), "nobody has it yet");
    let audiences = key_manager["audiences"].as_array().unwrap();
    assert!(clients().iter().all(|client| audiences.contains(&client.id.as_str().into())));
    assert_eq!(file["management"]["token_key_manager"], key_manager["name"]);
    let mut scopes: Vec<&str> = Vec::new();
    for operation in api["operations"].as_array().unwrap() {
        scopes.extend(
            operation
                .get("scopes")
                .and_then(toml::Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(toml::Value::as_str),
        );
    }
    assert!(
        scopes.iter().all(|scope| clients()[0].scopes.iter().any(|known| known == scope)),
        "{scopes:?}"
    );
}
