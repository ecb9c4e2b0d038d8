//! Gains and losses, on whole configurations.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::config;
use crate::model::Model;
use crate::model::identity::Identities;

const BASE: &str = r#"
[[listeners]]
name = "http"
address = "127.0.0.1:0"

[[key_managers]]
name = "A"
issuer = "https://a.example"
certificates = { jwks = "https://a.example/jwks" }

[[key_managers]]
name = "B"
issuer = "https://b.example"
certificates = { jwks = "https://b.example/jwks" }

[[apis]]
name = "accounts"
version = "1.0.0"
context = "/accounts"
production = { urls = ["http://127.0.0.1:1"] }
sandbox = { urls = ["http://127.0.0.1:2"] }
operations = [
  { method = "GET", path = "/accounts" },
  { method = "POST", path = "/payments", scopes = ["pay"] },
]

[[applications]]
name = "Shop"
owner = "ann"
keys = [
  { type = "production", key_manager = "A", consumer_key = "one" },
  { type = "sandbox", key_manager = "B", consumer_key = "two" },
]
subscriptions = [{ api = "accounts:1.0.0" }]

[[applications]]
name = "Idle"
owner = "ben"
keys = [{ type = "production", key_manager = "A", consumer_key = "three" }]
"#;

const ALL: &str = "all of accounts:1.0.0 (GET /accounts/1.0.0/accounts, \
                   POST /accounts/1.0.0/payments)";

fn model(folder: &Path, identities: &Identities, text: &str) -> Model {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    match config::load_gateway(&path, identities) {
        Ok(loaded) => loaded.model,
        Err(report) => panic!("{}", report.render(config::ReportStyle::Plain)),
    }
}

/// The lines of one replacement, in both directions.
fn lines(from: &str, to: &str) -> [Vec<String>; 2] {
    assert!(BASE.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let identities = Identities::default();
    let before = model(folder.path(), &identities, BASE);
    let after = model(folder.path(), &identities, &BASE.replacen(from, to, 1));
    let (before, after) = (AccessState::of(&before), AccessState::of(&after));
    [before.difference(&after, Among::All).lines(), after.difference(&before, Among::All).lines()]
}

#[test]
fn the_same_configuration_changes_nobodys_access() {
    assert_eq!(lines("name = \"Shop\"", "name = \"Shop\" # a line above"), [[""; 0]; 2]);
    // a description of the key manager or another order of keys is no access
    assert_eq!(lines("owner = \"ben\"", "owner = \"eve\""), [[""; 0]; 2]);
}

#[test]
fn a_subscription_gives_all_of_an_api() {
    let subscribed = "\"three\" }]\nsubscriptions = [{ api = \"accounts:1.0.0\" }]";
    let [gains, loses] = lines("\"three\" }]", subscribed);
    assert_eq!(gains, [format!("Idle (ben) gains {ALL}")]);
    assert_eq!(loses, [format!("Idle (ben) loses {ALL}")]);
    let [gone, _] = lines("[[applications]]\nname = \"Shop\"", "[[applications]]\nname = \"New\"");
    assert_eq!(gone, [format!("New (ann) gains {ALL}"), format!("Shop (ann) loses {ALL}")]);
}

#[test]
fn a_blocked_subscription_gives_nothing_and_a_half_blocked_one_the_sandbox() {
    let state = |state: &str| format!("{{ api = \"accounts:1.0.0\", status = \"{state}\" }}");
    let written = "{ api = \"accounts:1.0.0\" }";
    let [blocked, _] = lines(written, &state("blocked"));
    assert_eq!(blocked, [format!("Shop (ann) loses {ALL}")]);
    let [half, back] = lines(written, &state("prod_only_blocked"));
    assert_eq!(half, [format!("Shop (ann) loses {ALL} with its production key of \"A\"")]);
    assert_eq!(back, [format!("Shop (ann) gains {ALL} with its production key of \"A\"")]);
}

#[test]
fn key_managers_decide_which_keys_count() {
    let narrow = "context = \"/accounts\"\nkey_managers = [\"A\"]";
    let [loses, _] = lines("context = \"/accounts\"", narrow);
    assert_eq!(loses, [format!("Shop (ann) loses {ALL} with its sandbox key of \"B\"")]);
    let [loses, _] = lines("name = \"A\"", "name = \"A\"\nenabled = false");
    assert_eq!(loses, [format!("Shop (ann) loses {ALL} with its production key of \"A\"")]);
    let without = "sandbox = { urls = [\"http://127.0.0.1:2\"] }\n";
    let [loses, _] = lines(without, "");
    assert_eq!(loses, [format!("Shop (ann) loses {ALL} with its sandbox key of \"B\"")]);
}

#[test]
fn operations_come_and_go_for_subscribers() {
    let get = "  { method = \"GET\", path = \"/accounts\" },\n";
    let [loses, gains] = lines(get, "");
    assert_eq!(loses, ["Shop (ann) loses GET /accounts/1.0.0/accounts"]);
    assert_eq!(gains, ["Shop (ann) gains GET /accounts/1.0.0/accounts"]);
    let [moved, _] = lines("context = \"/accounts\"", "context = \"/a\"");
    assert_eq!(
        moved,
        [
            "Shop (ann) gains GET /a/1.0.0/accounts, POST /a/1.0.0/payments",
            "Shop (ann) loses GET /accounts/1.0.0/accounts, POST /accounts/1.0.0/payments",
        ]
    );
}

#[test]
fn what_is_open_to_everybody_is_told_first() {
    let get = "{ method = \"GET\", path = \"/accounts\" }";
    let open = "{ method = \"GET\", path = \"/accounts\", auth = \"none\" }";
    let [opened, closed] = lines(get, open);
    assert_eq!(opened[0], "everybody without a token gains GET /accounts/1.0.0/accounts");
    assert_eq!(closed[0], "everybody without a token loses GET /accounts/1.0.0/accounts");
    let context = "context = \"/accounts\"";
    let unsubscribed = format!("{context}\nsubscription_required = false");
    let [any, again] = lines(context, &unsubscribed);
    let both = "GET /accounts/1.0.0/accounts, POST /accounts/1.0.0/payments";
    // an application that was subscribed keeps its access
    assert_eq!(any, [format!("every valid token gains {both}")]);
    assert_eq!(again, [format!("every valid token loses {both}")]);
    let [scope, _] = lines("scopes = [\"pay\"]", "scopes = [\"pay\", \"admin\"]");
    assert_eq!(
        scope,
        ["every valid token keeps POST /accounts/1.0.0/payments if it has one of the scopes \
          admin, pay, not the scope pay"]
    );
}

#[test]
fn an_organization_narrows_tokens() {
    let owner = "owner = \"ann\"";
    let [narrowed, _] = lines(owner, "owner = \"ann\"\norganization = \"acme\"");
    assert_eq!(
        narrowed,
        ["Shop (ann) keeps its access with tokens of the organization \"acme\" instead of those \
          of any organization"]
    );
}

#[test]
fn many_lines_are_counted_and_only_named_applications_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let identities = Identities::default();
    let before = model(folder.path(), &identities, BASE);
    let mut more = String::new();
    for number in 0..150 {
        write!(
            more,
            "[[applications]]\nname = \"app-{number:03}\"\nkeys = [{{ type = \"production\", \
             key_manager = \"A\", consumer_key = \"c{number}\" }}]\n\
             subscriptions = [{{ api = \"accounts:1.0.0\" }}]\n"
        )
        .unwrap();
    }
    let after = model(folder.path(), &identities, &format!("{BASE}{more}"));
    let before = AccessState::of(&before);
    // the APIs are the same, so only the named applications are compared
    let after = before.with_directory(&after.directory);
    let all = before.difference(&after, Among::All);
    assert_eq!((all.changes.len(), all.more), (100, 50));
    assert_eq!(all.lines().last().unwrap(), "and 50 more changes of access");
    let names = ["app-007", "Shop"].into();
    let some = before.difference(&after, Among::Named(&names));
    assert_eq!(some.lines(), [format!("app-007 gains {ALL}")]);
    assert!(before.difference(&before, Among::All).is_empty());
}
