//! Reads the type of a key manager and the rules for its tokens.

use crate::config::contract::{ALGORITHMS, KEY_MANAGER_TYPES};
use crate::config::reader::{Placed, Table};
use crate::config::resolve::key_manager::settings::Settings;
use crate::config::resolve::references;
use crate::model::key_manager::{
    ClaimNames, IdTokens, KeyManagerType, SignatureAlgorithm, TokenRules,
};

pub(super) fn rules(
    table: &Table<'_>,
    settings: &Settings,
    of: Option<KeyManagerType>,
) -> TokenRules {
    let mut algorithms = SignatureAlgorithm::ALL.to_vec();
    if let Some(written) = table.texts("algorithms") {
        algorithms = written.iter().filter_map(|name| algorithm(table, name)).collect();
        if written.is_empty() {
            table.error(
                "algorithms",
                "without an algorithm every token is refused".to_owned(),
                Some("remove `algorithms` to accept all of them".to_owned()),
            );
        }
    }
    let texts =
        |key| table.texts(key).unwrap_or_default().into_iter().map(|text| text.value.to_owned());
    let kind = |text: String| {
        let lower = text.to_ascii_lowercase();
        lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
    };
    // an empty list accepts the usual types, whatever the key manager's type
    let token_types = if table.has("token_types") {
        texts("token_types").map(kind).collect()
    } else {
        let usual = of.map_or(&[][..], KeyManagerType::default_token_types);
        usual.iter().map(|&name| name.to_owned()).collect()
    };
    TokenRules {
        algorithms,
        token_types,
        id_tokens: match table.choice("id_tokens", &["refuse", "allow"]) {
            Some("allow") => IdTokens::Allow,
            _ => IdTokens::Refuse,
        },
        audiences: texts("audiences").collect(),
        observe: references::observing(table),
        leeway: settings.leeway,
        max_lifetime: settings.max_lifetime,
    }
}

fn algorithm(table: &Table<'_>, name: &Placed<&str>) -> Option<SignatureAlgorithm> {
    let found = SignatureAlgorithm::from_name(name.value);
    if found.is_none() {
        if name.value.eq_ignore_ascii_case("none")
            || name.value.to_ascii_uppercase().starts_with("HS")
        {
            let hint = Some(
                "everybody who can read the public keys could sign with it; only \
                             public-key signatures are accepted"
                    .to_owned(),
            );
            table.problems().error(
                name.at.clone(),
                format!("{:?} is never accepted", name.value),
                hint,
            );
        } else {
            table.not_a_choice("algorithms", name, ALGORITHMS);
        }
    }
    found
}

pub(super) fn kind(table: &Table<'_>) -> Option<KeyManagerType> {
    if !table.has("type") {
        return Some(KeyManagerType::CustomKeyManager);
    }
    Some(match table.choice("type", KEY_MANAGER_TYPES)? {
        "WSO2-IS" => KeyManagerType::Wso2Is,
        "WSO2-IS-7" => KeyManagerType::Wso2Is7,
        "fsKeyManager" => KeyManagerType::FsKeyManager,
        "Auth0" => KeyManagerType::Auth0,
        "Okta" => KeyManagerType::Okta,
        "KeyCloak" => KeyManagerType::KeyCloak,
        "PingFederate" => KeyManagerType::PingFederate,
        "Forgerock" => KeyManagerType::Forgerock,
        "AzureAD" => KeyManagerType::AzureAD,
        "Asgardeo" => KeyManagerType::Asgardeo,
        "Cognito" => KeyManagerType::Cognito,
        _ => KeyManagerType::CustomKeyManager,
    })
}

pub(super) fn override_claims(table: &Table<'_>, claims: &mut ClaimNames) {
    if let Some(claim) = table.wanted("consumer_key_claim") {
        claims.consumer_key = Some(claim.value.to_owned());
    }
    if let Some(claim) = table.wanted("scopes_claim") {
        claims.scopes = Some(claim.value.to_owned());
    }
}
