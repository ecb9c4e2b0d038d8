//! A developer's request for a client, checked before a server gets it.

use serde_json::{Map, Value, json};

use crate::admin::devportal::callbacks::callbacks;
use crate::admin::devportal::key::ShownKeyType;
use crate::admin::devportal::key_managers::grant_types;
use crate::admin::devportal::property_faults::{invalid_property, missing};
use crate::admin::devportal::regulatory::answers;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::model::clock::UnixSeconds;
use crate::registration::{ClientProperties, ClientWish, ServerKind};

/// More grant types than any server has.
const MOST_GRANT_TYPES: usize = 50;

/// More scopes than any application has.
const MOST_SCOPES: usize = 100;

/// Scopes that WSO2's portal always sends, and that mean something at its own server alone.
const OF_THE_PORTAL: [&str; 2] = ["am_application_scope", "default"];

/// The lifetime of tokens that WSO2's portal always sends.
pub(super) const USUAL_LIFETIME: &str = "3600";

/// The property of WSO2's forms for the lifetime of a client's own tokens.
const LIFETIME: &str = "application_access_token_expiry_time";

/// A client as a caller requested it.
pub(super) struct WishedClient<'w> {
    pub(super) application: &'w Object,
    pub(super) key_manager: &'w Object,
    pub(super) key_type: ShownKeyType,
    pub(super) grant_types: Vec<String>,
    pub(super) callback_url: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) validity_time: Option<String>,
    pub(super) properties: Map<String, Value>,
}

/// Checks a wish, and writes it for a server of this kind.
pub(super) fn wish(
    wished: WishedClient<'_>,
    kind: ServerKind,
    now: UnixSeconds,
) -> Result<ClientWish, Refused> {
    if wished.grant_types.is_empty() {
        return Err(missing("grantTypesToBeSupported"));
    }
    check_grants("grantTypesToBeSupported", &wished.grant_types, Some(wished.key_manager))?;
    let callbacks = callbacks(wished.callback_url.as_deref().unwrap_or_default())?;
    let mut properties = wished.properties;
    lifetime(wished.validity_time.as_deref(), kind, &mut properties)?;
    let answers = answers(&wished.key_manager.record, &mut properties, &wished.grant_types, now)?;
    let mut properties =
        ClientProperties::read(kind, &properties).map_err(|fault| invalid_property(&fault))?;
    properties.kept.extend(answers.kept);
    let wish = ClientWish {
        name: client_name(wished.application, wished.key_type),
        display_name: wished.application.record.name.clone(),
        owner: wished.application.record.owner.clone().unwrap_or_default(),
        grant_types: wished.grant_types,
        callbacks,
        scopes: scopes(wished.scopes)?,
        properties,
        regulatory: answers.regulatory,
        certificate: answers.certificate,
    };
    if wish.needs_callback() && wish.callbacks.is_empty() {
        return Err(missing("callbackUrl"));
    }
    Ok(wish)
}

/// Returns WSO2's name of a client. An owner can have any name, and a server may refuse it.
fn client_name(application: &Object, key_type: ShownKeyType) -> String {
    let plain = |own: char| own.is_ascii_alphanumeric() || matches!(own, '.' | '-' | '@');
    let owner = application.record.owner.as_deref().unwrap_or_default();
    let owner: String =
        owner.chars().take(100).map(|own| if plain(own) { own } else { '_' }).collect();
    format!("{owner}_{}_{}", application.record.id, key_type.as_str())
}

/// Refuses grants that the key manager does not list, if it lists any.
pub(super) fn check_grants(
    field: &str,
    wanted: &[String],
    key_manager: Option<&Object>,
) -> Result<(), Refused> {
    if wanted.len() > MOST_GRANT_TYPES {
        return Err(Refused::bad_request(format!("`{field}` are {MOST_GRANT_TYPES} at most")));
    }
    let served = key_manager.map(grant_types).unwrap_or_default();
    for grant in wanted {
        texts::name(field, grant, 100)?;
        if !served.is_empty() && !served.contains(grant) {
            let names = served.join(", ");
            return Err(Refused::bad_request(format!("`{field}` are out of these: {names}")));
        }
    }
    Ok(())
}

/// Reads scopes, without those of WSO2's portal.
pub(super) fn scopes(wanted: Vec<String>) -> Result<Vec<String>, Refused> {
    if wanted.len() > MOST_SCOPES {
        return Err(Refused::bad_request(format!("`scopes` are {MOST_SCOPES} at most")));
    }
    let mut scopes = Vec::new();
    for scope in wanted {
        if scope.is_empty() || OF_THE_PORTAL.contains(&scope.as_str()) {
            continue;
        }
        texts::name("scopes", &scope, 200)?;
        if scope.contains(char::is_whitespace) {
            return Err(Refused::bad_request("`scopes` has one with a space"));
        }
        scopes.push(scope);
    }
    Ok(scopes)
}

/// Reads `validityTime`. Servers of WSO2 take a lifetime with the client; others decide by
/// themselves.
fn lifetime(
    wanted: Option<&str>,
    kind: ServerKind,
    properties: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let wanted = wanted.map(str::trim).unwrap_or_default();
    if matches!(wanted, "" | "-1" | USUAL_LIFETIME) {
        return Ok(());
    }
    if !wanted.parse::<u32>().is_ok_and(|seconds| seconds > 0) {
        return Err(Refused::bad_request("`validityTime` is a number of seconds"));
    }
    if kind == ServerKind::Standard {
        let description = "`validityTime`: servers of this type decide themselves how long tokens \
                           live";
        return Err(Refused::bad_request(description));
    }
    properties.entry(LIFETIME).or_insert_with(|| json!(wanted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::{Kind, Record};

    fn wished(change: impl FnOnce(&mut WishedClient<'_>)) -> Result<ClientWish, Refused> {
        wished_at(ServerKind::Standard, change)
    }

    fn wished_at(
        kind: ServerKind,
        change: impl FnOnce(&mut WishedClient<'_>),
    ) -> Result<ClientWish, Refused> {
        let mut application = Record::new(Kind::Application, Uuid::nil(), "app");
        application.owner = Some("ann\n; drop".to_owned());
        let application = Object::kept(application);
        let mut key_manager = Record::new(Kind::KeyManager, Uuid::nil(), "is");
        key_manager
            .declared
            .insert("grant_types".to_owned(), json!(["client_credentials", "authorization_code"]));
        let key_manager = Object::kept(key_manager);
        let mut own = WishedClient {
            application: &application,
            key_manager: &key_manager,
            key_type: ShownKeyType::Production,
            grant_types: vec!["client_credentials".to_owned()],
            callback_url: None,
            scopes: Vec::new(),
            validity_time: None,
            properties: Map::new(),
        };
        change(&mut own);
        wish(own, kind, UnixSeconds(1_700_000_000))
    }

    #[test]
    fn a_wish_has_wso2s_name_and_no_scope_of_its_portal() {
        let own = wished(|own| {
            own.scopes = ["default", "read", "am_application_scope"].map(str::to_owned).to_vec();
            own.callback_url = Some("https://a.example/, https://b.example/".to_owned());
            own.validity_time = Some("3600".to_owned());
        });
        let own = own.unwrap();
        assert_eq!(own.name, "ann___drop_00000000-0000-0000-0000-000000000000_PRODUCTION");
        assert_eq!((own.scopes.as_slice(), own.callbacks.len()), (&["read".to_owned()][..], 2));
    }

    #[test]
    fn a_fault_is_told_before_a_server_hears_of_it() {
        type Change = fn(&mut WishedClient<'_>);
        let faults: [(u32, &str, Change); 8] = [
            (901_407, "grantTypesToBeSupported", |own| own.grant_types.clear()),
            (400, "grantTypesToBeSupported", |own| own.grant_types.push("password".to_owned())),
            (901_407, "callbackUrl", |own| own.grant_types.push("authorization_code".to_owned())),
            (400, "callbackUrl", |own| own.callback_url = Some("https://a\n.example".to_owned())),
            (400, "scopes", |own| own.scopes.push("a b".to_owned())),
            (400, "validityTime", |own| own.validity_time = Some("soon".to_owned())),
            (400, "validityTime", |own| own.validity_time = Some("60".to_owned())),
            (901_410, "additionalProperties", |own| {
                own.properties.insert("client_id".to_owned(), json!("mine"));
            }),
        ];
        for (code, field, change) in faults {
            let refused = wished(change).unwrap_err();
            assert_eq!((refused.status.as_u16(), refused.code), (400, code), "{field}");
            assert!(refused.description.contains(field), "{}", refused.description);
        }
    }

    #[test]
    fn a_lifetime_is_for_servers_that_take_one() {
        let own = wished_at(ServerKind::IdentityServer7, |own| {
            own.validity_time = Some("60".to_owned());
        });
        assert_eq!(own.unwrap().properties.kept[LIFETIME], 60);
    }
}
