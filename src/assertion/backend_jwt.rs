//! Writes and signs the backend JWT, with WSO2's names of claims, and publishes the public half of
//! its key.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::assertion::caller::AssertedCaller;
use crate::assertion::signing_key::{SigningKey, UnusableKey};
use crate::jwt;
use crate::model::application::KeyType;
use crate::model::backend_jwt::{AssertionEncoding, BackendJwt};
use crate::model::clock::UnixSeconds;

/// The prefix of WSO2's own claims.
const DIALECT: &str = "http://wso2.org/claims";

/// Claims of the access token that the backend JWT expresses in its own way, or that mean nothing
/// to a backend.
const NOT_PASSED_ON: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "application",
    "tierInfo",
    "subscribedAPIs",
    "aut",
    "cnf",
    "active",
];

/// The settings of `[backend_jwt]`, ready to sign.
pub struct Assertions {
    pub header: HeaderName,
    key: SigningKey,
    settings: BackendJwt,
    jwks: Arc<str>,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertions").field("key_id", &self.key.key_id).finish_non_exhaustive()
    }
}

impl Assertions {
    pub fn new(settings: &BackendJwt) -> Result<Self, UnusableKey> {
        let key = SigningKey::read(&settings.key)?;
        let mut published = vec![key.jwk.clone()];
        for previous in &settings.previous {
            published.push(SigningKey::read(previous)?.jwk);
        }
        let jwks = json!({ "keys": published }).to_string().into();
        Ok(Self { header: settings.header.clone(), key, settings: settings.clone(), jwks })
    }

    /// Returns the public halves of all keys, for `/jwks`.
    pub fn jwks(&self) -> &Arc<str> {
        &self.jwks
    }

    /// Returns the id of the key that signs now.
    pub fn key_id(&self) -> &str {
        &self.key.key_id
    }

    /// Signs a backend JWT and returns it with its end; `None` if the key fails. `id` must be
    /// unique.
    pub fn sign(
        &self,
        caller: &AssertedCaller<'_>,
        id: &str,
        now: UnixSeconds,
    ) -> Option<(HeaderValue, UnixSeconds)> {
        let lifetime = UnixSeconds(now.0.saturating_add(self.settings.ttl.as_secs()));
        let expires = lifetime.min(caller.claims.expires_at().max(now));
        let header = json!({ "typ": "JWT", "alg": self.key.algorithm, "kid": self.key.key_id });
        let payload = self.payload(caller, id, now, expires);
        let encode = |value: &Value| match self.settings.encoding {
            AssertionEncoding::Base64Url => URL_SAFE_NO_PAD.encode(value.to_string()),
            AssertionEncoding::Base64 => STANDARD_NO_PAD.encode(value.to_string()),
        };
        let message = format!("{}.{}", encode(&header), encode(&payload));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key.key, self.key.algorithm)
                .ok()?;
        let signature = match self.settings.encoding {
            AssertionEncoding::Base64Url => signature,
            AssertionEncoding::Base64 => signature.replace('-', "+").replace('_', "/"),
        };
        let mut value = HeaderValue::try_from(format!("{message}.{signature}")).ok()?;
        value.set_sensitive(true);
        Some((value, expires))
    }

    fn payload(
        &self,
        caller: &AssertedCaller<'_>,
        id: &str,
        now: UnixSeconds,
        expires: UnixSeconds,
    ) -> Value {
        let mut payload = Map::new();
        // a client's claims first, so that the gateway's own replace them
        for (name, value) in caller.claims.iter().filter(|(name, _)| !NOT_PASSED_ON.contains(name))
        {
            let mapped =
                caller.mapping.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to);
            payload.insert(mapped.to_owned(), json_of(value));
        }
        // a path of names is no claim of its own
        let nested = caller.mapping.iter().filter(|(from, _)| caller.claims.get(from).is_none());
        for (to, value) in nested.filter_map(|(from, to)| Some((to, caller.claims.at(from)?))) {
            payload.insert(to.clone(), json_of(value));
        }
        let mut say = |name: &str, value: Value| {
            payload.insert(format!("{DIALECT}/{name}"), value);
        };
        if let Some((name, owner)) = caller.application {
            say("applicationname", name.into());
            say("subscriber", owner.into());
        }
        let attributes = caller.attributes.and_then(|own| serde_json::from_str(own).ok());
        if let Some(attributes) = attributes {
            say("applicationAttributes", attributes);
        }
        say("apiname", caller.api.into());
        say("apicontext", caller.context.into());
        say("version", caller.version.into());
        say(
            "keytype",
            if caller.key_type == KeyType::Production { "PRODUCTION" } else { "SANDBOX" }.into(),
        );
        say("usertype", "Application_User".into());
        if let Some(subject) = caller.claims.subject() {
            say("enduser", subject.into());
            payload.insert("sub".to_owned(), subject.into());
        }
        payload.insert("iss".to_owned(), self.settings.issuer.clone().into());
        payload.insert("iat".to_owned(), now.0.into());
        payload.insert("exp".to_owned(), expires.0.into());
        payload.insert("jti".to_owned(), id.into());
        Value::Object(payload)
    }
}

fn json_of(value: &jwt::JsonValue) -> Value {
    match value {
        jwt::JsonValue::Null => Value::Null,
        jwt::JsonValue::Bool(flag) => (*flag).into(),
        jwt::JsonValue::Number(jwt::Number::Unsigned(number)) => (*number).into(),
        jwt::JsonValue::Number(jwt::Number::Negative(number)) => (*number).into(),
        jwt::JsonValue::Number(jwt::Number::Float(number)) => (*number).into(),
        jwt::JsonValue::String(text) => (**text).into(),
        jwt::JsonValue::Array(elements) => elements.iter().map(json_of).collect::<Vec<_>>().into(),
        jwt::JsonValue::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.to_owned(), json_of(value))).collect(),
        ),
    }
}
