//! Tokens for clients, by the client credentials grant (RFC 6749 section 4.4).

use http::{HeaderValue, Method};
use serde_json::{Map, Value};

use crate::fetch::form_encoded;
use crate::model::BasicCredentials;
use crate::model::key_manager::{Fetch, SecretCarrier};
use crate::model::secret::Secret;
use crate::registration::call::{CallBody, ServerCall, call};
use crate::registration::failure::RegistrationFailure;

/// The longest accepted token.
const MOST_TOKEN: usize = 64 * 1024;

/// A token as the server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientToken {
    pub access_token: Secret,
    pub scopes: Vec<String>,
    /// Seconds; 0 if the server gives none.
    pub expires_in: u64,
}

/// A question to a token endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenQuestion<'t> {
    pub(super) endpoint: &'t str,
    pub(super) client: &'t str,
    pub(super) secret: &'t Secret,
    /// The form in which a server of this type expects the secret.
    pub(super) carrier: SecretCarrier,
    pub(super) scopes: &'t [String],
    /// Further fields of the form.
    pub(super) more: &'t [(&'t str, &'t str)],
}

/// Gets a token. If a server refuses the client's HTTP Basic, it is asked once more with the secret
/// in the form, since a client may be registered for either.
pub(super) async fn client_credentials(
    settings: &Fetch,
    question: TokenQuestion<'_>,
) -> Result<ClientToken, RegistrationFailure> {
    if question.carrier == SecretCarrier::Form {
        return attempt(settings, question).await;
    }
    match attempt(settings, question).await {
        Err(RegistrationFailure::Refused { error: Some(error), .. })
            if error == "invalid_client" =>
        {
            attempt(settings, TokenQuestion { carrier: SecretCarrier::Form, ..question }).await
        }
        other => other,
    }
}

async fn attempt(
    settings: &Fetch,
    question: TokenQuestion<'_>,
) -> Result<ClientToken, RegistrationFailure> {
    let scope = question.scopes.join(" ");
    let mut fields = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    fields.extend(question.more);
    let authorization = match question.carrier {
        SecretCarrier::Basic => basic(&form_encoded(question.client), &encoded(question.secret)),
        SecretCarrier::BasicRaw => basic(question.client, question.secret.reveal()),
        SecretCarrier::Form => {
            fields.extend([
                ("client_id", question.client),
                ("client_secret", question.secret.reveal()),
            ]);
            None
        }
    };
    let asked = ServerCall {
        method: Method::POST,
        url: question.endpoint,
        authorization: authorization.as_ref(),
        body: CallBody::Form(&fields),
        secrets: vec![question.secret],
    };
    let answer = call(settings, asked).await?;
    read(&answer, question.scopes).ok_or_else(|| {
        RegistrationFailure::unreadable(question.endpoint, "it has no `access_token`")
    })
}

fn encoded(secret: &Secret) -> String {
    form_encoded(secret.reveal())
}

fn basic(name: &str, password: &str) -> Option<HeaderValue> {
    BasicCredentials::field(name, password)
}

/// Reads an answer. A server that does not mention scopes granted the requested ones (RFC 6749
/// section 5.1).
fn read(answer: &Map<String, Value>, asked: &[String]) -> Option<ClientToken> {
    let token = answer.get("access_token")?.as_str()?;
    let short = !token.is_empty() && token.len() <= MOST_TOKEN;
    let scopes = answer.get("scope").and_then(Value::as_str).map_or_else(
        || asked.to_vec(),
        |given| given.split_ascii_whitespace().map(str::to_owned).collect(),
    );
    let expires_in = match answer.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    short.then(|| ClientToken {
        access_token: Secret::new(token.to_owned()),
        scopes,
        expires_in: expires_in.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_read_with_what_the_server_says_of_it() {
        let of = |value: Value| read(value.as_object().unwrap(), &["asked".to_owned()]);
        let whole = of(json!({ "access_token": "t", "scope": "a  b", "expires_in": 60 })).unwrap();
        assert_eq!(
            (whole.scopes.as_slice(), whole.expires_in),
            (&["a".to_owned(), "b".to_owned()][..], 60)
        );
        let bare = of(json!({ "access_token": "t", "expires_in": "60" })).unwrap();
        assert_eq!((bare.scopes.as_slice(), bare.expires_in), (&["asked".to_owned()][..], 60));
        for odd in [json!({}), json!({ "access_token": "" }), json!({ "access_token": 1 })] {
            assert!(of(odd.clone()).is_none(), "{odd}");
        }
    }
}
