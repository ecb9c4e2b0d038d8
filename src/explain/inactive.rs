//! Hints on a JWT with a good signature that its server calls inactive.

use crate::jwt::Unverified;
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::UnixSeconds;
use crate::snapshot::Snapshot;

/// Returns the result of the signature check, and reasons why a server may call the token inactive.
pub(super) fn hints(snapshot: &Snapshot, token: &str, at: UnixSeconds) -> Vec<String> {
    let parse =
        || Unverified::parse(token.as_bytes(), snapshot.settings.limits.max_token_bytes).ok();
    let Some(read) = parse() else { return Vec::new() };
    let issuer = read.issuer().unwrap_or_default();
    let mut key_managers: Vec<_> = snapshot.key_managers_sharing(issuer).collect();
    key_managers.extend(snapshot.key_manager_of(issuer).filter(|_| key_managers.is_empty()));
    let mut hints = Vec::new();
    for key_manager in key_managers {
        let definition = &key_manager.definition;
        let state = key_manager.keys.current();
        let verdict =
            state.keys.as_ref().and_then(|keys| Some(parse()?.verify(keys, &definition.rules, at)));
        match &verdict {
            Some(Ok(_)) => hints.push(format!(
                "the token's signature and times are good for key manager \"{}\", but the server \
                 says that it is not active: it was revoked, its session has ended, or the server \
                 does not answer about other clients' tokens",
                definition.name
            )),
            Some(Err(rejection)) => hints.push(format!(
                "the token is also invalid by itself for key manager \"{}\": {rejection}",
                definition.name
            )),
            None => {}
        }
        if !matches!(verdict, Some(Err(_))) {
            hints.extend(audience(key_manager, &read));
        }
    }
    hints
}

/// Returns a hint for servers that answer only about tokens whose audience is the asking client.
fn audience(key_manager: &CompiledKeyManager, token: &Unverified<'_>) -> Option<String> {
    let credentials = key_manager.definition.introspection.as_ref()?.credentials.as_ref()?;
    let own = credentials.username.as_str();
    let named = token.claim("aud");
    let is_for_us = named.is_some_and(|aud| {
        aud.as_str() == Some(own)
            || aud.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(own)))
    });
    (!own.is_empty() && !is_for_us).then(|| {
        format!(
            "the token's aud is {}, without the gateway's own client {own:?}; Keycloak 26.7 and \
             later calls such tokens inactive: add that client with an audience mapper",
            crate::explain::identity::shown(named)
        )
    })
}
