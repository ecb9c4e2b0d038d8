//! The output of `import` for every vendor's tokens, and for texts that are no tokens.

mod asked;
mod troubles;
mod vendors;

use serde_json::{Value, json};

use super::*;
use crate::config;
use crate::jwt::tests::signer::{Signer, encode, key_set_of};
use crate::model::key_manager::{KeyManager, KeyManagerType};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// An authorization server: its document, its address, and its key.
struct Server {
    well_known_url: String,
    document: Value,
    signer: Signer,
}

impl Server {
    /// Recognizes the server by the members that tell products apart.
    fn new(issuer: &str, token_path: &str, keys_path: &str) -> Server {
        let origin = issuer.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let at = |path: &str| {
            if path.starts_with("https://") { path.to_owned() } else { format!("{origin}{path}") }
        };
        let document = json!({
            "issuer": issuer, "token_endpoint": at(token_path), "jwks_uri": at(keys_path),
            "grant_types_supported": ["client_credentials", "authorization_code"],
        });
        let well_known_url =
            format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Server { well_known_url, document, signer: Signer::new("ES256") }
    }

    fn with(mut self, member: &str, value: Value) -> Server {
        self.document[member] = value;
        self
    }

    /// A document elsewhere than at the issuer.
    fn at(mut self, well_known_url: &str) -> Server {
        well_known_url.clone_into(&mut self.well_known_url);
        self
    }

    fn issuer(&self) -> &str {
        self.document["issuer"].as_str().unwrap()
    }

    fn answers(&self) -> Answers {
        let metadata = Metadata::read(self.document.to_string().as_bytes()).unwrap();
        let keys =
            KeySet::from_jwks(&key_set_of(&[self.signer.jwk(&json!({ "kid": "key-1" }))])).unwrap();
        Answers { metadata, keys }
    }

    /// Makes a valid token except for the given members: `iss`, `iat` and `exp` are added unless
    /// they are given.
    fn token(&self, header: &Value, payload: &Value) -> String {
        let mut all = json!({ "iss": self.issuer(), "iat": NOW.0 - 60, "exp": NOW.0 + 3600 });
        all.as_object_mut().unwrap().extend(payload.as_object().unwrap().clone());
        let mut head = json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" });
        head.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        self.signer.token(&head.to_string(), &all.to_string())
    }

    /// Returns the output for this token.
    fn told(&self, token: Option<&str>) -> String {
        let sample = token.map(TokenSample::read);
        let told = write(&self.well_known_url, None, None, &self.answers(), sample.as_ref(), NOW);
        for part in token.iter().flat_map(|token| token.split('.')) {
            assert!(!told.contains(part), "a token is never shown: {told}");
        }
        told
    }
}

/// Returns the output without introspection and applications.
fn write(
    well_known_url: &str,
    name: Option<&str>,
    ca: Option<&str>,
    answers: &Answers,
    sample: Option<&TokenSample>,
    now: UnixSeconds,
) -> String {
    let wanted = Wanted::default();
    let request = Request { well_known_url, name, ca, asked: None, wanted: &wanted };
    super::write(&request, answers, sample, now).unwrap()
}

/// The table as the gateway reads it.
fn loaded(text: &str) -> KeyManager {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let mut model = config::load(&path).unwrap_or_else(|report| panic!("{report}\n{text}")).model;
    match model.templates.pop() {
        Some(template) => template.outline().clone(),
        None => {
            assert_eq!(model.key_managers.len(), 1);
            model.key_managers.remove(0)
        }
    }
}

/// Returns prose on one line, as it was before it was broken into comments.
fn unbroken(text: &str) -> String {
    let words = text.lines().map(|line| line.trim_start_matches('#').trim());
    words.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}
