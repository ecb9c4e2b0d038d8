//! Encrypts the secrets that must be kept (AES-256-GCM), each bound to its object and its field.
//!
//! A sealed secret stands in a document as `{"sealed": "1.KEY.DATA"}`: the version of this form,
//! the id of the key, and the nonce with the ciphertext in base64.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::secret::{Secret, SecretKey};
use crate::model::store::StoreSettings;
use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;

/// The member that makes an object a sealed secret.
const SEALED: &str = "sealed";

/// The only form there is.
const VERSION: &str = "1";

/// Separates the digest that names a key from all other uses of a digest.
const KEY_ID_CONTEXT: &[u8] = b"portcullis store key\n";

/// Bytes of a digest that name a key.
const KEY_ID_BYTES: usize = 6;

/// A secret's place. A secret that was sealed for one place cannot be opened in another.
#[derive(Debug, Clone, Copy)]
pub struct SecretPlace<'p> {
    pub kind: Kind,
    pub id: Uuid,
    /// The name of the member that holds it, or that holds its list.
    pub field: &'p str,
}

/// The keys of the store's secrets; by default there are none.
#[derive(Debug, Default)]
pub struct StoreKeys {
    current: Option<NamedKey>,
    previous: Vec<NamedKey>,
}

#[derive(Debug)]
struct NamedKey {
    name: String,
    key: RandomizedNonceKey,
}

impl StoreKeys {
    pub fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        Ok(Self {
            current: settings.encryption_key.as_ref().map(NamedKey::new).transpose()?,
            previous: settings
                .previous_encryption_keys
                .iter()
                .map(NamedKey::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Tells whether secrets can be kept.
    pub fn can_seal(&self) -> bool {
        self.current.is_some()
    }

    /// Encrypts a secret into the object that stands for it in a document.
    pub fn seal(&self, place: SecretPlace<'_>, secret: &Secret) -> Result<Value, StoreError> {
        let key = self.current.as_ref().ok_or(StoreError::NoEncryptionKey)?;
        let whole = key.seal(bound_to(place), secret.reveal().as_bytes().to_vec())?;
        let text = format!("{VERSION}.{}.{}", key.name, STANDARD_NO_PAD.encode(whole));
        Ok(Value::Object(Map::from_iter([(SEALED.to_owned(), Value::String(text))])))
    }

    /// Decrypts a secret that [`StoreKeys::seal`] made for this place.
    pub fn open(&self, place: SecretPlace<'_>, sealed: &Value) -> Result<Secret, StoreError> {
        let bad = |reason: &str| {
            let (kind, id, field) = (place.kind.as_str(), place.id, place.field);
            StoreError::Unreadable(format!("`{field}` of the {kind} {id}: {reason}"))
        };
        let text = sealed_text(sealed).ok_or_else(|| bad("it is not a sealed secret"))?;
        let (name, data) = parts(text).ok_or_else(|| bad("its form is not known"))?;
        let key = self.named(name).ok_or_else(|| {
            bad(&format!(
                "it was encrypted with the key {name}, which is not configured; add it to \
                 `store.previous_encryption_keys`"
            ))
        })?;
        let whole = STANDARD_NO_PAD.decode(data).map_err(|_| bad("its base64 is damaged"))?;
        let damaged = || bad("it is damaged, or was made for another object or field");
        let plain = key.open(bound_to(place), whole).ok_or_else(damaged)?;
        Ok(Secret::new(String::from_utf8(plain).map_err(|_| damaged())?))
    }

    /// Encrypts what no document keeps, for one purpose: `KEY.DATA`.
    pub fn seal_bytes(&self, purpose: &str, data: Vec<u8>) -> Result<String, StoreError> {
        let key = self.current.as_ref().ok_or(StoreError::NoEncryptionKey)?;
        let whole = key.seal(meant_for(purpose), data)?;
        Ok(format!("{}.{}", key.name, URL_SAFE_NO_PAD.encode(whole)))
    }

    /// Decrypts what [`StoreKeys::seal_bytes`] made for this purpose, with this or a former key.
    pub fn open_bytes(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let (name, data) = sealed.split_once('.')?;
        let whole = URL_SAFE_NO_PAD.decode(data).ok()?;
        self.named(name)?.open(meant_for(purpose), whole)
    }

    /// Encrypts the secrets of a record again that are not under the current key, and returns how
    /// many these were.
    pub fn reseal(&self, record: &mut Record) -> Result<usize, StoreError> {
        let (kind, id) = (record.kind, record.id);
        let mut changed = 0;
        for map in [&mut record.declared, &mut record.extra] {
            for (field, value) in map.iter_mut() {
                self.reseal_below(SecretPlace { kind, id, field }, value, &mut changed)?;
            }
        }
        Ok(changed)
    }

    fn reseal_below(
        &self,
        place: SecretPlace<'_>,
        value: &mut Value,
        changed: &mut usize,
    ) -> Result<(), StoreError> {
        if let Some(text) = sealed_text(value) {
            let current = self.current.as_ref().ok_or(StoreError::NoEncryptionKey)?;
            if parts(text).is_none_or(|(name, _)| name != current.name) {
                *value = self.seal(place, &self.open(place, value)?)?;
                *changed = changed.saturating_add(1);
            }
            return Ok(());
        }
        match value {
            Value::Object(map) => map.iter_mut().try_for_each(|(field, value)| {
                self.reseal_below(SecretPlace { field, ..place }, value, changed)
            }),
            Value::Array(values) => {
                values.iter_mut().try_for_each(|value| self.reseal_below(place, value, changed))
            }
            _ => Ok(()),
        }
    }

    fn named(&self, name: &str) -> Option<&NamedKey> {
        self.current.iter().chain(&self.previous).find(|key| key.name == name)
    }
}

impl NamedKey {
    fn new(key: &SecretKey) -> Result<Self, StoreError> {
        let named = digest(&SHA256, &[KEY_ID_CONTEXT, key.reveal()].concat());
        let name = URL_SAFE_NO_PAD.encode(named.as_ref().get(..KEY_ID_BYTES).unwrap_or_default());
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.reveal())
            .map_err(|_| StoreError::Unreadable("an encryption key cannot be used".to_owned()))?;
        Ok(Self { name, key })
    }

    /// Returns the nonce with the ciphertext.
    fn seal(&self, bound_to: Vec<u8>, mut data: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(bound_to), &mut data)
            .map_err(|_| StoreError::Unreadable("a secret cannot be encrypted".to_owned()))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut data);
        Ok(whole)
    }

    fn open(&self, bound_to: Vec<u8>, mut whole: Vec<u8>) -> Option<Vec<u8>> {
        if whole.len() < NONCE_LEN {
            return None;
        }
        let mut rest = whole.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&whole).ok()?;
        self.key.open_in_place(nonce, Aad::from(bound_to), &mut rest).ok().map(|own| own.to_vec())
    }
}

/// Tells whether a value of a document is a sealed secret.
pub fn is_sealed(value: &Value) -> bool {
    sealed_text(value).is_some()
}

/// Tells whether a record holds a sealed secret anywhere.
pub fn has_sealed(record: &Record) -> bool {
    fn below(value: &Value) -> bool {
        match value {
            sealed if is_sealed(sealed) => true,
            Value::Object(map) => map.values().any(below),
            Value::Array(values) => values.iter().any(below),
            _ => false,
        }
    }
    record.declared.values().chain(record.extra.values()).any(below)
}

fn sealed_text(value: &Value) -> Option<&str> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get(SEALED)?.as_str()
}

fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')
}

/// Returns the bytes that are authenticated with a secret.
fn bound_to(place: SecretPlace<'_>) -> Vec<u8> {
    // neither a kind nor an id has a line end, so no two places have the same bytes
    format!("{VERSION}\n{}\n{}\n{}", place.kind.as_str(), place.id, place.field).into_bytes()
}

/// The same for what stands in no document. The secrets of documents begin with their version.
fn meant_for(purpose: &str) -> Vec<u8> {
    format!("for\n{purpose}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::model::store::StoreLocation;

    fn keys(current: Option<u8>, previous: &[u8]) -> StoreKeys {
        StoreKeys::new(&StoreSettings {
            location: StoreLocation::None,
            state_dir: std::path::PathBuf::new(),
            poll_interval: Duration::from_secs(1),
            encryption_key: current.map(|byte| SecretKey::new([byte; 32])),
            previous_encryption_keys: previous
                .iter()
                .map(|byte| SecretKey::new([*byte; 32]))
                .collect(),
        })
        .unwrap()
    }

    fn place(field: &str) -> SecretPlace<'_> {
        SecretPlace { kind: Kind::KeyManager, id: Uuid::from_u128(7), field }
    }

    #[test]
    fn a_secret_opens_in_its_own_place_and_nowhere_else() {
        let keys = keys(Some(1), &[]);
        let secret = Secret::new("hush 🦀".to_owned());
        let sealed = keys.seal(place("token"), &secret).unwrap();
        assert!(is_sealed(&sealed) && !sealed.to_string().contains("hush"));
        assert_eq!(keys.open(place("token"), &sealed).unwrap(), secret);
        assert_ne!(keys.seal(place("token"), &secret).unwrap(), sealed, "nonces are random");
        let elsewhere = [
            place("other"),
            SecretPlace { id: Uuid::from_u128(8), ..place("token") },
            SecretPlace { kind: Kind::Key, ..place("token") },
        ];
        for place in elsewhere {
            assert!(matches!(keys.open(place, &sealed), Err(StoreError::Unreadable(_))));
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let keys = keys(Some(1), &[]);
        let sealed = keys.seal(place("token"), &Secret::new("hush".to_owned())).unwrap();
        let text = sealed_text(&sealed).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = json!({"sealed": String::from_utf8(bytes).unwrap()});
            assert!(keys.open(place("token"), &changed).is_err(), "at {at}");
        }
        let odd = [json!("1.a.b"), json!({"sealed": 1}), json!({"sealed": ""}), json!(null)];
        for value in odd {
            assert!(keys.open(place("token"), &value).is_err(), "{value}");
        }
    }

    #[test]
    fn keys_are_changed_without_a_word_lost() {
        let (old, both, new) = (keys(Some(1), &[]), keys(Some(2), &[1]), keys(Some(2), &[]));
        let secret = Secret::new("hush".to_owned());
        let mut record = Record::new(Kind::KeyManager, Uuid::from_u128(7), "is7");
        let sealed = |field| old.seal(place(field), &secret).unwrap();
        record.declared = serde_json::from_value(json!({
            "registration": {"token": sealed("token")}, "secrets": [sealed("secrets")], "n": 1
        }))
        .unwrap();
        let refused = new.reseal(&mut record).unwrap_err().to_string();
        assert!(refused.contains("previous_encryption_keys"), "{refused}");
        assert_eq!(both.reseal(&mut record).unwrap(), 2);
        assert_eq!(both.reseal(&mut record).unwrap(), 0);
        let token = &record.declared["registration"]["token"];
        assert_eq!(new.open(place("token"), token).unwrap(), secret);
        assert_eq!(new.open(place("secrets"), &record.declared["secrets"][0]).unwrap(), secret);
        assert!(old.open(place("token"), token).is_err());
    }

    #[test]
    fn without_a_key_nothing_is_kept() {
        let none = keys(None, &[1]);
        let refused = none.seal(place("token"), &Secret::default()).unwrap_err();
        assert!(matches!(refused, StoreError::NoEncryptionKey) && !none.can_seal());
        let sealed = keys(Some(1), &[]).seal(place("token"), &Secret::default()).unwrap();
        assert_eq!(none.open(place("token"), &sealed).unwrap(), Secret::default());
    }
}
