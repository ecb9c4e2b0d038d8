//! Reads WSO2's form of an API into the form of `gateway.toml`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::publisher::body::{ApiBody, CorsBody};
use crate::admin::publisher::endpoints::{self, BackendsDraft};
use crate::admin::publisher::fields::{bounded, kept};
use crate::admin::publisher::operations;
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::store::{Kind, Record};

/// The longest name, version and context; the last two are WSO2's.
const MOST_NAME: usize = 200;
const MOST_VERSION: usize = 30;
const MOST_CONTEXT: usize = 232;

/// The longest of other texts: names of policies and key managers, origins, headers.
const MOST_TEXT: usize = 256;

/// WSO2's mark of an API that requires no subscription.
const SUBSCRIPTIONLESS: &str = "DefaultSubscriptionless";

/// Characters that WSO2's definition refuses in names and versions. A version has no space either.
const REFUSED: &str = "~!@#;:%^*()+={}|\\<>\"',&$[]/";

/// The keys of the declared form that WSO2's form has, except the backends. All others came with an
/// import, and stay.
const SAID: [&str; 15] = [
    "name",
    "version",
    "context",
    "default_version",
    "audiences",
    "policies",
    "subscription_required",
    "policy",
    "authorization_header",
    "cors",
    "key_managers",
    "operations",
    "production",
    "sandbox",
    "lifecycle",
];

/// An API in its stored form, without its state.
#[derive(Debug)]
pub(super) struct PublishedApiDraft {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) context: String,
    declared: Map<String, Value>,
    extra: Map<String, Value>,
    /// Addresses of backends, with the fields that hold them.
    pub(super) addresses: Vec<(String, String)>,
}

/// Reads a body. `defined` are the operations of a definition, for a body without any.
pub(super) fn draft(body: ApiBody, defined: Option<Value>) -> Result<PublishedApiDraft, Refused> {
    let name = identifier("name", body.name.as_deref(), MOST_NAME)?;
    let version = identifier("version", body.version.as_deref(), MOST_VERSION)?;
    if version.contains(char::is_whitespace) {
        return Err(Refused::bad_request("`version` has a space"));
    }
    let context = context(body.context.as_deref())?;
    let mut extra = kept(&body)?;
    let mut declared = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("version".to_owned(), json!(version)),
        ("context".to_owned(), json!(context)),
    ]);
    if body.is_default_version == Some(true) {
        declared.insert("default_version".to_owned(), json!(true));
    }
    names(&body, &mut declared)?;
    if let Some(cors) = &body.cors_configuration {
        read_cors(cors, &mut declared, &mut extra)?;
    }
    let operations = match body.operations.as_deref() {
        None | Some([]) => defined.unwrap_or_else(operations::default_operations),
        Some(bodies) => operations::declared(bodies)?,
    };
    declared.insert("operations".to_owned(), operations);
    if let Some(scopes) = body.scopes.as_deref().filter(|scopes| !scopes.is_empty()) {
        extra.insert("scopes".to_owned(), operations::scopes(scopes)?);
    }
    let Some(config) = body.endpoint_config else {
        return Err(Refused::bad_request("`endpointConfig` is missing"));
    };
    let mut backends = endpoints::draft(config)?;
    if let Some(limits) = &body.max_tps {
        endpoints::limit(&mut backends, limits)?;
    }
    backends.keep_plain(&mut extra);
    let BackendsDraft { declared: own, addresses, .. } = backends;
    declared.extend(own);
    Ok(PublishedApiDraft { name, version, context, declared, extra, addresses })
}

fn identifier(field: &str, text: Option<&str>, most: usize) -> Result<String, Refused> {
    let Some(text) = text else {
        return Err(Refused::bad_request(format!("`{field}` is missing")));
    };
    texts::name(field, text, most)?;
    if text.contains(|character| REFUSED.contains(character)) {
        return Err(Refused::bad_request(format!("`{field}` has one of {REFUSED}")));
    }
    Ok(text.to_owned())
}

/// Reads a context. WSO2 adds the slash at the beginning.
fn context(text: Option<&str>) -> Result<String, Refused> {
    let Some(text) = text else { return Err(Refused::bad_request("`context` is missing")) };
    texts::name("context", text, MOST_CONTEXT)?;
    Ok(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}

fn names(body: &ApiBody, declared: &mut Map<String, Value>) -> Result<(), Refused> {
    let lists = [("audiences", "audiences", &body.audiences)];
    let key_managers = body.key_managers.clone().filter(|all| !all.iter().any(|own| own == "all"));
    let lists = lists.into_iter().chain([("keyManagers", "key_managers", &key_managers)]);
    for (field, key, list) in lists {
        let Some(list) = list.as_ref().filter(|list| !list.is_empty()) else { continue };
        all_names(field, list)?;
        declared.insert(key.to_owned(), json!(list));
    }
    let policies = body.policies.as_deref().unwrap_or_default();
    all_names("policies", policies)?;
    if policies.iter().any(|own| own == SUBSCRIPTIONLESS) {
        if policies.len() > 1 {
            let description = format!("`policies` has {SUBSCRIPTIONLESS} alone, or not at all");
            return Err(Refused::bad_request(description));
        }
        declared.insert("subscription_required".to_owned(), json!(false));
    } else if !policies.is_empty() {
        declared.insert("policies".to_owned(), json!(policies));
    }
    let texts = [
        ("apiThrottlingPolicy", "policy", &body.api_throttling_policy),
        ("authorizationHeader", "authorization_header", &body.authorization_header),
    ];
    for (field, key, text) in texts {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            texts::name(field, text, MOST_TEXT)?;
            declared.insert(key.to_owned(), json!(text));
        }
    }
    Ok(())
}

fn all_names(field: &str, list: &[String]) -> Result<(), Refused> {
    bounded(field, list.len())?;
    list.iter().try_for_each(|name| texts::name(field, name, MOST_TEXT))
}

/// Lists of a configuration that is switched off are kept only.
fn read_cors(
    cors: &CorsBody,
    declared: &mut Map<String, Value>,
    extra: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let lists = [
        ("accessControlAllowOrigins", "allow_origins", &cors.access_control_allow_origins),
        ("accessControlAllowHeaders", "allow_headers", &cors.access_control_allow_headers),
        ("accessControlAllowMethods", "allow_methods", &cors.access_control_allow_methods),
    ];
    let mut table = Map::new();
    for (field, key, list) in lists {
        let Some(list) = list else { continue };
        all_names(&format!("corsConfiguration.{field}"), list)?;
        table.insert(key.to_owned(), json!(list));
    }
    if cors.cors_configuration_enabled != Some(true) {
        extra.insert("corsConfiguration".to_owned(), json!(cors));
        return Ok(());
    }
    if cors.access_control_allow_credentials == Some(true) {
        table.insert("allow_credentials".to_owned(), json!(true));
    }
    declared.insert("cors".to_owned(), Value::Object(table));
    Ok(())
}

impl PublishedApiDraft {
    /// The unique name of the record.
    pub(super) fn full_name(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }

    /// Makes a new record of it, without a state.
    pub(super) fn into_record(self) -> Record {
        let mut record = Record::new(Kind::Api, uuid::Uuid::new_v4(), self.full_name());
        self.replace(&mut record);
        record
    }

    /// Puts it into a record, without losing settings that WSO2's form cannot express. The state
    /// stays.
    pub(super) fn replace(self, record: &mut Record) {
        record.place = Some(base_path(&self.context, &self.version));
        let old = std::mem::replace(&mut record.declared, self.declared);
        endpoints::keep_unsaid(&mut record.declared, &old);
        if let (Some(Value::Object(new)), Some(Value::Object(old))) =
            (record.declared.get_mut("cors"), old.get("cors"))
        {
            for key in ["expose_headers", "max_age"] {
                new.extend(old.get(key).map(|value| (key.to_owned(), value.clone())));
            }
        }
        for (key, value) in old {
            if key == "lifecycle" || !SAID.contains(&key.as_str()) {
                record.declared.entry(key).or_insert(value);
            }
        }
        let old = std::mem::replace(&mut record.extra, self.extra);
        for key in ["lifeCycleStatus", "undeployed"] {
            if let Some(value) = old.get(key) {
                record.extra.insert(key.to_owned(), value.clone());
            }
        }
    }
}

/// Returns the path that an API is served at.
pub(super) fn base_path(context: &str, version: &str) -> String {
    Record::api_place(context, version)
}

/// Returns the policies of an API in WSO2's terms.
pub(super) fn policies_shown(record: &Record) -> Value {
    if record.declared.get("subscription_required") == Some(&json!(false)) {
        return json!([SUBSCRIPTIONLESS]);
    }
    record.declared.get("policies").cloned().unwrap_or_else(|| json!([]))
}

pub(super) fn taken_context(context: &str) -> Refused {
    let description = format!("an API is served at the context {context:?} with this version");
    let message = "The API context already exists.";
    Refused::new(StatusCode::CONFLICT, 900_251, message, description)
}

pub(super) fn taken_name(name: &str) -> Refused {
    let description = format!("there is an API {name:?}");
    Refused::new(StatusCode::CONFLICT, 900_300, "The API already exists.", description)
}
