//! The authorization server of a key manager, as the API calls it, and its failures.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::caller::Caller;
use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::refused::{ApiFault, Refused};
use crate::admin::state::Admin;
use crate::fetch::FetchFailure;
use crate::model::secret::Secret;
use crate::registration::{ClientToken, RegistrationFailure, RegistrationServer, ServerSecrets};
use crate::store::{Kind, SecretPlace, StoreError, is_sealed};

/// Finds the server of a key manager that is in force.
pub(super) fn server(admin: &Admin, key_manager: &Object) -> Result<RegistrationServer, Refused> {
    let name = key_manager.record.name.as_str();
    let snapshot = admin.snapshots.as_ref().map(|own| own.load());
    let compiled = snapshot.as_ref().and_then(|own| own.key_manager_named(name));
    let Some(compiled) = compiled else {
        return Err(Refused::plain(
            StatusCode::NOT_IMPLEMENTED,
            "clients of several organizations at once cannot be made; name one of them",
        ));
    };
    let secrets = secrets(admin, key_manager)?;
    RegistrationServer::of(&compiled.definition, secrets).ok_or_else(|| {
        let kind = compiled.definition.kind.name();
        Refused::not_implemented(&format!("the registration of clients at a server of type {kind}"))
    })
}

/// Opens the connector settings of the API.
fn secrets(admin: &Admin, key_manager: &Object) -> Result<ServerSecrets, StoreError> {
    let settings = key_manager.record.extra.get("additionalProperties");
    let text = |name: &str| -> Result<Option<Secret>, StoreError> {
        let Some(value) = settings.and_then(|own| own.get(name)) else { return Ok(None) };
        if is_sealed(value) {
            let place =
                SecretPlace { kind: Kind::KeyManager, id: key_manager.record.id, field: name };
            return admin.keys.open(place, value).map(Some);
        }
        Ok(value.as_str().map(|text| Secret::new(text.to_owned())))
    };
    let initial = match text("initial_access_token")? {
        Some(token) => Some(token),
        None => text("apiKey")?,
    };
    Ok(ServerSecrets {
        initial_access_token: initial,
        software_statement: text("software_statement")?,
        audience: settings.and_then(|own| own.get("audience")?.as_str()).map(str::to_owned),
    })
}

/// The operation that failed, with WSO2's code for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerOperation {
    Create,
    Update,
    Delete,
    Token,
    Map,
}

impl ServerOperation {
    fn code(self) -> u32 {
        match self {
            Self::Create => 900_950,
            Self::Delete => 900_952,
            Self::Update => 900_953,
            Self::Token => 902_004,
            Self::Map => 900_962,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Token => "get a token for",
            Self::Map => "map",
        }
    }
}

/// Returns the server's refusal, or the reason for which it could not be asked.
pub(super) fn refusal(
    caller: &Caller,
    key_manager: &str,
    operation: ServerOperation,
    failure: &RegistrationFailure,
) -> Refused {
    tracing::warn!(
        target: "portcullis::admin",
        key_manager,
        operation = operation.name(),
        error = %failure,
        "an authorization server did not do what a caller asked for",
    );
    let key_management = |status, description: String| {
        Refused::new(status, operation.code(), "Key Management Error", description)
    };
    match failure {
        RegistrationFailure::Refused { status, .. } => {
            // a wrong secret is the caller's own
            let is_callers = match operation {
                ServerOperation::Token => (400..500).contains(status),
                _ => failure.is_of_the_request(),
            };
            answered(failure, is_callers)
        }
        RegistrationFailure::Setting(what) => {
            let message = "Required Key Manager configuration missing";
            Refused::new(StatusCode::BAD_REQUEST, 901_401, message, what.clone())
        }
        RegistrationFailure::Unreadable { .. } => {
            key_management(StatusCode::BAD_GATEWAY, failure.to_string())
        }
        RegistrationFailure::Fetch(fetch) => {
            let status = match fetch {
                FetchFailure::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            // authorities, files and proxies of the gateway are its administrators' business
            let description = if caller.is_administrator() {
                fetch.to_string()
            } else {
                format!(
                    "the authorization server of key manager \"{key_manager}\" cannot be used \
                     ({}); administrators see why",
                    fetch.label()
                )
            };
            key_management(status, description)
        }
    }
}

/// Passes on a server's own refusal.
fn answered(failure: &RegistrationFailure, is_callers: bool) -> Refused {
    let mut refused = if is_callers {
        let message = "Invalid Request sent to Key Manager";
        Refused::new(StatusCode::BAD_REQUEST, 902_003, message, failure.to_string())
    } else {
        let message = "Internal Server Error from Key Manager";
        Refused::new(StatusCode::BAD_GATEWAY, 902_004, message, failure.to_string())
    };
    if let RegistrationFailure::Refused { error, description, .. } = failure
        && let Some(code) = error.clone().or_else(|| description.clone())
    {
        let message = description.clone().unwrap_or_default();
        refused.errors.push(ApiFault { code, message });
    }
    refused
}

/// A token in WSO2's form.
pub(super) fn shown_token(token: &ClientToken) -> Value {
    without_nulls(json!({
        "accessToken": token.access_token.reveal(),
        "tokenScopes": token.scopes,
        "validityTime": token.expires_in,
    }))
}

/// A text or a list of them in `extra`, as the forms of keys have them.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The handlers of this folder work on one gateway.
pub(super) type SharedAdmin = Arc<Admin>;
