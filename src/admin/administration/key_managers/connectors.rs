//! The settings with which the gateway calls each type of authorization server: their names in
//! WSO2's `additionalProperties`, for forms and for reading.

use crate::model::key_manager::KeyManagerType;

/// The text in place of a secret. A client that sends it back keeps the secret.
pub(super) const MASK: &str = "*****";

/// The settings of one type.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) kind: KeyManagerType,
    pub(super) display_name: &'static str,
    pub(super) fields: &'static [ConnectorField],
}

#[derive(Debug)]
pub(super) struct ConnectorField {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) about: &'static str,
    pub(super) form: FieldForm,
    pub(super) role: FieldRole,
}

/// The control that a form has for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldForm {
    Text,
    Secret,
    Flag,
    Choice(&'static [&'static str]),
}

/// The use that the gateway has for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldRole {
    /// `credentials.username` of the key manager: the client of introspection and registration.
    User,
    /// `credentials.password`.
    Password,
    /// A setting of its own.
    Other,
}

impl Connector {
    /// Finds a type by its name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        CONNECTORS.iter().find(|own| own.kind.name() == name)
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static ConnectorField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The name of the field with this role.
    pub(super) fn with_role(&self, role: FieldRole) -> Option<&'static str> {
        self.fields.iter().find(|field| field.role == role).map(|field| field.name)
    }
}

const fn user(name: &'static str, label: &'static str, about: &'static str) -> ConnectorField {
    ConnectorField { name, label, about, form: FieldForm::Text, role: FieldRole::User }
}

const fn password(name: &'static str, label: &'static str, about: &'static str) -> ConnectorField {
    ConnectorField { name, label, about, form: FieldForm::Secret, role: FieldRole::Password }
}

const fn other(
    name: &'static str,
    label: &'static str,
    about: &'static str,
    form: FieldForm,
) -> ConnectorField {
    ConnectorField { name, label, about, form, role: FieldRole::Other }
}

/// RFC 7591 section 3.
const INITIAL_ACCESS_TOKEN: ConnectorField = other(
    "initial_access_token",
    "Initial access token",
    "The token with which the server lets clients be made",
    FieldForm::Secret,
);

/// RFC 7591 section 2.3.
const SOFTWARE_STATEMENT: ConnectorField = other(
    "software_statement",
    "Software statement",
    "The signed statement that goes with each new client",
    FieldForm::Text,
);

static REGISTRATION: [ConnectorField; 2] = [INITIAL_ACCESS_TOKEN, SOFTWARE_STATEMENT];

static NAME_AND_PASSWORD: [ConnectorField; 2] = [
    user("Username", "User name", "The user as whom the gateway calls the server"),
    password("Password", "Password", "The password of that user"),
];

static IDENTITY_SERVER: [ConnectorField; 5] = [
    user("Username", "User name", "The user as whom the gateway calls the server"),
    password("Password", "Password", "The password of that user"),
    other(
        "api_resource_management_endpoint",
        "API resource management endpoint",
        "The address at which scopes of APIs are registered",
        FieldForm::Text,
    ),
    other(
        "is7_roles_endpoint",
        "Roles endpoint",
        "The address at which roles are made",
        FieldForm::Text,
    ),
    other(
        "enable_roles_creation",
        "Create roles",
        "Makes a role at the server for each role of a scope",
        FieldForm::Flag,
    ),
];

static CLIENT: [ConnectorField; 4] = [
    user("client_id", "Client id", "The client as which the gateway calls the server"),
    password("client_secret", "Client secret", "The secret of that client"),
    INITIAL_ACCESS_TOKEN,
    SOFTWARE_STATEMENT,
];

static AUTH0: [ConnectorField; 5] = [
    user("client_id", "Client id", "The client as which the gateway calls the server"),
    password("client_secret", "Client secret", "The secret of that client"),
    other("audience", "Audience", "The audience of the management API", FieldForm::Text),
    INITIAL_ACCESS_TOKEN,
    SOFTWARE_STATEMENT,
];

static OKTA: [ConnectorField; 4] = [
    other("apiKey", "API key", "The API token of the Okta organization", FieldForm::Secret),
    user("client_id", "Client id", "The client as which the gateway asks about tokens"),
    password("client_secret", "Client secret", "The secret of that client"),
    SOFTWARE_STATEMENT,
];

static PING_FEDERATE: [ConnectorField; 6] = [
    other("username", "Administrator", "The user of the administration API", FieldForm::Text),
    other("password", "Administrator's password", "The password of that user", FieldForm::Secret),
    user("client_id", "Client id", "The client as which the gateway asks about tokens"),
    password("client_secret", "Client secret", "The secret of that client"),
    INITIAL_ACCESS_TOKEN,
    SOFTWARE_STATEMENT,
];

static AZURE: [ConnectorField; 4] = [
    other(
        "microsoft_graph_api_endpoint",
        "Microsoft Graph endpoint",
        "The address of Microsoft Graph",
        FieldForm::Text,
    ),
    other(
        "microsoft_graph_api_endpoint_version",
        "Microsoft Graph version",
        "The version of Microsoft Graph",
        FieldForm::Choice(&["v1.0"]),
    ),
    user("azure_ad_client_id", "Client id", "The client as which the gateway calls the server"),
    password("azure_ad_client_secret", "Client secret", "The secret of that client"),
];

static ASGARDEO: [ConnectorField; 4] = [
    other("org_name", "Organization", "The name of the organization", FieldForm::Text),
    user("mgmt_client_id", "Client id", "The client as which the gateway calls the server"),
    password("mgmt_client_secret", "Client secret", "The secret of that client"),
    other(
        "access_token_type",
        "Access tokens",
        "The form of access tokens of new clients",
        FieldForm::Choice(&["JWT", "Default"]),
    ),
];

const fn connector(
    kind: KeyManagerType,
    display_name: &'static str,
    fields: &'static [ConnectorField],
) -> Connector {
    Connector { kind, display_name, fields }
}

/// All types, in the order of a form.
pub(super) static CONNECTORS: [Connector; 12] = [
    connector(KeyManagerType::Wso2Is, "WSO2 Identity Server", &NAME_AND_PASSWORD),
    connector(KeyManagerType::Wso2Is7, "WSO2 Identity Server 7", &IDENTITY_SERVER),
    connector(KeyManagerType::FsKeyManager, "fsKeyManager", &IDENTITY_SERVER),
    connector(KeyManagerType::CustomKeyManager, "Custom (out-of-band provisioning)", &REGISTRATION),
    connector(KeyManagerType::Auth0, "Auth0", &AUTH0),
    connector(KeyManagerType::Okta, "Okta", &OKTA),
    connector(KeyManagerType::KeyCloak, "Keycloak", &CLIENT),
    connector(KeyManagerType::PingFederate, "PingFederate", &PING_FEDERATE),
    connector(KeyManagerType::Forgerock, "ForgeRock", &CLIENT),
    connector(KeyManagerType::AzureAD, "Azure AD", &AZURE),
    connector(KeyManagerType::Asgardeo, "Asgardeo", &ASGARDEO),
    connector(KeyManagerType::Cognito, "Amazon Cognito", &[]),
];

/// Tells whether a setting of no known name is a secret by its name.
pub(super) fn sounds_secret(name: &str) -> bool {
    const SECRET_WORDS: [&str; 7] =
        ["secret", "password", "passwd", "token", "apikey", "api_key", "private"];
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) && name != "access_token_type"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_type_has_one_connector_with_one_user_and_password() {
        let names: BTreeSet<_> = CONNECTORS.iter().map(|own| own.kind.name()).collect();
        assert_eq!(names.len(), CONNECTORS.len());
        for own in &CONNECTORS {
            assert_eq!(Connector::named(own.kind.name()).unwrap().kind, own.kind);
            let count = |role| own.fields.iter().filter(|field| field.role == role).count();
            let (users, passwords) = (count(FieldRole::User), count(FieldRole::Password));
            assert!(users == passwords && users <= 1, "{}", own.display_name);
            for field in own.fields {
                let secret = field.form == FieldForm::Secret;
                assert_eq!(sounds_secret(field.name), secret, "{}", field.name);
            }
        }
    }
}
