//! Asks a server about one token, once and outside of any key manager, for commands that test a
//! configuration.

use crate::fetch::{FormPost, post};
use crate::introspect::client_authentication::ClientAuthentication;
use crate::jwt::{Claims, Introspected};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{Credentials, Fetch, TokenRules};

/// The endpoint, the credentials and the rules of one introspection request.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'p> {
    pub fetch: &'p Fetch,
    pub endpoint: &'p str,
    pub issuer: &'p str,
    pub credentials: &'p Credentials,
    pub rules: &'p TokenRules,
}

impl Probe<'_> {
    /// Returns the server's answer, or a message for the operator about the reason why there is
    /// none.
    pub async fn ask(&self, token: &str, now: UnixSeconds) -> Result<Introspected, String> {
        let client =
            ClientAuthentication::of(Some(self.credentials)).map_err(|error| error.to_string())?;
        let proof = client
            .proof(self.issuer, self.endpoint, now)
            .ok_or("the gateway cannot sign its client assertion")?;
        let mut fields = vec![("token", token), ("token_type_hint", "access_token")];
        fields.extend(proof.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let form = FormPost { fields: &fields, authorization: proof.authorization, signed: false };
        let posted =
            post(self.fetch, self.endpoint, &form).await.map_err(|failure| failure.to_string())?;
        if posted.signed {
            return Err(
                "the answer is signed (RFC 9701): write `introspection_signed = true`".to_owned()
            );
        }
        Claims::introspected(&posted.content, self.issuer, self.rules, UnixSeconds(u64::MAX))
            .map_err(|fault| format!("the introspection answer cannot be used: {fault}"))
    }
}
