//! Runs the journeys of provisioning.md, line by line, each on its own file: on SQLite, and on a real PostgreSQL.

#[allow(dead_code, reason = "the integration tests do more with it")]
#[path = "../it/support/gateway/password.rs"]
mod password;
#[allow(dead_code, reason = "the integration tests do more with it")]
#[path = "../it/support/servers/postgres.rs"]
pub(crate) mod postgres;

use std::fs;
use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::json;

use self::password::hash;
use self::postgres::free_port::free_port;
use self::postgres::{PASSWORD, PostgresProcess};
use crate::pages::page;
use crate::runs::{PRELUDE, Ports, answer, shell, start};

/// The page's key manager.
const ISSUER: &str = "https://sso.bank.example";

/// A journey: the blocks with its mark, and its file, whose mark has " file" behind it.
struct Journey {
    mark: &'static str,
    /// The client of the token that the journey calls with.
    client: &'static str,
    /// The variables of the page with hashes of passwords, which are all "secret".
    hashes: &'static [&'static str],
    least_lines: usize,
}

#[test]
fn the_developers_journey_works() {
    let hashes = &["PORTCULLIS_ANN_HASH"];
    Journey { mark: "provisioning", client: "7wYeybBG", hashes, least_lines: 15 }.run();
}

#[test]
fn the_administrators_journey_works() {
    let hashes = &["PORTCULLIS_ANNA_HASH"];
    Journey { mark: "administration", client: "app", hashes, least_lines: 40 }.run();
}

#[test]
fn the_publishers_journey_works() {
    let hashes = &["PORTCULLIS_ANN_HASH", "PORTCULLIS_PIA_HASH"];
    Journey { mark: "publishing", client: "7wYeybBG", hashes, least_lines: 40 }.run();
}

impl Journey {
    fn run(&self) {
        self.run_on("");
        let server = PostgresProcess::start();
        let address = server.database("journey");
        self.run_on(&format!("url = \"{address}\"\npassword = \"{PASSWORD}\"\n"));
        assert_ne!(server.sql("journey", "SELECT count(*) FROM audit").trim(), "0");
    }

    /// With these lines in `[store]`.
    fn run_on(&self, store: &str) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = server.local_addr().unwrap().port();
        let (document, token) = document_and_token(backend, self.client);
        std::thread::spawn(move || {
            server.incoming().flatten().for_each(|stream| answer(stream, &document));
        });
        let ports = Ports([("8080", backend), ("8280", free_port()), ("9443", free_port())]);
        let page = page("provisioning.md");
        let of = |language: &str, mark: &str| -> String {
            let blocks = page.blocks(language).into_iter().filter(|block| block.mark == mark);
            blocks.map(|block| block.text).collect()
        };
        let folder = tempfile::tempdir().unwrap();
        let file = of("toml", &format!("run: {} file", self.mark));
        let table = "[store]\n";
        let file = if file.contains(table) { file } else { format!("{file}\n{table}") };
        let file = ports.put(&file.replace(table, &format!("{table}{store}")));
        fs::write(folder.path().join("gateway.toml"), file).unwrap();
        fs::write(folder.path().join("token.jwt"), token).unwrap();
        let hash = hash();
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let mut environment = vec![("PORTCULLIS_STORE_KEY", key)];
        environment.extend(self.hashes.iter().map(|name| (*name, hash.as_str())));
        let gateway = start(folder.path(), &environment);
        let journey = of("sh", &format!("run: {}", self.mark));
        assert!(journey.lines().count() >= self.least_lines, "{journey}");
        // a pipe fails with its first command
        let script = format!("{PRELUDE}set -o pipefail\n{}", ports.put(&journey));
        let output = shell(folder.path(), &script);
        assert!(output.status.success(), "{journey}\n{output:?}");
        drop(gateway);
    }
}

/// The client that the page's authorization server makes.
const MADE: &str = "made-by-sso";

/// A document that is everything that the page's servers answer: discovery document, key set, a new
/// client, and a token for it. Beside it, a token of a client that the key set verifies.
fn document_and_token(port: u16, client: &str) -> (String, String) {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let (x, y) = pair.der_bytes().get(1..).unwrap().split_at(32);
    let key = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one",
                      "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
    let at = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let now = jsonwebtoken::get_current_timestamp();
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
    let signing = EncodingKey::from_ec_der(pair.serialized_der());
    let token = |client: &str| {
        let claims = json!({ "iss": ISSUER, "client_id": client, "sub": client, "iat": now,
                             "exp": now + 3600 });
        jsonwebtoken::encode(&header, &claims, &signing).unwrap()
    };
    let document = json!({ "issuer": ISSUER, "jwks_uri": at("jwks"), "token_endpoint": at("token"),
                           "introspection_endpoint": at("introspect"), "keys": [key],
                           "client_id": MADE, "client_secret": "made-for-once",
                           "access_token": token(MADE), "expires_in": 3600 });
    (document.to_string(), token(client))
}
