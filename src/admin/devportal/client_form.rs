//! The settings of a new client that a portal's form asks for, by the type of the key manager.

use serde::Serialize;

/// WSO2's `KeyManagerApplicationConfiguration`.
#[derive(Debug, Serialize)]
pub(super) struct ClientField {
    name: &'static str,
    label: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    mask: bool,
    multiple: bool,
    tooltip: &'static str,
    values: &'static [&'static str],
}

const fn field(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    tooltip: &'static str,
) -> ClientField {
    ClientField {
        name,
        label,
        kind,
        required: false,
        mask: false,
        multiple: false,
        tooltip,
        values: &[],
    }
}

const fn lifetime(name: &'static str, label: &'static str) -> ClientField {
    field(name, label, "input", "Seconds, or nothing for the server's choice")
}

const fn flag(name: &'static str, label: &'static str, tooltip: &'static str) -> ClientField {
    field(name, label, "checkbox", tooltip)
}

/// The settings that servers of WSO2 take.
static OF_IDENTITY_SERVER: [ClientField; 7] = [
    lifetime("application_access_token_expiry_time", "Lifetime of the application's tokens"),
    lifetime("user_access_token_expiry_time", "Lifetime of users' tokens"),
    lifetime("refresh_token_expiry_time", "Lifetime of refresh tokens"),
    lifetime("id_token_expiry_time", "Lifetime of ID tokens"),
    flag("pkceMandatory", "PKCE", "The server wants PKCE of the client"),
    flag("pkceSupportPlain", "Plain PKCE", "The server takes the method `plain` too"),
    flag("bypassClientCredentials", "Public client", "The client has no secret"),
];

/// The settings that the financial services key manager asks for besides.
static OF_FINANCIAL_SERVICES: [ClientField; 2] = [
    ClientField {
        required: true,
        values: &["true", "false"],
        ..field("regulatory", "Regulatory application", "select", "A regulator registered it")
    },
    field("sp_certificate", "Application certificate", "input", "A certificate in PEM"),
];

/// Returns the settings of clients at a server of this type.
pub(super) fn client_form(kind: &str) -> Vec<&'static ClientField> {
    let (server, services): (&[ClientField], &[ClientField]) = match kind {
        "WSO2-IS" | "WSO2-IS-7" => (&OF_IDENTITY_SERVER, &[]),
        "fsKeyManager" => (&OF_IDENTITY_SERVER, &OF_FINANCIAL_SERVICES),
        _ => (&[], &[]),
    };
    services.iter().chain(server).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::registration::{ClientProperties, ServerKind};

    #[test]
    fn generate_keys_takes_each_setting() {
        let value = |field: &ClientField| if field.kind == "checkbox" { "true" } else { "60" };
        let of_server: Map<_, _> = client_form("WSO2-IS-7")
            .iter()
            .map(|field| (field.name.to_owned(), json!(value(field))))
            .collect();
        assert_eq!(of_server.len(), 7);
        let read = ClientProperties::read(ServerKind::IdentityServer7, &of_server).unwrap();
        assert_eq!(read.kept.len(), 7);
        let names: Vec<_> = client_form("fsKeyManager").iter().map(|field| field.name).collect();
        assert_eq!(names.get(..2), Some(["regulatory", "sp_certificate"].as_slice()));
        assert!(client_form("KeyCloak").is_empty());
    }
}
