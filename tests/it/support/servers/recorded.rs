//! [`Recorded`]: what a real authorization server said once (`tests/vectors/recorded`), said again.
//!
//! The server's host exists nowhere, so the gateway reaches it through a proxy, which is the [`Origin`] that plays. A
//! question is answered only if it is one that the real server was asked: same path, credentials and form.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::support::origin::{Origin, Received};
use crate::support::script::Script;

/// Everything that was recorded of one version of a server.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    exchanges: Vec<Exchange>,
}

/// One question, and the answer to it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    name: String,
    request: Question,
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Question {
    method: String,
    path: String,
    #[serde(default)]
    authorization: Option<String>,
    #[serde(default)]
    form: BTreeMap<String, String>,
}

impl Recorded {
    /// Reads, say, `keycloak/26.7.3`.
    pub(crate) fn of(version: &str) -> Recorded {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/recorded");
        let text = std::fs::read_to_string(folder.join(format!("{version}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn exchange(&self, name: &str) -> &Exchange {
        let found = self.exchanges.iter().find(|exchange| exchange.name == name);
        found.unwrap_or_else(|| panic!("{name:?} was not recorded"))
    }

    /// The body of an answer.
    pub(crate) fn body(&self, name: &str) -> &Value {
        &self.exchange(name).body
    }

    /// A token of a token answer: `access_token`, `refresh_token` or `id_token`.
    pub(crate) fn token(&self, name: &str, kind: &str) -> &str {
        self.body(name)[kind].as_str().unwrap_or_else(|| panic!("{name:?} has no {kind}"))
    }

    /// The server as it was at first.
    pub(crate) fn play(&self) -> Origin {
        Origin::serving(self.script(&[]))
    }

    /// Plays what was recorded. Where one question was asked several times, the first answer counts, unless a later one
    /// is named.
    pub(crate) fn script(&self, later: &[&str]) -> Script {
        let later = later.iter().map(|name| self.exchange(name).clone());
        Script::replay(Arc::new(later.chain(self.exchanges.iter().cloned()).collect()))
    }

    /// Plays what was recorded, with the answer to one question given to another.
    pub(crate) fn answering(&self, question: &str, answer: &str) -> Script {
        let request = self.exchange(question).request.clone();
        let changed = Exchange { request, ..self.exchange(answer).clone() };
        let all = std::iter::once(changed).chain(self.exchanges.iter().cloned());
        Script::replay(Arc::new(all.collect()))
    }
}

impl Exchange {
    /// The recorded answer to this request.
    pub(crate) fn answer(
        all: &[Exchange],
        request: &Received,
    ) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let Some(found) = all.iter().find(|exchange| exchange.request.is(request)) else {
            let said = format!("nobody has recorded {} {}", request.method, request.target);
            return (404, Vec::new(), said.into_bytes());
        };
        let body = match &found.body {
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        };
        (found.status, found.headers.clone().into_iter().collect(), body)
    }
}

impl Question {
    fn is(&self, request: &Received) -> bool {
        // a proxy is sent the whole address
        let (_, after) = request.target.split_once("://").unwrap_or(("", &request.target));
        let path = after.find('/').map_or("/", |at| &after[at..]);
        let form = form_urlencoded::parse(&request.body).into_owned().collect::<BTreeMap<_, _>>();
        self.method == request.method
            && self.path == path
            && self.authorization.as_deref() == request.values("authorization").first().copied()
            && self.form == form
    }
}
