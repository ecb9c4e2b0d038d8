//! The ids that files write for applications, keys and subscriptions. Others are derived.

use std::collections::HashMap;

use uuid::Uuid;

use crate::model::identity::ObjectId;
use crate::store::Kind;

/// Written ids, by object and back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenIds {
    /// By the name that [`crate::store::Record::name`] tells of.
    by_name: HashMap<(Kind, String), Uuid>,
    by_id: HashMap<(Kind, Uuid), WrittenObject>,
}

/// An object that a file gives an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenObject {
    /// The name of its application.
    pub application: String,
    pub name: String,
}

impl WrittenIds {
    pub fn add(&mut self, kind: Kind, id: Uuid, object: WrittenObject) {
        self.by_name.insert((kind, object.name.clone()), id);
        self.by_id.insert((kind, id), object);
    }

    /// Returns the written id of an object.
    pub(super) fn of(&self, kind: Kind, name: &str) -> Option<Uuid> {
        if self.by_name.is_empty() {
            return None;
        }
        self.by_name.get(&(kind, name.to_owned())).copied()
    }

    /// Returns the name of the application that an object with this id belongs to.
    pub(super) fn application(&self, kind: Kind, id: Uuid) -> Option<&str> {
        self.by_id.get(&(kind, id)).map(|own| own.application.as_str())
    }

    /// Returns the names of the applications whose written ids a derived id of a part can be of.
    pub(super) fn with_part(&self, id: Uuid) -> impl Iterator<Item = &str> {
        let applications = self.by_id.iter().filter(|((kind, _), _)| *kind == Kind::Application);
        applications
            .filter(move |((_, own), _)| ObjectId::is_part(id, *own))
            .map(|(_, own)| own.application.as_str())
    }
}
