//! A user as the API knows it: of a file, or kept in the store.

use std::net::IpAddr;

use serde_json::Value;

use crate::admin::access::scopes::scopes_of;
use crate::admin::caller::Caller;
use crate::model::gateway::{ManagementUser, UserRole};
use crate::model::secret::Secret;
use crate::store::Record;

/// The longest name of a user that the store keeps, in bytes: as long as WSO2's.
pub(super) const MOST_NAME: usize = 255;

/// The keys of a record's declared form.
pub(super) const PASSWORD_HASH: &str = "password_hash";
pub(super) const ROLES: &str = "roles";
pub(super) const GROUPS: &str = "groups";
pub(super) const DISABLED: &str = "disabled";

/// A user who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiUser {
    pub(super) name: String,
    pub(super) password_hash: Secret,
    pub(super) roles: Vec<UserRole>,
    pub(super) groups: Vec<String>,
}

impl ApiUser {
    /// Reads a user of the store; `None` for one that is disabled, or that is not whole.
    pub(super) fn of_record(record: &Record) -> Option<Self> {
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
