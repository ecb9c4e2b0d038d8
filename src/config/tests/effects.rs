//! Every key has an effect: with another value, or without it, the model differs.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::*;
use crate::config::contract::{KeyRule, ROOT, TableRule, ValueKind};

/// Secrets that must be present wherever they are written, and that no `Debug` shows. Only a login
/// shows their effect.
const SECRETS: &[&str] = &["key_managers.credentials.password", "management.users.password_hash"];

/// Ids that the REST API shows and finds objects by; the model has no use for them.
const IDS: &[&str] = &[
    "apis.id",
    "applications.id",
    "applications.keys.id",
    "applications.subscriptions.id",
    "deny_conditions.id",
    "key_managers.id",
    "throttling_policies.id",
];

/// Keys that change only the model. Application developers and operators read them in the file, and
/// the gateway does not use them. The contract and the manual say so for each.
const FOR_PEOPLE: &[&str] = &[
    "key_managers.display_name",
    "key_managers.description",
    "key_managers.display_token_endpoint",
    "key_managers.revoke_endpoint",
    "key_managers.display_revoke_endpoint",
    "key_managers.userinfo_endpoint",
    "key_managers.authorize_endpoint",
    "key_managers.scope_management_endpoint",
    "key_managers.grant_types",
];

/// A file with every key whose feature exists.
pub(super) const WHOLE: &str = include_str!("whole.toml");

/// Strings to write in place of a value; for each key some of them are valid.
const TEXTS: &[&str] = &[
    "other",
    "https://other.example/x",
    "http://127.0.0.1:7",
    "127.0.0.1:7",
    "/other",
    "POST",
    "X-Other",
    "redis://127.0.0.1:7",
    "postgres://other@127.0.0.1/other",
    "none",
    "other:1",
    "alone:2",
    "km-reference",
    "carbon.super/two",
    "other.pem",
    "certificate-other.pem",
    "renewed-one.pem",
    "km-pem",
    "carbon.super/one",
    "two.toml",
    "^other$",
    "Silver",
    "Unauthenticated",
    "192.0.2.7",
    "1month",
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
     -----END PUBLIC KEY-----\n",
    "other",
];

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one",
"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The way to one value of the file.
#[derive(Debug, Clone)]
enum Step {
    Key(&'static str),
    Element(usize),
}

#[test]
fn every_key_has_an_effect() {
    let stage = Stage::new();
    let mut whole: Table = WHOLE.parse().unwrap();
    // a sandbox may have everything that production has
    let api = &mut whole["apis"][0];
    api["sandbox"] = api["production"].clone();
    let as_written = stage.resolved(&whole).unwrap_or_else(|report| panic!("{report}"));
    let mut idle = BTreeSet::new();
    each_key(&ROOT, &mut Vec::new(), &mut |names, rule| {
        let name = names.join(".");
        let mut places = Vec::new();
        find(&Value::Table(whole.clone()), names, &mut Vec::new(), &mut places);
        assert!(!places.is_empty(), "{name} is not written in whole.toml");
        let has_effect = places.iter().any(|place| {
            others(rule, at(&whole, place)).into_iter().any(|other| {
                let changed = stage.resolved(&with(&whole, place, other));
                changed.is_ok_and(|changed| changed != as_written)
            })
        });
        if !has_effect {
            idle.insert(name);
        }
    });
    let idle: BTreeSet<_> = idle.iter().map(String::as_str).collect();
    let expected: BTreeSet<_> = SECRETS.iter().chain(IDS).copied().collect();
    assert_eq!(idle, expected, "keys without an effect");
}

#[test]
fn keys_for_people_are_said_to_be_such() {
    let mut said = Vec::new();
    each_key(&ROOT, &mut Vec::new(), &mut |names, rule| {
        if rule.about.starts_with("For people") || rule.about.starts_with("For application dev") {
            said.push(names.join("."));
        }
    });
    assert_eq!(said, FOR_PEOPLE);
}

/// A folder with the files that are named in the whole one.
pub(super) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("more.toml", "[[listeners]]\nname = \"included\"\naddress = \"127.0.0.1:0\"\n");
        write("one.toml", "username = \"of-one\"\npassword = \"p\"\n");
        write("two.toml", "username = \"of-two\"\npassword = \"p\"\n");
        for name in ["one.pem", "two.pem", "other.pem"] {
            let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
            write(name, &(made.signing_key.serialize_pem() + &made.cert.pem()));
            write(&format!("certificate-{name}"), &made.cert.pem());
            let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let renewed = params.self_signed(&made.signing_key).unwrap();
            write(&format!("renewed-{name}"), &(made.signing_key.serialize_pem() + &renewed.pem()));
        }
        write("keys.json", KEYS);
        write("other", KEYS);
        write("applications.jsonl", "{\"name\":\"from-a-file\",\"owner\":\"o\"}\n");
        Self { folder }
    }

    /// Returns the resolved model without its places.
    pub(super) fn resolved(&self, file: &Table) -> Result<String, String> {
        let loaded = load_in(self.folder.path(), &toml::to_string(file).unwrap())?;
        let text = format!("{:?}", loaded.model);
        let text = without(&text, "Provenance {", '}');
        // a table has another seed each time, and with it another order
        let text = without(&text, "per_hasher_seed: ", ' ');
        let mut parts: Vec<&str> =
            text.split(['{', '}', '[', ']', '(', ')', ',']).map(str::trim).collect();
        parts.sort_unstable();
        Ok(parts.join(", "))
    }
}

/// Returns the text without the parts between each `start` and the next `end`.
fn without(text: &str, start: &str, end: char) -> String {
    let mut parts = text.split(start);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(part.split_once(end).map_or("", |(_, rest)| rest));
    }
    kept
}

/// Returns each key, with the names of the tables that it is in.
fn each_key(
    rule: &'static TableRule,
    names: &mut Vec<&'static str>,
    tell: &mut impl FnMut(&[&'static str], &KeyRule),
) {
    for key in rule.keys {
        names.push(key.name);
        match key.kind {
            // a table has an effect through its keys
            ValueKind::Table(inner) | ValueKind::Tables(inner) => each_key(inner, names, tell),
            ValueKind::TextsOrTables(inner) => {
                tell(names, key);
                each_key(inner, names, tell);
            }
            _ => tell(names, key),
        }
        names.pop();
    }
}

/// Returns the places of a key: one for each table of an array.
fn find(value: &Value, names: &[&'static str], way: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
    match (value, names) {
        (_, []) => places.push(way.clone()),
        (Value::Table(table), [name, rest @ ..]) => {
            let Some(inner) = table.get(*name) else { return };
            way.push(Step::Key(name));
            find(inner, rest, way, places);
            way.pop();
        }
        (Value::Array(elements), _) => {
            for (position, element) in elements.iter().enumerate() {
                way.push(Step::Element(position));
                find(element, names, way, places);
                way.pop();
            }
        }
        _ => {}
    }
}

fn at<'v>(file: &'v Table, place: &[Step]) -> &'v Value {
    let [Step::Key(first), rest @ ..] = place else { panic!("{place:?}") };
    rest.iter().fold(&file[*first], |value, step| match step {
        Step::Key(name) => &value[*name],
        Step::Element(position) => &value[*position],
    })
}

/// The file with another value at this place, or without it.
fn with(file: &Table, place: &[Step], other: Option<Value>) -> Table {
    let mut file = Value::Table(file.clone());
    let [way @ .., Step::Key(last)] = place else { panic!("{place:?}") };
    let table = way.iter().fold(&mut file, |value, step| match step {
        Step::Key(name) => &mut value[*name],
        Step::Element(position) => &mut value[*position],
    });
    let table = table.as_table_mut().unwrap();
    match other {
        Some(other) => table.insert((*last).to_owned(), other),
        None => table.remove(*last),
    };
    let Value::Table(file) = file else { panic!("a file is a table") };
    file
}

/// Returns replacements of a value: nothing, or another value of its kind.
fn others(rule: &KeyRule, written: &Value) -> Vec<Option<Value>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect();
    let values: Vec<Value> = match (rule.kind, written) {
        (ValueKind::Text, _) => texts(TEXTS),
        (ValueKind::Choice(choices), _) => texts(choices),
        (ValueKind::Choices(choices), _) => {
            choices.iter().map(|choice| Value::from(vec![*choice])).collect()
        }
        (ValueKind::FreeTable, _) => {
            vec![Value::Table(Table::from_iter([("other".to_owned(), "other".into())]))]
        }
        (ValueKind::Texts | ValueKind::TextsOrTables(_), _) => {
            TEXTS.iter().map(|text| Value::from(vec![*text])).collect()
        }
        (ValueKind::Duration, _) => texts(&["7s", "700ms", "7m", "none"]),
        (ValueKind::Size, _) => texts(&["7KiB", "70KiB", "none"]),
        (_, Value::Boolean(flag)) => vec![Value::from(!flag)],
        (_, Value::Integer(number)) => vec![Value::from(number + 1), Value::from(number - 1)],
        (_, Value::Float(number)) => vec![Value::from(number / 2.0)],
        _ => Vec::new(),
    };
    let values = values.into_iter().filter(|value| value != written).map(Some);
    std::iter::once(None).chain(values).collect()
}
