//! An application as the walk and the logs see it.

use std::sync::Arc;

use crate::model::QuotaResets;
use crate::model::application::{
    Application, ApplicationAttributes, ApplicationName, ConsumerKey, KeyMapping, KeyMappings,
    OrganizationName, Owner, Subscription, Subscriptions,
};
use crate::model::directory::packed::{ApplicationRecord, Packed};
use crate::model::names::{ApiSlot, ApplicationSlot};
use crate::model::policy::PolicyIndex;
use crate::model::provenance::Provenance;

/// An application, wherever the directory keeps it.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationView<'a> {
    pub name: &'a str,
    pub owner: &'a str,
    /// The only organization whose tokens it accepts.
    pub organization: Option<&'a str>,
    /// A policy of the level "application".
    pub policy: PolicyIndex,
    pub place: Provenance,
    kept: KeptIn<'a>,
}

#[derive(Debug, Clone, Copy)]
enum KeptIn<'a> {
    Base(&'a Packed, &'a ApplicationRecord, ApplicationSlot),
    Overlay(&'a Application<'static>),
}

impl<'a> ApplicationView<'a> {
    /// The application that a base has in a slot.
    pub(super) fn in_base(base: &'a Packed, slot: ApplicationSlot) -> Option<Self> {
        let record = base.application(slot)?;
        Some(Self {
            name: base.name(record),
            owner: base.owner(record),
            organization: base.organization(record),
            policy: record.policy,
            place: record.place(),
            kept: KeptIn::Base(base, record, slot),
        })
    }

    pub(super) fn recent(application: &'a Application<'static>) -> Self {
        Self {
            name: application.name.as_str(),
            owner: application.owner.as_str(),
            organization: application.organization.as_ref().map(OrganizationName::as_str),
            policy: application.policy,
            place: application.place,
            kept: KeptIn::Overlay(application),
        }
    }

    /// Tells whether a file declares it.
    pub fn is_declared(&self) -> bool {
        self.place.revision().is_none()
    }

    /// Returns the attributes that backends are told besides its name, as a JSON object of strings.
    pub fn attributes(&self) -> Option<&'a str> {
        match self.kept {
            KeptIn::Base(base, _, slot) => base.attributes(slot),
            KeptIn::Overlay(own) => own.attributes.as_ref().map(ApplicationAttributes::as_json),
        }
    }

    /// The resets of its counts, if there were any.
    pub fn quota_resets(&self) -> Option<&'a Arc<QuotaResets>> {
        match self.kept {
            KeptIn::Base(base, _, slot) => base.quota_resets(slot),
            KeptIn::Overlay(own) => own.quota_resets.as_ref(),
        }
    }

    /// Returns the keys of `gateway.toml` in which it differs from another one.
    pub fn differing(&self, other: &ApplicationView<'_>) -> impl Iterator<Item = &'static str> {
        let pairs = [
            ("owner", self.owner == other.owner),
            ("organization", self.organization == other.organization),
            ("policy", self.policy == other.policy),
            ("attributes", self.attributes() == other.attributes()),
            ("quota_resets", self.quota_resets() == other.quota_resets()),
            ("keys", self.keys().eq(other.keys())),
            ("subscriptions", self.subscriptions().eq(other.subscriptions())),
        ];
        pairs.into_iter().filter(|(_, same)| !same).map(|(key, _)| key)
    }

    /// The right to call an API, if the application has one.
    pub fn subscription(&self, api: ApiSlot) -> Option<Subscription> {
        self.subscriptions().find(|subscription| subscription.api == api)
    }

    /// Returns all subscriptions, in the order written.
    pub fn subscriptions(&self) -> impl Iterator<Item = Subscription> + use<'a> {
        let (packed, recent) = match self.kept {
            KeptIn::Base(base, record, _) => (base.subscriptions(record), &[][..]),
            KeptIn::Overlay(application) => (&[][..], application.subscriptions.as_slice()),
        };
        packed.iter().chain(recent).copied()
    }

    /// Returns all keys, in the order written.
    pub fn keys(&self) -> impl Iterator<Item = KeyMapping<'a>> + use<'a> {
        let (packed, recent) = match self.kept {
            KeptIn::Base(base, record, _) => (Some(base.keys(record)), &[][..]),
            KeptIn::Overlay(application) => (None, application.keys.as_slice()),
        };
        let recent = recent.iter().map(|key| KeyMapping {
            key_manager: key.key_manager,
            key_type: key.key_type,
            consumer_key: ConsumerKey::known(key.consumer_key.as_str()),
        });
        packed.into_iter().flatten().chain(recent)
    }

    pub fn to_application(self) -> Application<'a> {
        Application {
            name: ApplicationName::known(self.name),
            owner: Owner::known(self.owner),
            organization: self.organization.map(OrganizationName::known),
            policy: self.policy,
            attributes: self.attributes().map(ApplicationAttributes::known),
            quota_resets: self.quota_resets().cloned(),
            keys: KeyMappings::known(self.keys().collect()),
            subscriptions: Subscriptions::known(self.subscriptions().collect()),
            place: self.place,
        }
    }
}
