//! A user as the API knows it: of a file, or kept in the store.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::admin::access::scopes::scopes_of;
use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::model::gateway::{ManagementUser, UserRole};
use crate::model::secret::Secret;
use crate::store::Record;

/// The longest name of a user that the store keeps: an address of electronic mail fits in most
/// cases, and it is shown in one line.
pub(super) const MOST_NAME: usize = 100;

const LEAST_NAME: usize = 3;

/// The keys of a record's declared form.
pub(in crate::admin) const PASSWORD_HASH: &str = "password_hash";
pub(in crate::admin) const ROLES: &str = "roles";
pub(in crate::admin) const GROUPS: &str = "groups";
pub(in crate::admin) const DISABLED: &str = "disabled";

/// A user who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) struct ApiUser {
    pub(in crate::admin) name: String,
    pub(in crate::admin) password_hash: Secret,
    pub(in crate::admin) roles: Vec<UserRole>,
    pub(in crate::admin) groups: Vec<String>,
}

impl ApiUser {
    /// Reads a user of the store; `None` if it is disabled or incomplete.
    pub(in crate::admin) fn of_record(record: &Record) -> Option<Self> {
        if record.declared.get(DISABLED).is_some_and(|disabled| *disabled != Value::Bool(false)) {
            return None;
        }
        let roles = texts(record, ROLES).iter().filter_map(|role| UserRole::named(role)).collect();
        Some(Self {
            name: record.name.clone(),
            password_hash: Secret::new(record.text(PASSWORD_HASH)?.to_owned()),
            roles,
            groups: texts(record, GROUPS),
        })
    }

    /// Returns a mark that changes with the password, so that tokens of an old password end.
    pub(super) fn stamp(&self) -> [u8; 32] {
        sha256(self.password_hash.reveal())
    }

    pub(super) fn caller(self, address: IpAddr) -> Caller {
        Caller {
            name: self.name,
            address,
            groups: self.groups,
            roles: self.roles.iter().map(|role| role.name().to_owned()).collect(),
            scopes: scopes_of(&self.roles),
        }
    }
}

impl From<&ManagementUser> for ApiUser {
    fn from(user: &ManagementUser) -> Self {
        Self {
            name: user.name.clone(),
            password_hash: user.password_hash.clone(),
            roles: user.roles.clone(),
            groups: user.groups.clone(),
        }
    }
}

pub(super) fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default()
}

/// Refuses a name that a user of the store cannot have. The allowed characters need no escape
/// anywhere, HTTP Basic included, and none looks like one of another alphabet.
pub(in crate::admin) fn has_name(name: &str) -> Result<(), Refused> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    if (LEAST_NAME..=MOST_NAME).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Refused::bad_request(format!(
        "`name` has {LEAST_NAME} to {MOST_NAME} of the characters A-Z, a-z, 0-9 and . _ @ + -"
    )))
}

fn texts(record: &Record, key: &str) -> Vec<String> {
    let list = record.declared.get(key).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::Kind;

    #[test]
    fn a_disabled_user_and_one_without_a_password_cannot_sign_in() {
        let mut record = Record::new(Kind::User, Uuid::nil(), "ann");
        record.declared.insert(ROLES.to_owned(), json!(["developer", "unheard-of"]));
        assert_eq!(ApiUser::of_record(&record), None);
        record.declared.insert(PASSWORD_HASH.to_owned(), json!("$argon2id$"));
        let user = ApiUser::of_record(&record).unwrap();
        assert_eq!((&*user.name, &*user.roles), ("ann", &[UserRole::Developer][..]));
        for disabled in [json!(true), json!("false"), json!(1)] {
            record.declared.insert(DISABLED.to_owned(), disabled);
            assert_eq!(ApiUser::of_record(&record), None);
        }
        record.declared.insert(DISABLED.to_owned(), json!(false));
        assert!(ApiUser::of_record(&record).is_some());
    }
}
