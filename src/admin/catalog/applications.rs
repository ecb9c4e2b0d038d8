//! The applications of files, with their keys and subscriptions, as the API shows them. They are
//! read from the directory in force, which has a million of them in a packed form.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::live::DeclaredObjects;
use crate::admin::object::Object;
use crate::model::api::Api;
use crate::model::directory::{ApplicationView, DeclaredOrder, Directory};
use crate::model::identity::{ObjectId, ObjectKind};
use crate::model::names::{ApiSlot, ApplicationSlot, KeyManagerSlot};
use crate::model::policy::{PolicyIndex, PolicyLevel};
use crate::snapshot::Snapshot;
use crate::store::{Kind, Record};

/// The applications of files at one moment.
#[derive(Debug)]
pub(super) struct DeclaredApplications {
    snapshot: Arc<Snapshot>,
    objects: Arc<DeclaredObjects>,
}

impl DeclaredApplications {
    pub(super) fn new(snapshot: Arc<Snapshot>, objects: Arc<DeclaredObjects>) -> Self {
        Self { snapshot, objects }
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.snapshot.directory
    }

    pub(super) fn order(&self) -> &DeclaredOrder {
        self.directory().declared_order()
    }

    /// Finds an object by its id.
    pub(super) fn get(&self, kind: Kind, id: Uuid) -> Option<Object> {
        let mut objects: Vec<Object> = Vec::new();
        for slot in self.with_id(kind, id) {
            match kind {
                Kind::Application => objects.extend(self.application(slot)),
                _ => objects.extend(self.parts(slot, kind)),
            }
        }
        objects.into_iter().find(|object| object.record.id == id)
    }

    /// Finds an object by the unique name that [`Record::name`] tells of.
    pub(super) fn named(&self, kind: Kind, name: &str) -> Option<Object> {
        if kind == Kind::Application {
            return self.application(self.directory().declared_named(name)?);
        }
        let (first, rest) = name.split_once('\n')?;
        let slot = match kind {
            Kind::Key => self.directory().declared_holder(self.key_manager(first)?, rest)?,
            _ => self.slot_of(first.parse().ok()?)?,
        };
        self.parts(slot, kind).into_iter().find(|object| object.record.name == name)
    }

    /// Returns the slot of the application with this id.
    pub(super) fn slot_of(&self, id: Uuid) -> Option<ApplicationSlot> {
        let mut slots = self.with_id(Kind::Application, id);
        slots.find(|slot| self.view(*slot).is_some_and(|view| self.id_of(view.name) == id))
    }

    /// Returns the applications that an id can belong to: that of a key or a subscription begins
    /// like its application's.
    fn with_id(&self, kind: Kind, id: Uuid) -> impl Iterator<Item = ApplicationSlot> {
        let ids = &self.objects.ids;
        let parts = (kind != Kind::Application).then(|| ids.with_part(id)).into_iter().flatten();
        let written = ids.application(kind, id).into_iter().chain(parts);
        let written = written.filter_map(|name| self.directory().declared_named(name));
        written.chain(self.directory().declared_like_id(id))
    }

    pub(super) fn view(&self, slot: ApplicationSlot) -> Option<ApplicationView<'_>> {
        self.directory().application(slot)
    }

    fn id_of(&self, name: &str) -> Uuid {
        let written = self.objects.ids.of(Kind::Application, name);
        written.unwrap_or_else(|| ObjectId::declared(ObjectKind::Application, name).into())
    }

    pub(super) fn application(&self, slot: ApplicationSlot) -> Option<Object> {
        let view = self.view(slot)?;
        let mut declared = Map::new();
        let mut put = |key: &str, text: &str| {
            if !text.is_empty() {
                declared.insert(key.to_owned(), json!(text));
            }
        };
        put("name", view.name);
        put("owner", view.owner);
        put("organization", view.organization.unwrap_or_default());
        put("policy", self.policy(view.policy));
        if let Some(attributes) = view.attributes()
            && let Ok(attributes) = serde_json::from_str::<Value>(attributes)
        {
            declared.insert("attributes".to_owned(), attributes);
        }
        let record = Record {
            owner: Some(view.owner.to_owned()),
            declared,
            ..Record::new(Kind::Application, self.id_of(view.name), view.name)
        };
        Some(self.object(record, &view))
    }

    /// Returns the keys or the subscriptions of an application.
    pub(super) fn parts(&self, slot: ApplicationSlot, kind: Kind) -> Vec<Object> {
        let Some(view) = self.view(slot) else { return Vec::new() };
        match kind {
            Kind::Key => self.keys(&view),
            Kind::Subscription => self.subscriptions(&view),
            _ => Vec::new(),
        }
    }

    /// Returns the number of keys or subscriptions of an application.
    pub(super) fn part_count(&self, slot: ApplicationSlot, kind: Kind) -> usize {
        self.view(slot).map_or(0, |view| match kind {
            Kind::Key => view.keys().count(),
            Kind::Subscription => view.subscriptions().count(),
            _ => 0,
        })
    }

    fn keys(&self, view: &ApplicationView<'_>) -> Vec<Object> {
        let application = self.id_of(view.name);
        let key = |key_manager: &str, key_type: &str, consumer_key: &str| {
            let name = Record::key_name(key_manager, consumer_key);
            let members = [
                ("type".to_owned(), json!(key_type)),
                ("key_manager".to_owned(), json!(key_manager)),
                ("consumer_key".to_owned(), json!(consumer_key)),
            ];
            Record {
                parent: Some(application),
                place: Some(Record::key_place(application, key_manager, key_type)),
                target: Some(key_manager.to_owned()),
                declared: members.into_iter().collect(),
                ..self.part(Kind::Key, ObjectKind::Key, application, name)
            }
        };
        let records = view.keys().filter_map(|own| {
            let key_manager = self.key_manager_name(own.key_manager)?;
            Some(key(key_manager, own.key_type.label(), own.consumer_key.as_str()))
        });
        records.map(|record| self.object(record, view)).collect()
    }

    fn subscriptions(&self, view: &ApplicationView<'_>) -> Vec<Object> {
        let application = self.id_of(view.name);
        let records = view.subscriptions().filter_map(|own| {
            let api = self.api_name(own.api)?;
            let members = [
                ("api".to_owned(), json!(api)),
                ("policy".to_owned(), json!(self.policy(own.policy))),
                ("status".to_owned(), json!(own.state)),
            ];
            let name = Record::subscription_name(application, &api);
            Some(Record {
                parent: Some(application),
                target: Some(api),
                declared: members.into_iter().collect(),
                ..self.part(Kind::Subscription, ObjectKind::Subscription, application, name)
            })
        });
        records.map(|record| self.object(record, view)).collect()
    }

    /// Returns the API of a subscription, or the key manager of a key, by its number among all, and
    /// the number of the first one that points to the same.
    pub(super) fn target_at(&self, kind: Kind, number: usize) -> Option<(String, usize)> {
        if kind == Kind::Key {
            let (slot, first) = self.order().key_manager_at(number)?;
            return Some((self.key_manager_name(slot)?.to_owned(), first));
        }
        let (slot, first) = self.order().api_at(number)?;
        Some((self.api_name(slot)?, first))
    }

    /// Tells whether an application, or a subscription of one, has a policy.
    pub(super) fn has_policy(&self, kind: Kind, level: PolicyLevel, policy: &str) -> bool {
        let policies = &self.snapshot.routes.throttling.policies;
        let Some(policy) = policies.find(level, policy) else { return false };
        match kind {
            Kind::Application => self.order().has_application_policy(policy),
            _ => self.order().has_subscription_policy(policy),
        }
    }

    fn part(&self, kind: Kind, object: ObjectKind, application: Uuid, name: String) -> Record {
        let written = self.objects.ids.of(kind, &name);
        let id = written.unwrap_or_else(|| ObjectId::part(object, application, &name).into());
        Record::new(kind, id, name)
    }

    fn object(&self, record: Record, view: &ApplicationView<'_>) -> Object {
        Object::declared(record, self.snapshot.settings.files.describe(view.place))
    }

    fn policy(&self, policy: PolicyIndex) -> &str {
        self.snapshot.routes.throttling.policies.name(policy)
    }

    fn key_manager_name(&self, slot: KeyManagerSlot) -> Option<&str> {
        let listed = self.snapshot.key_manager(slot).map(|own| own.definition.name.as_str());
        listed.or_else(|| self.snapshot.template(slot).map(|own| own.definition.name().as_str()))
    }

    pub(super) fn key_manager(&self, name: &str) -> Option<KeyManagerSlot> {
        let all = &self.snapshot.key_managers;
        let listed = all.iter().map(|own| (&own.definition.name, own.slot));
        let templates = all.templates.iter();
        let templates = templates.map(|own| (own.definition.name(), own.definition.slot()));
        listed.chain(templates).find(|(own, _)| own.as_str() == name).map(|(_, slot)| slot)
    }

    fn api_name(&self, slot: ApiSlot) -> Option<String> {
        self.snapshot.api(slot).map(|own| full_name(&own.definition))
    }

    pub(super) fn api(&self, name: &str) -> Option<ApiSlot> {
        let mut apis = self.snapshot.routes.apis.iter();
        apis.find(|own| full_name(&own.definition) == name).map(|own| own.definition.slot())
    }
}

fn full_name(api: &Api) -> String {
    format!("{}:{}", api.name, api.version)
}
