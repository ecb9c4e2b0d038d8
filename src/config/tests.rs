//! Whole files in, models and reports out.

use std::fs;
use std::path::Path;

use super::*;
use crate::model::gateway::ByteLimit;
use crate::model::identity::Identities;

mod documented;
mod effects;
mod files;
mod proxies;
mod quarantine;
mod read_again;
mod streams;
mod throttling;
mod traces;
mod unlikely;

fn load_text(text: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    load_in(folder.path(), text)
}

fn load_in(folder: &Path, text: &str) -> Result<Loaded, String> {
    let path = folder.join("gateway.toml");
    fs::write(&path, text).unwrap();
    load(&path).map_err(|report| report.to_string())
}

fn report(text: &str) -> String {
    load_text(text).map(|_| ()).expect_err(text)
}

const LISTENER: &str = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n";
const KEY_MANAGER: &str = "[[key_managers]]\nname = \"km\"\nissuer = \"https://i\"\ncertificates = \
                           { jwks = \"https://i/jwks\" }\n";
const API: &str = "[[apis]]\nname = \"a\"\nversion = \"1\"\ncontext = \"/a\"\nproduction = { urls \
                   = [\"http://b\"] }\noperations = [{ method = \"GET\", path = \"/x\" }]\n";

#[test]
fn an_empty_file_opens_nothing() {
    let model = load_text("").unwrap().model;
    assert!(
        model.listeners.is_empty()
            && model.management.is_none()
            && model.apis.is_empty()
            && model.key_managers.is_empty()
    );
    assert_eq!(model.limits.max_headers, 100);
    assert_eq!(model.limits.max_body_bytes, ByteLimit::None);
    assert_eq!(model.telemetry.max_series, 10_000);
}

#[test]
fn a_gateway_that_serves_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    for (text, words) in [
        (String::new(), "no [[listeners]]"),
        ("[gateway]\nworkers = 2\n".to_owned(), "no [[listeners]]"),
        (LISTENER.to_owned(), "no [[apis]]"),
        (API.to_owned(), "no [[listeners]]"),
        ("include = [\"conf.d/*.toml\"]\n".to_owned(), "does `include` match nothing?"),
    ] {
        fs::write(&path, &text).unwrap();
        let report =
            load_gateway(&path, &Identities::default()).map(|_| ()).unwrap_err().to_string();
        assert!(report.contains(words) && report.contains("1 error"), "{text:?}: {report}");
    }
    fs::write(&path, format!("{LISTENER}{API}")).unwrap();
    load_gateway(&path, &Identities::default()).unwrap();
}

#[test]
fn a_revocation_channel_is_an_address_and_its_password_is_never_shown() {
    let channel =
        |text: &str| load_text(&format!("[revocation]\n{text}")).unwrap().model.revocation_channel;
    assert_eq!(channel("channel = \"none\""), None);
    let found = channel("channel = \"rediss://gateway:s3cret@redis.example:6380/2\"").unwrap();
    assert_eq!(
        (found.at.host.as_str(), found.at.port, found.login.database, found.login.tls.is_some()),
        ("redis.example", 6380, 2, true)
    );
    assert!(!format!("{found:?}").contains("s3cret"));
    for (text, words) in [
        ("channel = \"redis://:s3cret@h:x\"", "not an address"),
        ("channel = \"memcached://h\"", "not an address"),
        ("channel = { env = \"PORTCULLIS_TEST_NOT_SET\" }", "not set"),
        ("channel = 6379", "revocation.channel"),
        ("channel = \"redis://h\"\nca = \"none.pem\"", "none.pem"),
    ] {
        let report = report(&format!("[revocation]\n{text}"));
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn a_value_that_asks_for_nothing_is_taken() {
    load_text(&format!(
        "{KEY_MANAGER}token_generation = false\nclaim_mapping = {{}}\ntoken_handling = \
         []\npermissions = {{ type = \"public\" }}\nintrospection_cache = \"0s\"\n{API}policy = \
         \"Unlimited\"\npolicies = []\nbackend_jwt = false\nrequest_headers = {{}}\n[store]\nurl = \
         \"none\"\n[[applications]]\nname = \"x\"\npolicy = \"Unlimited\"\nattributes = \
         {{}}\nsubscriptions = [{{ api = \"a:1\", policy = \"Unlimited\" }}]\n"
    ))
    .unwrap();
}

#[test]
fn all_errors_come_at_once_with_their_places() {
    let report = report(
        "[limits]\nidle_timout = \"5s\"\nmax_headers = \"many\"\nheader_timeout = \"5 \
         s\"\n[gatewy]\n",
    );
    for part in [
        "gateway.toml:2:1",
        "did you mean `idle_timeout`",
        "gateway.toml:3:15",
        "must be a whole number",
        "gateway.toml:4:18",
        "is not a duration",
        "did you mean `gateway`",
        "^^^",
        "4 errors",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let report = self::report("[limits\nmax_headers = 5\n[gateway]\nworkers = 0\n");
    assert!(report.contains("this is not TOML"), "{report}");
}

#[test]
fn references_are_checked() {
    for (more, parts) in [
        (
            "key_managers = [\"kn\"]\n",
            &["there is no key manager \"kn\"", "did you mean \"km\""][..],
        ),
        (
            "[[applications]]\nname = \"x\"\nsubscriptions = [{ api = \"a:2\" }]\n",
            &["there is no API \"a:2\"", "has these versions: 1"],
        ),
        ("[[applications]]\nname = \"x\"\nsubscriptions = [{ api = \"a\" }]\n", &["name:version"]),
        (
            "[[applications]]\nname = \"x\"\nkeys = [{ type = \"production\", key_manager = \
             \"km\", consumer_key = \"k\" }]\n[[applications]]\nname = \"y\"\nkeys = [{ type = \
             \"sandbox\", key_manager = \"km\", consumer_key = \"k\" }]\n",
            &["belongs to application \"x\" already", "the other is at"],
        ),
        (
            "[[applications]]\nname = \"x\"\n[[applications]]\nname = \"x\"\n",
            &["is defined twice", "the other is at"],
        ),
        (
            "[[apis]]\nname = \"b\"\nversion = \"1\"\ncontext = \"/a\"\nproduction = { urls = \
             [\"http://b\"] }\n",
            &["API b 1 is served at /a/1, and so is API a 1"],
        ),
        (
            "[[key_managers]]\nname = \"two\"\nissuer = \"https://i\"\ncertificates = { jwks = \
             \"https://i/jwks\" }\n",
            &["which of them validates a token"],
        ),
        (
            "[[key_managers]]\nname = \"km\"\nissuer = \"https://j\"\ncertificates = { jwks = \
             \"https://i/jwks\" }\n",
            &["key manager \"km\" is defined twice"],
        ),
    ] {
        let report = report(&format!("{KEY_MANAGER}{API}{more}"));
        for part in parts {
            assert!(report.contains(part), "{part}: {report}");
        }
    }
    let report = report(
        "[[apis]]\nname = \"a\"\nversion = \"1\"\ncontext = \"/a\"\nproduction = { urls = \
         [\"http://b\"] }\noperations = [{ method = \"GET\", path = \"/{id}\" }, { method = \
         \"GET\", path = \"/{name}\" }]\n",
    );
    assert!(report.contains("operation GET /{name} is defined twice"), "{report}");
}

#[test]
fn key_managers_are_safe_or_refused() {
    let with = |lines: &str| {
        report(&format!("[[key_managers]]\nname = \"km\"\nissuer = \"https://i\"\n{lines}\n"))
    };
    assert!(
        with("certificates = { jwks = \"http://i/jwks\" }").contains("not fetched over plain http")
    );
    assert!(
        with("certificates = { jwks = \"https://i\", pem = \"x\" }").contains("exactly one of")
    );
    assert!(with("").contains("has no source of keys"));
    for algorithm in ["none", "HS256"] {
        let report = with(&format!(
            "certificates = {{ jwks = \"https://i\" }}\nalgorithms = [\"{algorithm}\"]"
        ));
        assert!(report.contains("is never accepted"), "{report}");
    }
    assert!(
        with("certificates = { jwks = \"https://i\" }\nleeway = \"1h\"").contains("at most 5m")
    );
    assert!(
        with("certificates = { jwks = \"https://i\" }\ntype = \"Oktaa\"")
            .contains("did you mean \"Okta\"")
    );
    load_text(
        "[[key_managers]]\nname = \"km\"\nissuer = \"https://i\"\ncertificates = { jwks = \
               \"http://127.0.0.1:1/jwks\" }\n",
    )
    .unwrap();
    let allowed = load_text(
        "[key_manager_defaults]\nallow_http = true\n[[key_managers]]\nname = \"km\"\nissuer = \
         \"https://i\"\ncertificates = { jwks = \"http://i/jwks\" }\n",
    );
    assert!(allowed.unwrap().warnings.to_string().contains("plain http"));
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    let operation =
        &schema["properties"]["apis"]["items"]["properties"]["operations"]["items"]["properties"];
    assert_eq!(operation["auth"]["enum"][0], "required");
}

#[test]
fn no_report_shows_a_secret() {
    let user = "[management]\naddress = \"127.0.0.1:1\"\n";
    for text in [
        // one line with a secret and a mistake
        format!("{user}users = [ {{ name = 7, password_hash = \"s3cret\", roles = [\"admin\"] }} \
                 ]\n"),
        // a misspelled key
        format!("{user}users = [ {{ name = \"a\", pasword = \"s3cret\", roles = [] }} ]\n"),
        "[[key_managers]]\nname = \"k\"\ncredentials = { usrname = \"u\", password = \"s3cret\" \
         }\n".to_owned(),
        "[[key_managers]]\nname = \"k\"\ncredentials = \"u:s3cret\"\n".to_owned(),
        "[[key_managers]]\nname = \"k\"\ncredentials = { username = \"u\", password = 12\"s3cret\" \
         }\n".to_owned(),
        "[[key_managers]]\nname = \"k\"\ncredentials = { password = \"\"\"\ns3cret\n".to_owned(),
        "[[key_managers]]\nname = \"k\"\ncredentials = { password = \"\"\"\ns3cret\"\"\", x = 1 \
         }\n".to_owned(),
        "[revocation]\nchannel = \"redis://u:s3cret@h:x\"\n".to_owned(),
        "[revocation]\nchannel = [\"redis://u:s3cret@h\"]\n".to_owned(),
        "[store]\nurl = \"postgres://u:s3cret@h/db\"\n".to_owned(),
        "[key_manager_defaults]\nproxy = \"ftp://u:s3cret@h\"\n".to_owned(),
        "[[apis]]\nname = \"a\"\nversion = \"1\"\ncontext = \"/a\"\nproduction = { urls = \
         [\"ftp://u:s3cret@h\"] }\n"
            .to_owned(),
        "[[key_managers]]\nname = \"k\"\nissuer = 5\nwell_known_url = \"http://u:s3cret@h\"\n"
            .to_owned(),
        "password = s3cret\n".to_owned(),
        "[backend_jwt]\nkey = \"-----BEGIN PRIVATE KEY-----\\ns3cret\"\nheader = 1\n".to_owned(),
    ] {
        let report = report(&text);
        assert!(!report.contains("s3cret"), "{text}\n{report}");
    }
}
