//! An application in WSO2's form, and as it is kept.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::key::ShownKey;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::store::Record;

/// WSO2's limits.
const MOST_NAME: usize = 100;
const MOST_DESCRIPTION: usize = 512;

/// More groups than any user has, so that a document stays small.
const MOST_GROUPS: usize = 100;
const MOST_ATTRIBUTES: usize = 100;
const MOST_ATTRIBUTE_VALUE: usize = 1024;

/// An application as a caller writes it. WSO2's read-only members are ignored.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct ApplicationBody {
    pub(in crate::admin) name: String,
    pub(in crate::admin) throttling_policy: String,
    pub(in crate::admin) description: Option<String>,
    pub(in crate::admin) token_type: Option<TokenType>,
    pub(in crate::admin) groups: Option<Vec<String>>,
    pub(in crate::admin) attributes: Option<BTreeMap<String, String>>,
    pub(in crate::admin) visibility: Option<String>,
    #[serde(rename = "applicationId", default)]
    _application_id: IgnoredAny,
    #[serde(rename = "status", default)]
    _status: IgnoredAny,
    #[serde(rename = "subscriptionCount", default)]
    _subscription_count: IgnoredAny,
    #[serde(rename = "keys", default)]
    _keys: IgnoredAny,
    #[serde(rename = "subscriptionScopes", default)]
    _subscription_scopes: IgnoredAny,
    #[serde(rename = "owner", default)]
    _owner: IgnoredAny,
    #[serde(rename = "hashEnabled", default)]
    _hash_enabled: IgnoredAny,
    #[serde(rename = "createdTime", default)]
    _created_time: IgnoredAny,
    #[serde(rename = "updatedTime", default)]
    _updated_time: IgnoredAny,
}

/// WSO2's name of the form of access tokens, which the authorization server decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::admin) enum TokenType {
    #[serde(rename = "OAUTH")]
    Oauth,
    #[default]
    #[serde(rename = "JWT")]
    Jwt,
}

/// An application in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ApplicationInfo {
    application_id: Uuid,
    name: String,
    throttling_policy: String,
    description: String,
    status: &'static str,
    groups: Vec<String>,
    subscription_count: u64,
    attributes: Value,
    owner: String,
    token_type: Value,
    created_time: String,
    updated_time: String,
}

/// An application with its keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ShownApplication {
    #[serde(flatten)]
    info: ApplicationInfo,
    keys: Vec<ShownKey>,
    subscription_scopes: Vec<Value>,
    hash_enabled: bool,
    visibility: &'static str,
}

impl ApplicationBody {
    /// Refuses an invalid application, and groups that the caller does not belong to.
    pub(in crate::admin) fn check(
        &self,
        caller: &Caller,
        before: Option<&Record>,
    ) -> Result<(), Refused> {
        texts::name("name", &self.name, MOST_NAME)?;
        texts::prose("description", self.description.as_deref().unwrap_or(""), MOST_DESCRIPTION)?;
        if self.visibility.as_deref().is_some_and(|visibility| visibility != "PRIVATE") {
            let description = "`visibility` can be PRIVATE only; share an application by `groups`";
            return Err(Refused::bad_request(description));
        }
        let present = before.map(groups).unwrap_or_default();
        let own = self.groups.as_deref().unwrap_or_default();
        if own.len() > MOST_GROUPS {
            return Err(Refused::bad_request(format!("`groups` are {MOST_GROUPS} at most")));
        }
        for group in own {
            texts::name("groups", group, MOST_NAME)?;
            let may = caller.is_administrator()
                || caller.groups.contains(group)
                || present.contains(group);
            if !may {
                let description = format!("`groups` names \"{group}\", which is none of yours");
                return Err(Refused::bad_request(description));
            }
        }
        self.check_attributes()
    }

    fn check_attributes(&self) -> Result<(), Refused> {
        let Some(attributes) = &self.attributes else { return Ok(()) };
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(Refused::bad_request(format!(
                "`attributes` are {MOST_ATTRIBUTES} at most"
            )));
        }
        for (name, value) in attributes {
            texts::name("attributes", name, MOST_NAME)?;
            texts::prose(&format!("attributes.{name}"), value, MOST_ATTRIBUTE_VALUE)?;
        }
        Ok(())
    }

    /// Writes the fields into a record. Missing fields get their default, as in WSO2.
    pub(in crate::admin) fn put_into(&self, record: &mut Record) {
        record.name.clone_from(&self.name);
        record.declared.insert("name".to_owned(), json!(self.name));
        record.declared.insert("policy".to_owned(), json!(self.throttling_policy));
        let attributes = self.attributes.as_ref().filter(|attributes| !attributes.is_empty());
        put(&mut record.declared, "attributes", attributes.map(|attributes| json!(attributes)));
        let text = self.description.as_ref().filter(|text| !text.is_empty());
        put(&mut record.extra, "description", text.map(|text| json!(text)));
        let groups = self.groups.as_ref().filter(|groups| !groups.is_empty());
        put(&mut record.extra, "groups", groups.map(|groups| json!(groups)));
        put(&mut record.extra, "tokenType", self.token_type.map(|own| json!(own)));
    }
}

/// Makes a user the owner.
pub(in crate::admin) fn give_to(record: &mut Record, owner: &str) {
    record.owner = Some(owner.to_owned());
    record.declared.insert("owner".to_owned(), json!(owner));
}

/// The groups of users that an application belongs to.
pub(in crate::admin) fn groups(record: &Record) -> Vec<String> {
    let listed = record.extra.get("groups").and_then(Value::as_array);
    let texts = listed.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

impl ApplicationInfo {
    pub(in crate::admin) fn of(object: &Object, subscription_count: u64) -> Self {
        let record = &object.record;
        let policy = record.text("policy").unwrap_or(crate::model::policy::UNLIMITED);
        let description = record.extra.get("description").and_then(Value::as_str);
        Self {
            application_id: record.id,
            name: record.name.clone(),
            throttling_policy: policy.to_owned(),
            description: description.unwrap_or_default().to_owned(),
            status: "APPROVED",
            groups: groups(record),
            subscription_count,
            attributes: record.declared.get("attributes").cloned().unwrap_or_else(|| json!({})),
            owner: record.owner.clone().unwrap_or_default(),
            token_type: record
                .extra
                .get("tokenType")
                .cloned()
                .unwrap_or_else(|| json!(TokenType::default())),
            created_time: record.created_at.to_string(),
            updated_time: record.updated_at.to_string(),
        }
    }
}

impl ShownApplication {
    pub(in crate::admin) fn of(object: &Object, keys: &[Object], subscriptions: u64) -> Self {
        Self {
            info: ApplicationInfo::of(object, subscriptions),
            keys: keys.iter().map(ShownKey::of).collect(),
            subscription_scopes: Vec::new(),
            hash_enabled: false,
            visibility: "PRIVATE",
        }
    }
}

fn put(document: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(document.insert(key.to_owned(), value)),
        None => drop(document.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::caller::CallerScopes;
    use crate::store::Kind;

    fn caller(groups: &[&str]) -> Caller {
        Caller {
            name: "ann".to_owned(),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            roles: Vec::new(),
            scopes: CallerScopes::default(),
        }
    }

    fn body(fields: &Value) -> ApplicationBody {
        let mut whole = json!({ "name": "one", "throttlingPolicy": "Unlimited" });
        let fields = fields.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn every_field_has_its_limit() {
        let good = [
            json!({}),
            json!({ "name": "x".repeat(100), "description": "y".repeat(512) }),
            json!({ "groups": ["team"], "visibility": "PRIVATE", "tokenType": "OAUTH" }),
            json!({ "description": null, "groups": null, "attributes": null, "tokenType": null }),
            json!({ "keys": [], "owner": "eve", "applicationId": "x", "status": "APPROVED" }),
        ];
        for fields in good {
            body(&fields).check(&caller(&["team"]), None).unwrap();
        }
        let bad = [
            ("name", json!({ "name": "x".repeat(101) })),
            ("name", json!({ "name": "a\u{0}b" })),
            ("description", json!({ "description": "y".repeat(513) })),
            ("visibility", json!({ "visibility": "SHARED_WITH_ORG" })),
            ("groups", json!({ "groups": ["others"] })),
            ("groups", json!({ "groups": vec!["team"; 101] })),
            ("attributes", json!({ "attributes": { "": "x" } })),
            ("attributes.a", json!({ "attributes": { "a": "x".repeat(1025) } })),
        ];
        for (field, fields) in bad {
            let refused = body(&fields).check(&caller(&["team"]), None).unwrap_err();
            assert!(refused.description.starts_with(&format!("`{field}`")), "{refused:?}");
        }
    }

    #[test]
    fn what_is_written_is_given_back() {
        let mut record = Record::new(Kind::Application, Uuid::nil(), "");
        give_to(&mut record, "ann");
        body(&json!({ "description": "d", "groups": ["g"], "attributes": { "a": "b" } }))
            .put_into(&mut record);
        assert_eq!(
            Value::Object(record.declared.clone()),
            json!({ "name": "one", "owner": "ann", "policy": "Unlimited",
                    "attributes": { "a": "b" } })
        );
        let shown = ShownApplication::of(&Object::kept(record.clone()), &[], 3);
        let shown = serde_json::to_value(shown).unwrap();
        assert_eq!(shown["description"], "d");
        assert_eq!(shown["groups"], json!(["g"]));
        assert_eq!(shown["tokenType"], "JWT");
        assert_eq!(shown["subscriptionCount"], 3);
        // fields that a later write leaves out get their default again
        body(&json!({})).put_into(&mut record);
        assert_eq!(record.extra, Map::new());
        assert!(!record.declared.contains_key("attributes"));
    }
}
