//! A client in the form of requests to servers and of their answers.

use serde_json::{Map, Value, json};

use crate::model::secret::Secret;
use crate::registration::kind::ServerKind;
use crate::registration::properties::ClientProperties;

/// The grants that send a browser back to the client.
const BY_BROWSER: [&str; 2] = ["authorization_code", "implicit"];

/// A longer text of a server is not kept.
const MOST_TEXT: usize = 4096;

/// The most entries of a list that are kept.
const MOST_ENTRIES: usize = 50;

/// A client that is to be made, or to be changed into this.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientWish {
    /// The name, unique at the server.
    pub name: String,
    /// The name that people see when they are asked for consent.
    pub display_name: String,
    pub owner: String,
    pub grant_types: Vec<String>,
    pub callbacks: Vec<String>,
    pub scopes: Vec<String>,
    pub properties: ClientProperties,
    /// An application under the rules of financial services.
    pub regulatory: bool,
    /// The client's certificate, in PEM.
    pub certificate: Option<String>,
}

/// A client as the server answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    pub id: String,
    /// `None` for a public client, or one whose secret the server does not show.
    pub secret: Option<Secret>,
    /// `None` if the server does not say.
    pub grant_types: Option<Vec<String>>,
    pub callbacks: Vec<String>,
    pub management: Option<ManagementAccess>,
}

/// The way to a client that a server has registered (RFC 7592).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementAccess {
    pub uri: String,
    pub token: Secret,
}

impl ClientWish {
    /// Writes the client for a server of this kind.
    pub(super) fn metadata(&self, kind: ServerKind) -> Map<String, Value> {
        let mut members = self.properties.metadata.clone();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("client_name", json!(self.name));
        put("grant_types", json!(self.grant_types));
        if !self.callbacks.is_empty() {
            put("redirect_uris", json!(self.callbacks));
        }
        match kind {
            ServerKind::Standard => {
                // without the member, every client would be one with a browser
                put("response_types", json!(self.response_types()));
                if !self.scopes.is_empty() {
                    put("scope", json!(self.scopes.join(" ")));
                }
            }
            ServerKind::IdentityServer7 => {
                put("token_type_extension", json!("JWT"));
                put("ext_application_owner", json!(self.owner));
                put("ext_application_display_name", json!(self.display_name));
                if self.regulatory {
                    put("tls_client_certificate_bound_access_tokens", json!(true));
                }
            }
            ServerKind::ClassicIdentityServer => {
                put("token_type_extension", json!("JWT"));
                put("application_owner", json!(self.owner));
                put("application_display_name", json!(self.display_name));
            }
        }
        members
    }

    fn response_types(&self) -> &'static [&'static str] {
        let has = |grant: &str| self.grant_types.iter().any(|own| own == grant);
        match (has("authorization_code"), has("implicit")) {
            (true, true) => &["code", "id_token token"],
            (true, false) => &["code"],
            (false, true) => &["id_token token"],
            (false, false) => &[],
        }
    }

    /// Tells whether the client needs a callback address for browsers.
    pub fn needs_callback(&self) -> bool {
        self.grant_types.iter().any(|own| BY_BROWSER.contains(&own.as_str()))
    }
}

impl RegisteredClient {
    /// Reads an answer. `id` is the client's, if it is known already.
    pub(super) fn read(
        answer: &Map<String, Value>,
        id: Option<&str>,
    ) -> Result<Self, &'static str> {
        // the older service of WSO2 writes `clientId`
        let text = |names: [&str; 2]| {
            let text = names.iter().find_map(|name| answer.get(*name)?.as_str());
            text.filter(|text| !text.is_empty() && text.len() <= MOST_TEXT)
        };
        let list = |names: [&str; 2]| {
            let all = names.iter().find_map(|name| answer.get(*name)?.as_array())?;
            let texts = all.iter().filter_map(Value::as_str);
            Some(texts.take(MOST_ENTRIES).map(str::to_owned).collect::<Vec<_>>())
        };
        let own = text(["client_id", "clientId"]);
        let id = match (id, own) {
            (Some(id), Some(own)) if own != id => return Err("it is about another client"),
            (Some(id), _) => id,
            (None, Some(own)) => own,
            (None, None) => return Err("it has no `client_id`"),
        };
        let uri = text(["registration_client_uri"; 2]);
        let token = text(["registration_access_token"; 2]);
        Ok(Self {
            id: id.to_owned(),
            secret: text(["client_secret", "clientSecret"]).map(|own| Secret::new(own.to_owned())),
            grant_types: list(["grant_types", "grantTypes"]),
            callbacks: list(["redirect_uris", "redirectUris"]).unwrap_or_default(),
            management: uri.zip(token).map(|(uri, token)| ManagementAccess {
                uri: uri.to_owned(),
                token: Secret::new(token.to_owned()),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(grants: &[&str]) -> ClientWish {
        ClientWish {
            name: "ann_app_PRODUCTION".to_owned(),
            display_name: "app".to_owned(),
            owner: "ann".to_owned(),
            grant_types: grants.iter().map(|own| (*own).to_owned()).collect(),
            callbacks: Vec::new(),
            scopes: vec!["read".to_owned(), "write".to_owned()],
            properties: ClientProperties::default(),
            regulatory: false,
            certificate: None,
        }
    }

    #[test]
    fn each_kind_of_server_reads_its_own_names() {
        let own = wish(&["client_credentials"]);
        let standard = own.metadata(ServerKind::Standard);
        assert_eq!(
            (&standard["response_types"], &standard["scope"]),
            (&json!([]), &json!("read write"))
        );
        assert!(!standard.contains_key("redirect_uris"));
        let seven = own.metadata(ServerKind::IdentityServer7);
        assert_eq!(seven["ext_application_owner"], "ann");
        assert!(!seven.contains_key("scope"));
        let classic = own.metadata(ServerKind::ClassicIdentityServer);
        assert_eq!(classic["application_owner"], "ann");
        let browser = wish(&["authorization_code", "refresh_token"]);
        assert!(browser.needs_callback() && !own.needs_callback());
        assert_eq!(browser.metadata(ServerKind::Standard)["response_types"], json!(["code"]));
    }

    #[test]
    fn an_answer_is_a_client_or_none() {
        let of = |value: Value, id| RegisteredClient::read(value.as_object().unwrap(), id);
        let whole = of(
            json!({
                "client_id": "c", "client_secret": "s", "grant_types": ["client_credentials"],
                "redirect_uris": ["https://app.example/"], "registration_access_token": "t",
                "registration_client_uri": "https://is.example/c",
            }),
            None,
        );
        let whole = whole.unwrap();
        assert_eq!((whole.id.as_str(), whole.callbacks.len()), ("c", 1));
        assert_eq!(whole.management.unwrap().uri, "https://is.example/c");
        let classic = of(json!({ "clientId": "c", "clientSecret": "s" }), Some("c")).unwrap();
        assert_eq!(classic.secret.unwrap().reveal(), "s");
        assert!(of(json!({}), None).is_err());
        assert!(of(json!({ "client_id": "other" }), Some("c")).is_err());
        assert_eq!(of(json!({}), Some("c")).unwrap().id, "c");
    }
}
