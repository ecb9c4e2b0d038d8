//! Every TOML block is a configuration, or the part of one that its mark names.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use portcullis::config;
use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;
use toml::{Table, Value};

use crate::pages::{Block, Page, pages, root};

/// What a fragment of a key manager stands in.
const KEY_MANAGER: &str = r#"
name = "fragment"
issuer = "https://as.bank.example"
certificates = { jwks = "https://as.bank.example/jwks" }
"#;

/// What a fragment of an API stands in.
const API: &str = r#"
name = "fragment"
version = "1"
context = "/fragment"
production = { urls = ["http://127.0.0.1:8080"] }
operations = [{ method = "GET", path = "/*" }]
"#;

/// The key manager that a fragment of a whole file names.
const SSO: &str = r#"
[[key_managers]]
name = "sso"
issuer = "https://sso.bank.example"
certificates = { jwks = "https://sso.bank.example/jwks" }
"#;

#[test]
fn the_example_is_clean() {
    load(&fs::read_to_string(root().join("gateway.toml")).unwrap()).unwrap();
}

#[test]
fn every_block_is_accepted() {
    let (mut whole, mut fragments) = (0, 0);
    for page in pages() {
        for block in page.blocks("toml") {
            let text = match block.mark.strip_prefix("fragment: ") {
                Some(place) => {
                    fragments += 1;
                    completed(&page, &block, place)
                }
                None => {
                    whole += 1;
                    block.text.clone()
                }
            };
            load(&text).unwrap_or_else(|report| panic!("{}:\n{report}\n{text}", page.name()));
        }
    }
    assert!(whole > 30 && fragments > 5, "{whole} blocks, {fragments} fragments");
}

/// A file with a fragment at its place.
fn completed(page: &Page, block: &Block, place: &str) -> String {
    let list = |name: &str, base: &str, fragment: Table| {
        let mut table: Table = base.parse().unwrap();
        table.extend(fragment);
        Table::from_iter([(name.to_owned(), Value::Array(vec![table.into()]))]).to_string()
    };
    let fragment: Table = block.text.parse().unwrap_or_else(|error| panic!("{error}"));
    match place {
        "key_managers" => list("key_managers", KEY_MANAGER, fragment),
        "key_managers.credentials" => {
            let endpoint = "https://as.bank.example/introspect".into();
            let parts = [("introspection_endpoint", endpoint), ("credentials", fragment.into())];
            let parts = parts.map(|(name, value): (&str, Value)| (name.to_owned(), value));
            list("key_managers", KEY_MANAGER, Table::from_iter(parts))
        }
        "apis" => list("apis", API, fragment),
        // the end of the page's first file
        "whole" => {
            let file = page.blocks("toml").swap_remove(0).text;
            format!("{file}\n{SSO}\n{}", block.text)
        }
        _ => panic!("{}: the mark {place:?} is not known", page.name()),
    }
}

/// Loads a text beside the files that pages name; secrets come from files instead of the environment.
fn load(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("is-10084a8d.toml", "username = \"gateway\"\npassword = \"secret\"\n");
    let text = with_secrets(text, folder.path());
    write("gateway.toml", &text);
    let loaded = config::load(&folder.path().join("gateway.toml"));
    loaded.map(|_| ()).map_err(|report| report.to_string())
}

/// Each `env = "NAME"` as a file that holds something of its kind.
fn with_secrets(text: &str, folder: &Path) -> String {
    let mut parts = text.split("env = \"");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('"').expect("the end of a name");
        let secret = match name {
            "PORTCULLIS_NONCE_KEY" | "PORTCULLIS_STORE_KEY" => {
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
            }
            "PORTCULLIS_CHANNEL" => "rediss://gateway:secret@redis.bank.example/0",
            name if name.ends_with("_HASH") => {
                "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$9sXBtbEJ8sOlSPlhQ5yuKqYbXcmCRVHfqOSZBTCS9kc"
            }
            _ => "secret",
        };
        fs::write(folder.join(name), secret).unwrap();
        write!(written, "file = \"{name}\"{rest}").unwrap();
    }
    written
}
