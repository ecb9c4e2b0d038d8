//! One object of the store.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::policy::PolicyLevel;
use crate::store::kind::Kind;

/// The member of an application's declared form with the resets of its counts. It is the one that
/// `gateway.toml` does not have.
pub const QUOTA_RESETS: &str = "quota_resets";

/// An object of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub kind: Kind,
    pub id: Uuid,
    /// Unique among the objects of its kind, byte for byte. An API has `name:version`, a policy
    /// [`Record::policy_name`], a key [`Record::key_name`], a subscription
    /// [`Record::subscription_name`].
    pub name: String,
    /// A second string that is unique in its kind: an API's context with its version, or a key's
    /// [`Record::key_place`].
    pub place: Option<String>,
    /// The user who owns an application.
    pub owner: Option<String>,
    /// The id of the application, for a key or a subscription; the id of the API, for a revision.
    pub parent: Option<Uuid>,
    /// The name of the object that it points to: a key's key manager, a subscription's
    /// `name:version`.
    pub target: Option<String>,
    /// The members in the form of `gateway.toml`, for the configuration compiler.
    pub declared: Map<String, Value>,
    /// Members that the REST API returns and the gateway does not use.
    pub extra: Map<String, Value>,
    /// Milliseconds since the epoch, set by the store.
    pub created_at: i64,
    pub updated_at: i64,
    /// The revision of the last change, set by the store. It is also the entity tag.
    pub revision: u64,
}

impl Record {
    /// A record that the store has not seen: the times and the revision are set when it is written.
    pub fn new(kind: Kind, id: Uuid, name: impl Into<String>) -> Self {
        Self {
            kind,
            id,
            name: name.into(),
            place: None,
            owner: None,
            parent: None,
            target: None,
            declared: Map::new(),
            extra: Map::new(),
            created_at: 0,
            updated_at: 0,
            revision: 0,
        }
    }

    /// The unique name of a consumer key: one key of one key manager belongs to one application.
    pub fn key_name(key_manager: &str, consumer_key: &str) -> String {
        // no name has a control character
        format!("{key_manager}\n{consumer_key}")
    }

    /// The place of a key: an application has one of each type at each key manager.
    pub fn key_place(application: Uuid, key_manager: &str, key_type: &str) -> String {
        format!("{application}\n{key_manager}\n{key_type}")
    }

    /// The unique name of a subscription: an application subscribes to an API once.
    pub fn subscription_name(application: Uuid, api: &str) -> String {
        format!("{application}\n{api}")
    }

    /// The unique name of a throttling policy: each level has names of its own.
    pub fn policy_name(level: PolicyLevel, name: &str) -> String {
        format!("{}:{name}", level.as_str())
    }

    /// The place of an API: the path that it is served at.
    pub fn api_place(context: &str, version: &str) -> String {
        let trimmed = context.trim_end_matches('/');
        if trimmed.contains("/{version}") {
            trimmed.replace("/{version}", &format!("/{version}"))
        } else {
            format!("{trimmed}/{version}")
        }
    }

    /// Returns the place of a deny condition, which makes it unique.
    pub fn condition_place(declared: &Map<String, Value>) -> String {
        let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default();
        let inverted = declared.get("invert") == Some(&Value::Bool(true));
        format!("{}\n{}\n{inverted}", text("type"), text("value"))
    }

    /// A text of the declared form.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.declared.get(key).and_then(Value::as_str)
    }
}
