//! Words that several tables use, or that the reader knows too.

pub(in crate::config) const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
];

pub(in crate::config) const KEY_MANAGER_TYPES: &[&str] = &[
    "WSO2-IS",
    "WSO2-IS-7",
    "fsKeyManager",
    "CustomKeyManager",
    "Auth0",
    "Okta",
    "KeyCloak",
    "PingFederate",
    "Forgerock",
    "AzureAD",
    "Asgardeo",
    "Cognito",
];

pub(in crate::config) const CREDENTIAL_METHODS: &[&str] =
    &["basic", "basic_raw", "post", "none", "private_key_jwt"];

pub(in crate::config) const PERMISSION_TYPES: &[&str] = &["public", "allow", "deny"];

pub(in crate::config) const RETRY_CAUSES: &[&str] = &["connect", "reset", "502", "503"];

pub(in crate::config) const CERTIFICATE_FORMATS: &[&str] =
    &["rfc9440", "xfcc", "pem_urlencoded", "base64_der"];

pub(super) const FORWARDED_HEADERS: &[&str] = &[
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "Forwarded",
];

pub(super) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

pub(super) const FORMATS: &[&str] = &["json", "text"];
