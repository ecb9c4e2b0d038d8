//! Applications: the clients of APIs, with their keys and subscriptions.
//!
//! Every rule about them stands here once: lengths, characters, one key per type and key manager,
//! one subscription per API. The strings are borrowed if possible, so that a file of a million
//! lines is read without an allocation for each name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::QuotaResets;
use crate::model::names::{ApiSlot, InvalidName, KeyManagerSlot, MAX_NAME_BYTES, check};
use crate::model::policy::PolicyIndex;
use crate::model::provenance::Provenance;

/// The longest consumer key, in bytes. WSO2 keeps 512 characters; other servers issue URLs as
/// client ids.
pub const MAX_CONSUMER_KEY_BYTES: usize = 1024;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name<'a>(Cow<'a, str>);

        impl<'a> $name<'a> {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name that was checked when it was stored.
            pub(super) fn known(text: &'a str) -> Self {
                Self(Cow::Borrowed(text))
            }

            fn to_static(&self) -> $name<'static> {
                $name(Cow::Owned(self.0.clone().into_owned()))
            }
        }

        impl<'a> TryFrom<&'a str> for $name<'a> {
            type Error = InvalidName;

            fn try_from(text: &'a str) -> Result<Self, InvalidName> {
                $rule(text).map(|()| Self(Cow::Borrowed(text)))
            }
        }
    };
}

text!(
    /// The unique name of an application. WSO2 allows 100 characters, so each of its names fits.
    ApplicationName,
    |text| check(text, MAX_NAME_BYTES)
);
text!(
    /// The user who owns an application; empty if no owner is named.
    Owner,
    |text: &str| if text.is_empty() { Ok(()) } else { check(text, MAX_NAME_BYTES) }
);
text!(
    /// The organization of an application. Tokens of other organizations are refused.
    OrganizationName,
    |text| check(text, MAX_NAME_BYTES)
);
text!(
    /// The client id that a key manager issued.
    ConsumerKey,
    |text| check(text, MAX_CONSUMER_KEY_BYTES)
);

/// The longest value of an attribute, in bytes, as WSO2 has it.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// The longest JSON of all attributes of an application, in bytes. Backends get it in a header, and
/// many servers take no more than 8 KiB of headers.
const MAX_ATTRIBUTES_BYTES: usize = 4096;

/// The attributes that backends are told about an application besides its name: strings by name, as
/// one JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationAttributes<'a>(Cow<'a, str>);

impl<'a> ApplicationAttributes<'a> {
    /// Returns `None` if there is no attribute.
    pub fn new(
        texts: &BTreeMap<Cow<'_, str>, Cow<'_, str>>,
    ) -> Result<Option<Self>, InvalidApplication> {
        for (name, value) in texts {
            let invalid = |error| InvalidApplication::Attribute { name: name.to_string(), error };
            check(name, MAX_NAME_BYTES).map_err(invalid)?;
            if value.len() > MAX_ATTRIBUTE_BYTES {
                return Err(invalid(InvalidName::TooLong { most: MAX_ATTRIBUTE_BYTES }));
            }
        }
        if texts.is_empty() {
            return Ok(None);
        }
        // a map of texts always has a form in JSON
        let json = serde_json::to_string(texts).unwrap_or_default();
        if json.len() > MAX_ATTRIBUTES_BYTES {
            return Err(InvalidApplication::Attributes { most: MAX_ATTRIBUTES_BYTES });
        }
        Ok(Some(Self(Cow::Owned(json))))
    }

    /// A JSON object of texts.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Attributes that were checked when they were stored.
    pub(super) fn known(json: &'a str) -> Self {
        Self(Cow::Borrowed(json))
    }

    fn to_static(&self) -> ApplicationAttributes<'static> {
        ApplicationAttributes(Cow::Owned(self.0.clone().into_owned()))
    }
}

/// The kind of backend that a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    Production,
    Sandbox,
}

impl KeyType {
    pub fn label(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }
}

/// A consumer key that stands for an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMapping<'a> {
    pub key_manager: KeyManagerSlot,
    pub key_type: KeyType,
    pub consumer_key: ConsumerKey<'a>,
}

/// The keys of one application: at most one per type and key manager.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyMappings<'a>(Vec<KeyMapping<'a>>);

impl<'a> TryFrom<Vec<KeyMapping<'a>>> for KeyMappings<'a> {
    type Error = InvalidApplication;

    fn try_from(keys: Vec<KeyMapping<'a>>) -> Result<Self, InvalidApplication> {
        for (position, key) in keys.iter().enumerate() {
            let earlier = keys.iter().take(position);
            for other in earlier.filter(|other| other.key_manager == key.key_manager) {
                if other.consumer_key == key.consumer_key {
                    let consumer_key = key.consumer_key.as_str().to_owned();
                    return Err(InvalidApplication::RepeatedConsumerKey { consumer_key });
                }
                if other.key_type == key.key_type {
                    return Err(InvalidApplication::RepeatedKeyType { key_type: key.key_type });
                }
            }
        }
        Ok(Self(keys))
    }
}

impl<'a> KeyMappings<'a> {
    /// Keys that were checked when they were stored.
    pub(super) fn known(keys: Vec<KeyMapping<'a>>) -> Self {
        Self(keys)
    }

    pub fn as_slice(&self) -> &[KeyMapping<'a>] {
        &self.0
    }
}

/// The state of a subscription, as WSO2 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    #[default]
    Unblocked,
    Blocked,
    ProdOnlyBlocked,
    OnHold,
    Rejected,
}

/// An application's right to call an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    pub api: ApiSlot,
    pub state: SubscriptionState,
    /// A policy of the level "subscription".
    pub policy: PolicyIndex,
}

/// The subscriptions of one application: at most one per API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscriptions(Vec<Subscription>);

impl TryFrom<Vec<Subscription>> for Subscriptions {
    type Error = InvalidApplication;

    fn try_from(subscriptions: Vec<Subscription>) -> Result<Self, InvalidApplication> {
        let repeated = subscriptions.iter().enumerate().any(|(position, subscription)| {
            subscriptions.iter().take(position).any(|other| other.api == subscription.api)
        });
        if repeated {
            Err(InvalidApplication::RepeatedSubscription)
        } else {
            Ok(Self(subscriptions))
        }
    }
}

impl Subscriptions {
    /// Subscriptions that were checked when they were stored.
    pub(super) fn known(subscriptions: Vec<Subscription>) -> Self {
        Self(subscriptions)
    }

    pub fn as_slice(&self) -> &[Subscription] {
        &self.0
    }
}

/// A rule about keys or subscriptions that an application breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApplication {
    #[error("consumer key \"{consumer_key}\" of this key manager stands twice in this application")]
    RepeatedConsumerKey { consumer_key: String },
    #[error("an application has at most one {} key of a key manager", key_type.label())]
    RepeatedKeyType { key_type: KeyType },
    #[error("the application subscribes to one API twice")]
    RepeatedSubscription,
    #[error("`attributes`: \"{name}\" {error}")]
    Attribute { name: String, error: InvalidName },
    #[error("`attributes` must not be longer than {most} bytes as JSON")]
    Attributes { most: usize },
}

/// An application with its keys and subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application<'a> {
    pub name: ApplicationName<'a>,
    pub owner: Owner<'a>,
    /// `None`: tokens of any organization are accepted.
    pub organization: Option<OrganizationName<'a>>,
    /// A policy of the level "application".
    pub policy: PolicyIndex,
    pub attributes: Option<ApplicationAttributes<'a>>,
    /// `None`: its counts were never set back.
    pub quota_resets: Option<Arc<QuotaResets>>,
    pub keys: KeyMappings<'a>,
    pub subscriptions: Subscriptions,
    pub place: Provenance,
}

impl Application<'_> {
    /// A copy that borrows nothing.
    pub fn to_static(&self) -> Application<'static> {
        let key = |key: &KeyMapping<'_>| KeyMapping {
            key_manager: key.key_manager,
            key_type: key.key_type,
            consumer_key: key.consumer_key.to_static(),
        };
        Application {
            name: self.name.to_static(),
            owner: self.owner.to_static(),
            organization: self.organization.as_ref().map(OrganizationName::to_static),
            policy: self.policy,
            attributes: self.attributes.as_ref().map(ApplicationAttributes::to_static),
            quota_resets: self.quota_resets.clone(),
            keys: KeyMappings(self.keys.0.iter().map(key).collect()),
            subscriptions: self.subscriptions.clone(),
            place: self.place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_bounds_and_no_control_characters() {
        assert!(ApplicationName::try_from("a").is_ok() && Owner::try_from("").is_ok());
        let long = "a".repeat(MAX_NAME_BYTES.saturating_add(1));
        for bad in ["", " ", "a\nb", "a\u{7f}", &long] {
            assert!(ApplicationName::try_from(bad).is_err(), "{bad:?}");
            assert!(OrganizationName::try_from(bad).is_err(), "{bad:?}");
            assert_eq!(Owner::try_from(bad).is_err(), !bad.is_empty(), "{bad:?}");
        }
        assert!(ConsumerKey::try_from(long.as_str()).is_ok());
        let longest = "a".repeat(MAX_CONSUMER_KEY_BYTES);
        assert!(ConsumerKey::try_from(longest.as_str()).is_ok());
        assert_eq!(
            ConsumerKey::try_from(format!("{longest}a").as_str()),
            Err(InvalidName::TooLong { most: MAX_CONSUMER_KEY_BYTES })
        );
    }

    #[test]
    fn attributes_are_short_texts_with_names() {
        let attributes = |name: &str, value: &str, count: usize| {
            let texts = (0..count).map(|number| {
                let name = if number == 0 { name.to_owned() } else { format!("{name}{number}") };
                (Cow::Owned(name), Cow::Owned(value.to_owned()))
            });
            ApplicationAttributes::new(&texts.collect())
        };
        assert_eq!(attributes("a", "b", 0), Ok(None));
        let quoted = attributes("a", "\"\n", 2).unwrap().unwrap();
        assert_eq!(quoted.as_json(), r#"{"a":"\"\n","a1":"\"\n"}"#);
        let long = "x".repeat(MAX_ATTRIBUTE_BYTES);
        assert!(attributes("a", &long, 3).is_ok());
        assert!(attributes("a", &long, 4).is_err(), "all together");
        assert!(attributes("a", &format!("{long}x"), 1).is_err());
        assert!(attributes("", "b", 1).is_err() && attributes("a\n", "b", 1).is_err());
    }

    #[test]
    fn an_application_has_one_key_of_a_type_and_one_subscription_of_an_api() {
        let key = |key_manager, consumer_key, key_type| KeyMapping {
            key_manager: KeyManagerSlot(key_manager),
            key_type,
            consumer_key: ConsumerKey::try_from(consumer_key).unwrap(),
        };
        let (production, sandbox) = (KeyType::Production, KeyType::Sandbox);
        let keys = |keys: &[KeyMapping<'static>]| KeyMappings::try_from(keys.to_vec());
        assert!(keys(&[key(0, "a", production), key(0, "b", sandbox)]).is_ok());
        assert!(keys(&[key(0, "a", production), key(1, "a", production)]).is_ok());
        assert_eq!(
            keys(&[key(0, "a", production), key(0, "b", production)]),
            Err(InvalidApplication::RepeatedKeyType { key_type: production })
        );
        assert_eq!(
            keys(&[key(0, "a", production), key(0, "a", sandbox)]),
            Err(InvalidApplication::RepeatedConsumerKey { consumer_key: "a".to_owned() })
        );
        let to =
            |api, state| Subscription { api: ApiSlot(api), state, policy: PolicyIndex::UNLIMITED };
        let (open, blocked) = (SubscriptionState::Unblocked, SubscriptionState::Blocked);
        assert!(Subscriptions::try_from(vec![to(0, open), to(1, blocked)]).is_ok());
        assert_eq!(
            Subscriptions::try_from(vec![to(0, open), to(0, blocked)]),
            Err(InvalidApplication::RepeatedSubscription)
        );
    }
}
