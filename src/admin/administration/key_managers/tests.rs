//! From WSO2's form to the form of `gateway.toml` and back.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::administration::key_managers::body::KeyManagerBody;
use crate::admin::administration::key_managers::merge;
use crate::admin::administration::key_managers::properties::{
    ConnectorSecret, ConnectorSecretValue,
};
use crate::admin::administration::key_managers::read::draft;
use crate::admin::administration::key_managers::shown;
use crate::admin::object::Object;
use crate::store::{Kind, Record};

fn whole() -> Value {
    json!({
        "name": "is7",
        "displayName": "Identity Server",
        "type": "WSO2-IS-7",
        "description": "ours",
        "wellKnownEndpoint": "https://is.example/.well-known/openid-configuration",
        "issuer": "https://is.example/oauth2/token",
        "endpoints": [
            { "name": "token_endpoint", "value": "https://is.example/oauth2/token" },
            { "name": "scope_endpoint", "value": "https://is.example/scopes" },
        ],
        "introspectionEndpoint": " https://is.example/oauth2/introspect ",
        "displayTokenEndpoint": "https://public.example/token",
        "certificates": { "type": "JWKS", "value": "https://is.example/oauth2/jwks" },
        "alias": "https://localhost:9443/oauth2/token",
        "availableGrantTypes": ["client_credentials"],
        "enableTokenGeneration": true,
        "enableSelfValidationJWT": true,
        "claimMapping": [{ "remoteClaim": "sub", "localClaim": "http://wso2.org/claims/enduser" }],
        "consumerKeyClaim": "azp",
        "scopesClaim": "scope",
        "tokenValidation": [
            { "id": 1, "type": "REFERENCE", "value": "[0-9a-f-]{36}" },
            { "id": 2, "enable": true, "type": "JWT", "value": { "body": { "org_id": "^one$" } } },
            { "id": 3, "enable": false, "type": "CUSTOM" },
        ],
        "enabled": true,
        "additionalProperties": {
            "Username": "admin",
            "Password": "swordfish",
            "api_resource_management_endpoint": "https://is.example/api/resources",
            "enable_roles_creation": true,
            "own_token": "t0k3n",
            "note": "x",
        },
        "permissions": { "permissionType": "ALLOW", "roles": ["developer"] },
        "tokenType": "DIRECT",
        "allowedOrganizations": ["ALL"],
    })
}

fn body(value: Value) -> Result<KeyManagerBody, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// The whole form, with some members replaced; `null` removes one.
fn with(changes: &Value) -> Value {
    let mut whole = whole();
    for (name, value) in changes.as_object().unwrap() {
        whole[name] = value.clone();
    }
    whole
}

fn kept(value: Value) -> Record {
    let draft = draft(body(value).unwrap()).unwrap();
    let mut record = Record::new(Kind::KeyManager, Uuid::nil(), draft.name.clone());
    for (place, _) in merge::replace(&mut record, draft).unwrap() {
        merge::put(&mut record, &place, json!({ "sealed": "x" }));
    }
    record
}

#[test]
fn the_declared_form_is_that_of_the_file() {
    let record = kept(whole());
    assert_eq!(
        Value::Object(record.declared),
        json!({
            "name": "is7",
            "display_name": "Identity Server",
            "type": "WSO2-IS-7",
            "description": "ours",
            "well_known_url": "https://is.example/.well-known/openid-configuration",
            "issuer": "https://is.example/oauth2/token",
            "token_endpoint": "https://is.example/oauth2/token",
            "scope_management_endpoint": "https://is.example/scopes",
            "introspection_endpoint": "https://is.example/oauth2/introspect",
            "display_token_endpoint": "https://public.example/token",
            "certificates": { "jwks": "https://is.example/oauth2/jwks" },
            "grant_types": ["client_credentials"],
            "token_generation": true,
            "oauth_app_creation": false,
            "out_of_band_provisioning": true,
            "claim_mapping": { "sub": "http://wso2.org/claims/enduser" },
            "consumer_key_claim": "azp",
            "scopes_claim": "scope",
            "token_handling": [
                { "type": "reference", "pattern": "^(?:[0-9a-f-]{36})$" },
                { "type": "jwt", "claims": { "org_id": "^one$" } },
            ],
            "enabled": true,
            "credentials": { "username": "admin", "password": { "sealed": "x" } },
            "permissions": { "type": "allow", "roles": ["developer"] },
        })
    );
}

#[test]
fn what_is_shown_can_be_sent_back_and_changes_nothing() {
    let mut record = kept(whole());
    let shown = shown::key_manager(&Object::kept(record.clone())).shown();
    let properties = &shown["additionalProperties"];
    assert_eq!(properties["Username"], "admin");
    assert_eq!(
        (&properties["Password"], &properties["own_token"]),
        (&json!("*****"), &json!("*****"))
    );
    assert!(!shown.to_string().contains("sealed"), "{shown}");
    assert_eq!(shown["tokenEndpoint"], "https://is.example/oauth2/token");
    assert_eq!(shown["endpoints"].as_array().map(Vec::len), Some(4));
    assert_eq!(shown["tokenValidation"], whole()["tokenValidation"]);
    let before = record.clone();
    let again = draft(body(shown).unwrap()).unwrap();
    assert!(again.secrets.iter().all(|(_, value)| *value == ConnectorSecretValue::Kept));
    assert_eq!(merge::replace(&mut record, again).unwrap(), Vec::new());
    // the answer has these, which the first body left to their defaults
    record.extra.remove("enableTokenHashing");
    assert_eq!(record, before);
}

#[test]
fn a_change_keeps_what_the_form_cannot_say() {
    let mut record = kept(whole());
    record.declared.insert("audiences".to_owned(), json!(["gateway"]));
    record.declared.insert("token_validation".to_owned(), json!("both"));
    record.declared["credentials"]["method"] = json!("post");
    let changed = with(&json!({ "description": "new", "scopesClaim": null }));
    let secrets = merge::replace(&mut record, draft(body(changed).unwrap()).unwrap()).unwrap();
    assert_eq!(record.declared["audiences"], json!(["gateway"]));
    assert_eq!(record.declared["token_validation"], json!("both"));
    assert_eq!(record.declared["credentials"]["method"], json!("post"));
    assert_eq!(record.declared.get("scopes_claim"), None);
    let places: Vec<_> = secrets.iter().map(|(place, text)| (place, text.as_str())).collect();
    assert!(places.contains(&(&ConnectorSecret::Password, "swordfish")));
    assert!(places.contains(&(&ConnectorSecret::Property("own_token".to_owned()), "t0k3n")));
}

#[test]
fn the_smallest_body_has_the_defaults() {
    let smallest = json!({
        "name": "own",
        "type": "CustomKeyManager",
        "issuer": "https://own.example",
        "certificates": { "type": "PEM", "value": "-----BEGIN PUBLIC KEY-----\nMCow\n" },
    });
    let record = kept(smallest);
    let shown = shown::key_manager(&Object::kept(record)).shown();
    for (field, value) in [
        ("enabled", json!(true)),
        ("enableMapOAuthConsumerApps", json!(true)),
        ("enableTokenGeneration", json!(false)),
        ("enableOAuthAppCreation", json!(false)),
        ("enableSelfValidationJWT", json!(true)),
        ("displayName", json!("own")),
        ("tokenType", json!("DIRECT")),
        ("permissions", json!({ "permissionType": "PUBLIC", "roles": [] })),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert_eq!(shown["certificates"]["type"], "PEM");
}

#[test]
fn a_bad_field_is_named() {
    let long = "x".repeat(10_000);
    let cases = [
        (json!({ "name": null }), 901_404, "name"),
        (json!({ "name": "  " }), 901_404, "name"),
        (json!({ "name": "a\u{0}b" }), 400, "name"),
        (json!({ "name": "a\u{202e}b" }), 400, "name"),
        (json!({ "name": long }), 400, "name"),
        (json!({ "type": null }), 901_400, "type"),
        (json!({ "type": "default" }), 901_400, "default"),
        (json!({ "type": "keycloak" }), 901_400, "keycloak"),
        (json!({ "displayName": "x".repeat(101) }), 400, "displayName"),
        (json!({ "description": "x".repeat(257) }), 400, "description"),
        (json!({ "issuer": long }), 400, "issuer"),
        (json!({ "issuer": "https://is\r\nX: y" }), 400, "issuer"),
        (json!({ "endpoints": [{ "name": "jwks", "value": "x" }] }), 400, "endpoints"),
        (json!({ "tokenEndpoint": "https://other.example/t" }), 400, "tokenEndpoint"),
        (json!({ "certificates": { "type": "JKS", "value": "x" } }), 400, "certificates.type"),
        (json!({ "certificates": { "type": "PEM", "value": "x" } }), 400, "certificates.value"),
        (json!({ "tokenType": "EXCHANGED" }), 400, "tokenType"),
        (json!({ "tokenType": "BOTH" }), 400, "tokenType"),
        (json!({ "tokenType": "direct" }), 400, "tokenType"),
        (json!({ "enableTokenEncryption": true }), 400, "enableTokenEncryption"),
        (json!({ "allowedOrganizations": ["one"] }), 400, "allowedOrganizations"),
        (json!({ "availableGrantTypes": vec!["x"; 101] }), 400, "availableGrantTypes"),
        (json!({ "claimMapping": [{ "remoteClaim": "sub" }] }), 400, "claimMapping.localClaim"),
        (json!({ "tokenValidation": [{ "type": "CUSTOM" }] }), 400, "tokenValidation"),
        (json!({ "tokenValidation": [{ "type": "JWT", "value": "x" }] }), 400, "tokenValidation"),
        (json!({ "tokenValidation": [{ "type": "REFERENCE" }] }), 400, "tokenValidation"),
        // an expression must stay within the gateway's additions
        (
            json!({ "tokenValidation": [{ "type": "REFERENCE", "value": "a)|(?:b" }] }),
            400,
            "tokenValidation.value",
        ),
        (json!({ "issuer": null, "wellKnownEndpoint": null }), 901_401, "issuer"),
        (json!({ "certificates": null, "wellKnownEndpoint": null }), 901_401, "certificates"),
        (json!({ "permissions": { "permissionType": "ALLOW" } }), 400, "permissions.roles"),
        (json!({ "permissions": { "permissionType": "ANY" } }), 400, "permissions.permission"),
        (json!({ "additionalProperties": { "Username": "a" } }), 901_401, "Password"),
        (json!({ "additionalProperties": { "Password": "a" } }), 901_401, "Username"),
        (json!({ "additionalProperties": { "Password": 7 } }), 400, "Password"),
        (json!({ "additionalProperties": { "a": {} } }), 400, "additionalProperties.a"),
        (
            json!({ "enableOAuthAppCreation": true, "wellKnownEndpoint": null }),
            901_401,
            "client_registration_endpoint",
        ),
    ];
    for (change, code, named) in cases {
        let refused = draft(body(with(&change)).unwrap()).unwrap_err();
        assert_eq!((refused.code, refused.status.as_u16()), (code, 400), "{change}");
        assert!(refused.description.contains(named), "{change}: {}", refused.description);
        assert!(refused.description.len() < 300, "{change}");
        assert!(!refused.description.contains("swordfish"));
    }
}

#[test]
fn a_field_that_is_not_defined_is_named() {
    for (change, named) in [
        (json!({ "keysFile": "/etc/passwd" }), "keysFile"),
        (json!({ "enabled": "yes" }), "boolean"),
        (json!({ "name": 7 }), "string"),
        (json!({ "endpoints": { "token_endpoint": "x" } }), "sequence"),
        (json!({ "certificates": { "path": "x" } }), "path"),
        (json!({ "permissions": { "role": [] } }), "role"),
    ] {
        let fault = body(with(&change)).unwrap_err();
        assert!(fault.contains(named), "{change}: {fault}");
    }
}

#[test]
fn a_mask_without_a_secret_is_refused() {
    let own = with(&json!({ "additionalProperties": { "Username": "a", "Password": "*****" } }));
    let mut record = Record::new(Kind::KeyManager, Uuid::nil(), "is7");
    let refused = merge::replace(&mut record, draft(body(own).unwrap()).unwrap()).unwrap_err();
    assert_eq!(refused.code, 901_410);
}

#[test]
fn what_a_file_declares_is_shown_without_paths_and_secrets() {
    let mut record = Record::new(Kind::KeyManager, Uuid::nil(), "own");
    let declared = json!({
        "name": "own",
        "type": "KeyCloak",
        "certificates": { "pem": "/etc/portcullis/own.pem" },
        "credentials": { "username": "gateway" },
        "token_handling": [{ "type": "jwt", "claims": { "a": "b" } }, { "type": "reference" }],
    });
    let Value::Object(declared) = declared else { panic!() };
    record.declared = declared;
    let shown = shown::key_manager(&Object::declared(record, "gateway.toml:3".to_owned())).shown();
    assert_eq!(shown["certificates"], json!({ "type": "PEM" }));
    assert_eq!(
        shown["additionalProperties"],
        json!({ "client_id": "gateway", "client_secret": "*****" })
    );
    assert_eq!(shown["tokenValidation"][0]["value"], json!({ "body": { "a": "b" } }));
    assert_eq!(shown["tokenValidation"][1]["value"], ".*");
    assert!(!shown.to_string().contains("/etc"));
}
