//! Files that a configuration names: included, streamed, paired, refused.

use std::fs;

use super::{API, KEY_MANAGER, load_in};
use crate::model::gateway::Protocols;
use crate::model::names::{ApiSlot, KeyManagerSlot};

#[test]
fn a_certificate_and_its_key_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let clock = crate::supervise::clock::SystemClock;
    crate::demo::certificates::make(&folder.path().join("one"), &clock).unwrap();
    crate::demo::certificates::make(&folder.path().join("two"), &clock).unwrap();
    let listener = |certificate: &str, key: &str| {
        format!(
            "[[listeners]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\ntls = {{ certificate = \
             \"{certificate}\", key = \"{key}\" }}\n"
        )
    };
    let good = load_in(folder.path(), &listener("one/gateway.crt", "one/gateway.key")).unwrap();
    assert_eq!(good.model.listeners[0].protocols, Protocols::Both);
    assert!(good.watched.iter().any(|path| path.ends_with("one/gateway.key")));
    let other =
        load_in(folder.path(), &listener("one/gateway.crt", "two/gateway.key")).unwrap_err();
    assert!(other.contains("is not the key of the first certificate"), "{other}");
    let swapped =
        load_in(folder.path(), &listener("one/gateway.key", "one/gateway.crt")).unwrap_err();
    assert!(swapped.contains("holds no PEM"), "{swapped}");
}

#[test]
fn includes_make_one_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(folder.path().join("conf.d/10-api.toml"), API).unwrap();
    fs::write(folder.path().join("conf.d/20-km.toml"), KEY_MANAGER).unwrap();
    let main = "include = [\"conf.d/*.toml\"]\n[limits]\nmax_headers = 50\n";
    let loaded = load_in(folder.path(), main).unwrap();
    assert_eq!((loaded.model.apis.len(), loaded.model.key_managers.len()), (1, 1));
    assert_eq!(
        loaded.model.files.describe(loaded.model.apis[0].place).rsplit('/').next(),
        Some("10-api.toml:1")
    );
    assert_eq!(loaded.watched.len(), 3);
    fs::write(
        folder.path().join("conf.d/30-again.toml"),
        format!("{API}[limits]\nmax_headers = 60\n"),
    )
    .unwrap();
    let report = load_in(folder.path(), main).unwrap_err();
    assert!(
        report.contains("API \"a:1\" is defined twice") && report.contains("10-api.toml:2"),
        "{report}"
    );
    assert!(report.contains("[limits] stands in two files"), "{report}");
}

#[test]
fn only_plain_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let file = |path: &str| format!("{{ file = \"{path}\" }}");
    for (path, kind) in [("fifo", "a FIFO"), ("/dev/zero", "a device"), ("/", "a folder")] {
        for text in [
            format!("include = [\"{path}\"]\n"),
            format!("application_files = [\"{path}\"]\n"),
            format!("[revocation]\nchannel = {}\n", file(path)),
            format!(
                "[[key_managers]]\nname = \"km\"\nissuer = \"https://i\"\n\
                 certificates = {{ pem = \"{path}\" }}\n"
            ),
        ] {
            let report = load_in(folder.path(), &text).map(|_| ()).expect_err(&text);
            assert!(report.contains(&format!("it is {kind}, and only plain files")), "{report}");
        }
    }
}

#[test]
fn application_files_are_streamed_and_bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let line = |at: usize| {
        format!(
            "{{\"name\":\"app-{at}\",\"keys\":[{{\"type\":\"production\",\"key_manager\":\"km\",\
             \"consumer_key\":\"key-{at}\"}}],\"subscriptions\":[{{\"api\":\"a:1\"}}]}}"
        )
    };
    let lines: Vec<String> = (0..20_000).map(line).collect();
    fs::write(folder.path().join("apps.jsonl"), lines.join("\n")).unwrap();
    let main = format!("application_files = [\"apps.jsonl\"]\n{KEY_MANAGER}{API}");
    let directory = load_in(folder.path(), &main).unwrap().model.directory;
    assert_eq!(
        (directory.application_count(), directory.key_count(), directory.subscription_count()),
        (20_000, 20_000, 20_000)
    );
    for at in [0, 777, 19_999] {
        let mapping = directory.find(KeyManagerSlot(0), &format!("key-{at}")).unwrap();
        assert_eq!(directory.application(mapping.application).unwrap().name, format!("app-{at}"));
        assert!(directory.subscription(mapping.application, ApiSlot(0)).is_some());
    }
    assert!(
        directory.find(KeyManagerSlot(1), "key-0").is_none()
            && directory.find(KeyManagerSlot(0), "key-20000").is_none()
    );

    let bad = [
        line(0),
        "not json".into(),
        String::new(),
        line(0),
        line(1).replace("a:1", "b:1"),
        line(2).replace("name", "nmae"),
    ]
    .join("\n");
    fs::write(folder.path().join("apps.jsonl"), bad).unwrap();
    let report = load_in(folder.path(), &main).unwrap_err();
    for part in [
        "apps.jsonl:2",
        "apps.jsonl:4",
        "is defined twice",
        "apps.jsonl:5",
        "there is no API \"b:1\"",
        "apps.jsonl:6",
        "unknown field `nmae`",
        "4 errors",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}
