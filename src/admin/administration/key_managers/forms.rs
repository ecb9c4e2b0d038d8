//! The forms of the types of key managers, as `GET /settings` shows them.

use serde_json::{Value, json};

use crate::admin::administration::key_managers::body::ENDPOINTS;
use crate::admin::administration::key_managers::connectors::{
    CONNECTORS, Connector, ConnectorField, FieldForm,
};

/// Returns the form of each type.
pub(in crate::admin::administration) fn forms() -> Vec<Value> {
    CONNECTORS.iter().map(form).collect()
}

/// The form of one type.
fn form(connector: &Connector) -> Value {
    let claims = connector.kind.default_claims();
    let endpoints: Vec<_> = ENDPOINTS
        .iter()
        .map(|endpoint| {
            let label = endpoint.rest.replace('_', " ");
            let mut letters = label.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            let label: String = first.into_iter().chain(letters).collect();
            line(endpoint.rest, &label, "An address of the authorization server", "input")
        })
        .collect();
    json!({
        "type": connector.kind.name(),
        "displayName": connector.display_name,
        "defaultConsumerKeyClaim": claims.consumer_key.unwrap_or_default(),
        "defaultScopesClaim": claims.scopes.unwrap_or_default(),
        "authConfigurations": [],
        "configurations": connector.fields.iter().map(field).collect::<Vec<_>>(),
        "endpointConfigurations": endpoints,
        "configurationConstraints": [],
    })
}

fn field(field: &ConnectorField) -> Value {
    let kind = match field.form {
        FieldForm::Text | FieldForm::Secret | FieldForm::Choice(_) => "input",
        FieldForm::Flag => "checkbox",
    };
    let about = match field.form {
        // WSO2's definition has objects as `values`, and its portal shows texts
        FieldForm::Choice(choices) => format!("{}: {}", field.about, choices.join(" or ")),
        _ => field.about.to_owned(),
    };
    let mut shown = line(field.name, field.label, &about, kind);
    if let Value::Object(members) = &mut shown {
        members.insert("mask".to_owned(), json!(field.form == FieldForm::Secret));
    }
    shown
}

fn line(name: &str, label: &str, about: &str, kind: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": kind,
        "required": false,
        "mask": false,
        "multiple": false,
        "tooltip": about,
        "values": [],
        "updateDisabled": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_claims_and_settings_of_its_type() {
        for connector in &CONNECTORS {
            let form = form(connector);
            let masked = |field: &Value| field["mask"] == true;
            let fields = form["configurations"].as_array().unwrap();
            let with_secrets = fields.iter().filter(|field| masked(field)).count();
            let wanted =
                connector.fields.iter().filter(|own| own.form == FieldForm::Secret).count();
            assert_eq!(with_secrets, wanted, "{}", connector.display_name);
            assert_eq!(form["endpointConfigurations"].as_array().map(Vec::len), Some(9));
            assert!(form["type"] != "" && form["displayName"] != "");
        }
        let okta = form(Connector::named("Okta").unwrap());
        assert_eq!(okta["defaultConsumerKeyClaim"], "cid");
        assert_eq!(okta["defaultScopesClaim"], "scp");
    }
}
