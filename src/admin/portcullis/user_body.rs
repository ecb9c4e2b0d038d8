//! A user in the form of the API. The password's hash is never shown.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::access::{DISABLED, GROUPS, PASSWORD_HASH, ROLES};
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::admin::timestamp::rfc3339;
use crate::model::gateway::{ManagementUser, UserRole};
use crate::model::secret::Secret;
use crate::store::{Kind, Record};

/// The shortest password (NIST SP 800-63B). The longest costs no more than others to hash.
const LEAST_PASSWORD: usize = 8;
const MOST_PASSWORD: usize = 128;

/// Groups of one user.
const MOST_GROUPS: usize = 64;

const MOST_GROUP: usize = 100;

/// A user as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: String,
    name: String,
    roles: Vec<String>,
    groups: Vec<String>,
    disabled: bool,
    /// Declared in the file, and only changed there.
    read_only: bool,
    created_at: Option<String>,
    updated_at: Option<String>,
}

/// The body that creates a user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    pub(super) name: String,
    pub(super) password: Secret,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) disabled: bool,
}

/// The body that replaces a user. Without a password it keeps its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedUser {
    pub(super) name: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) disabled: bool,
}

impl UserView {
    pub(super) fn of_record(record: &Record) -> Self {
        let is_disabled = |disabled: &Value| *disabled != Value::Bool(false);
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            roles: texts(record, ROLES),
            groups: texts(record, GROUPS),
            disabled: record.declared.get(DISABLED).is_some_and(is_disabled),
            read_only: false,
            created_at: Some(rfc3339(record.created_at)),
            updated_at: Some(rfc3339(record.updated_at)),
        }
    }

    pub(super) fn of_file(user: &ManagementUser) -> Self {
        Self {
            id: id_in_file(user).to_string(),
            name: user.name.clone(),
            roles: user.roles.iter().map(|role| role.name().to_owned()).collect(),
            groups: user.groups.clone(),
            disabled: false,
            read_only: true,
            created_at: None,
            updated_at: None,
        }
    }
}

/// Returns the id of a user of the file, which follows from the name.
pub(super) fn id_in_file(user: &ManagementUser) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("portcullis user {}", user.name).as_bytes())
}

/// Returns a user for the store. The lower-case name is its place, so that no two names differ in
/// case alone.
pub(super) fn record(id: Uuid, name: &str) -> Record {
    let mut record = Record::new(Kind::User, id, name);
    record.place = Some(name.to_ascii_lowercase());
    record.declared.insert("name".to_owned(), json!(name));
    record
}

/// Writes the members of a body into a record.
pub(super) fn fill(
    record: &mut Record,
    hash: Option<&Secret>,
    roles: &[String],
    groups: &[String],
    disabled: bool,
) {
    if let Some(hash) = hash {
        record.declared.insert(PASSWORD_HASH.to_owned(), json!(hash.reveal()));
    }
    record.declared.insert(ROLES.to_owned(), json!(roles));
    record.declared.insert(GROUPS.to_owned(), json!(groups));
    record.declared.insert(DISABLED.to_owned(), json!(disabled));
}

pub(super) fn valid_password(field: &str, name: &str, password: &Secret) -> Result<(), Refused> {
    let length = password.reveal().chars().count();
    if !(LEAST_PASSWORD..=MOST_PASSWORD).contains(&length) {
        let description = format!("`{field}` has {LEAST_PASSWORD} to {MOST_PASSWORD} characters");
        return Err(Refused::bad_request(description));
    }
    if password.reveal().eq_ignore_ascii_case(name) {
        return Err(Refused::bad_request(format!("`{field}` is the user's name")));
    }
    Ok(())
}

pub(super) fn valid_rights(roles: &[String], groups: &[String]) -> Result<(), Refused> {
    if roles.len() > UserRole::NAMES.len() || roles.iter().any(|own| UserRole::named(own).is_none())
    {
        let description = format!("`roles` is a list of {}", UserRole::NAMES.join(", "));
        return Err(Refused::bad_request(description));
    }
    if groups.len() > MOST_GROUPS {
        return Err(Refused::bad_request(format!("`groups` has more than {MOST_GROUPS}")));
    }
    groups.iter().try_for_each(|group| texts::name("groups", group, MOST_GROUP))
}

fn texts(record: &Record, key: &str) -> Vec<String> {
    let list = record.declared.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_user_is_shown_without_its_password() {
        let mut record = record(Uuid::nil(), "Ann@bank");
        let hash = secret("$argon2id$abc");
        fill(&mut record, Some(&hash), &["developer".to_owned()], &["retail".to_owned()], true);
        let shown = serde_json::to_string(&UserView::of_record(&record)).unwrap();
        assert!(shown.contains("\"disabled\":true") && !shown.contains("argon2"), "{shown}");
        assert_eq!(record.place.as_deref(), Some("ann@bank"));
    }

    #[test]
    fn passwords_and_rights_have_their_limits() {
        assert!(valid_password("password", "ann", &secret("long enough")).is_ok());
        for bad in ["short", "ANN-OTHER", &"x".repeat(129)] {
            assert!(valid_password("password", "ann-other", &secret(bad)).is_err(), "{bad}");
        }
        let list = |text: &str| vec![text.to_owned()];
        assert!(valid_rights(&list("viewer"), &list("retail")).is_ok());
        assert!(valid_rights(&list("root"), &[]).is_err());
        assert!(valid_rights(&[], &list("a\nb")).is_err());
        assert!(valid_rights(&[], &vec!["g".to_owned(); 65]).is_err());
    }
}
