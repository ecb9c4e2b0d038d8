//! Reads the connector settings of WSO2's form, of which some are secret.

use serde_json::{Map, Value, json};

use crate::admin::administration::key_managers::connectors::{
    Connector, ConnectorField, FieldForm, FieldRole, MASK, sounds_secret,
};
use crate::admin::administration::key_managers::limits::{
    MOST_ENTRIES, MOST_NAME, MOST_TEXT, missing_settings,
};
use crate::admin::refused::Refused;
use crate::admin::texts;

/// The place of a secret in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConnectorSecret {
    /// `credentials.password` of the declared form.
    Password,
    /// A connector setting, which is kept beside the declared form.
    Property(String),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum ConnectorSecretValue {
    New(String),
    /// The caller sent the mask back: the old one stays.
    Kept,
}

impl std::fmt::Debug for ConnectorSecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New(..)",
            Self::Kept => "Kept",
        })
    }
}

/// The settings as they are read.
#[derive(Default)]
struct ReadProperties {
    user: Option<String>,
    secrets: Vec<(ConnectorSecret, ConnectorSecretValue)>,
    others: Map<String, Value>,
    called: Vec<(String, String)>,
}

/// Reads the connector settings: the user and the password into `credentials`, others as they are.
pub(super) fn properties_of(
    connector: &'static Connector,
    properties: Map<String, Value>,
    declared: &mut Map<String, Value>,
    extra: &mut Map<String, Value>,
    called: &mut Vec<(String, String)>,
) -> Result<Vec<(ConnectorSecret, ConnectorSecretValue)>, Refused> {
    if properties.len() > MOST_ENTRIES {
        return Err(Refused::bad_request("`additionalProperties` has too many settings"));
    }
    let mut read = ReadProperties::default();
    for (name, value) in properties {
        let field = format!("additionalProperties.{}", name.chars().take(50).collect::<String>());
        texts::name(&field, &name, MOST_NAME)?;
        read.add(connector.field(&name), &field, name, value)?;
    }
    credentials(connector, read.user, &read.secrets, declared)?;
    if !read.others.is_empty() {
        extra.insert("additionalProperties".to_owned(), Value::Object(read.others));
    }
    called.append(&mut read.called);
    Ok(read.secrets)
}

impl ReadProperties {
    fn add(
        &mut self,
        known: Option<&'static ConnectorField>,
        field: &str,
        name: String,
        value: Value,
    ) -> Result<(), Refused> {
        let role = known.map_or(FieldRole::Other, |own| own.role);
        let secret =
            known.map_or_else(|| sounds_secret(&name), |own| own.form == FieldForm::Secret);
        let text = match value {
            Value::Null => return Ok(()),
            Value::String(text) => text.trim().to_owned(),
            Value::Object(_) => {
                let description = format!("`{field}` is a text, a flag, a number or a list");
                return Err(Refused::bad_request(description));
            }
            _ if secret || role != FieldRole::Other => {
                return Err(Refused::bad_request(format!("`{field}` is a text")));
            }
            other => {
                self.others.insert(name, other);
                return Ok(());
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        texts::prose(field, &text, MOST_TEXT)?;
        if let Some(FieldForm::Choice(choices)) = known.map(|own| own.form)
            && !choices.contains(&text.as_str())
        {
            return Err(Refused::bad_request(format!("`{field}` is {}", choices.join(" or "))));
        }
        let secret_value = || {
            if text == MASK {
                ConnectorSecretValue::Kept
            } else {
                ConnectorSecretValue::New(text.clone())
            }
        };
        match role {
            FieldRole::User => self.user = Some(text),
            FieldRole::Password => self.secrets.push((ConnectorSecret::Password, secret_value())),
            FieldRole::Other if secret => {
                self.secrets.push((ConnectorSecret::Property(name), secret_value()));
            }
            FieldRole::Other => {
                if known.is_some_and(|own| own.name.ends_with("endpoint")) {
                    self.called.push((field.to_owned(), text.clone()));
                }
                self.others.insert(name, Value::String(text));
            }
        }
        Ok(())
    }
}

/// The user and the password belong together.
fn credentials(
    connector: &'static Connector,
    user: Option<String>,
    secrets: &[(ConnectorSecret, ConnectorSecretValue)],
    declared: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let with_password = secrets.iter().any(|(place, _)| *place == ConnectorSecret::Password);
    let missing = match (&user, with_password) {
        (None, false) | (Some(_), true) => None,
        (Some(_), false) => connector.with_role(FieldRole::Password),
        (None, true) => connector.with_role(FieldRole::User),
    };
    if let Some(missing) = missing {
        return Err(missing_settings(&[missing]));
    }
    if let Some(user) = user {
        declared.insert("credentials".to_owned(), json!({ "username": user }));
    }
    Ok(())
}
