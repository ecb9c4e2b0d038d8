//! The whole command, against a server on loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use super::*;

/// Answers one request each with these bodies, in their order.
fn serve(answers: Vec<(u16, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let own = origin.clone();
    thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 2048]);
            let body = body.replace("ORIGIN", &own);
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: \
                 {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    origin
}

fn options(well_known_url: String) -> ImportOptions {
    ImportOptions {
        well_known_url,
        token: None,
        name: None,
        ca: None,
        allow_http: false,
        introspect: false,
        introspection_endpoint: None,
        client_id: None,
        client_secret_file: None,
        api: None,
        backend: "http://127.0.0.1:8080".to_owned(),
        app: None,
        consumer_key: None,
    }
}

fn document() -> String {
    r#"{"issuer":"ORIGIN","jwks_uri":"ORIGIN/keys","token_endpoint":"ORIGIN/token"}"#.to_owned()
}

fn keys(signer: &Signer) -> String {
    String::from_utf8(key_set_of(&[signer.jwk(&json!({ "kid": "key-1" }))])).unwrap()
}

#[test]
fn a_server_is_asked_and_the_table_loads() {
    let signer = Signer::new("ES256");
    let origin = serve(vec![(200, document()), (200, keys(&signer))]);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("sample.jwt");
    let payload =
        json!({ "iss": origin, "exp": NOW.0 + 60, "client_id": "client-1", "scope": "a" });
    std::fs::write(
        &token,
        format!(
            "Bearer {}\n",
            signer.token(r#"{"alg":"ES256","kid":"key-1","typ":"at+jwt"}"#, &payload.to_string())
        ),
    )
    .unwrap();
    let url = format!("{origin}/.well-known/openid-configuration");
    let table = run(
        &ImportOptions { token: Some(token), name: Some("own".to_owned()), ..options(url) },
        NOW,
    )
    .unwrap();
    let key_manager = loaded(&table);
    assert_eq!(key_manager.name.as_str(), "own");
    assert_eq!(key_manager.claims.consumer_key.as_deref(), Some("client_id"));
    assert!(table.contains("good:  signed ES256") && !table.contains("allow_http"), "{table}");
}

#[test]
fn what_stands_in_the_way_is_said_with_what_to_do() {
    let failed = |options: &ImportOptions| run(options, NOW).unwrap_err().to_string();
    for url in [
        "http://id.bank.example/x",
        "ftp://id.bank.example",
        "nonsense",
        "https://user:secret@id.bank.example/x",
    ] {
        let message = failed(&options(url.to_owned()));
        assert!(message.contains("must use https") && !message.contains("secret"), "{message}");
    }
    let url = |origin: String| options(format!("{origin}/.well-known/openid-configuration"));
    let missing = failed(&url(serve(vec![(404, String::new())])));
    assert!(
        missing.contains("answered 404")
            && missing.contains("followed by /.well-known/openid-configuration"),
        "{missing}"
    );
    let other = failed(&url(serve(vec![(200, "[]".to_owned())])));
    assert!(other.contains("not a JSON object"), "{other}");
    let keyless = failed(&url(serve(vec![(200, r#"{"issuer":"https://i"}"#.to_owned())])));
    assert!(keyless.contains("no `jwks_uri`"), "{keyless}");
    let plain = failed(&url(serve(vec![(
        200,
        r#"{"issuer":"https://i","jwks_uri":"http://keys.example/"}"#.to_owned(),
    )])));
    assert!(plain.contains("--allow-http"), "{plain}");
    let empty = failed(&url(serve(vec![(200, document()), (200, r#"{"keys":[]}"#.to_owned())])));
    assert!(empty.contains("no usable key"), "{empty}");
    let name =
        failed(&ImportOptions { name: Some(" ".to_owned()), ..options("https://i".to_owned()) });
    assert!(name.contains("--name must not be empty"), "{name}");
}

#[test]
fn a_token_in_the_place_of_a_file_is_not_repeated() {
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzIn0.c2ln";
    let message = run(
        &ImportOptions { token: Some(PathBuf::from(token)), ..options("https://i".to_owned()) },
        NOW,
    )
    .unwrap_err()
    .to_string();
    assert!(message.contains("--token") && !message.contains("eyJ"), "{message}");
    let failed = run(
        &ImportOptions {
            ca: Some(PathBuf::from("nowhere.pem")),
            ..options("https://i".to_owned())
        },
        NOW,
    )
    .unwrap_err();
    assert!(failed.to_string().contains("nowhere.pem"), "{failed}");
}
