//! Settings that work but are probably not meant.

use super::{API, KEY_MANAGER, LISTENER, load_text, report};

const APP: &str = "[[applications]]\nname = \"app\"\n\
                   keys = [{ type = \"production\", key_manager = \"km\", consumer_key = \"c\" }]\n\
                   subscriptions = [{ api = \"a:1\" }]\n";

fn warnings(key_manager: &str, api: &str, applications: &str) -> String {
    let key_manager = KEY_MANAGER.replace("name = ", &format!("{key_manager}\nname = "));
    let api = API.replace("context = ", &format!("{api}\ncontext = "));
    let text = format!("{LISTENER}{key_manager}{api}{applications}");
    load_text(&text).unwrap().warnings.problems().collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let audience = "audiences = [\"us\"]";
    for (key_manager, api, applications, words) in [
        (audience, "", APP, None),
        ("", audience, APP, None),
        ("", "", APP, Some("no audience is checked: neither API a 1 nor the key manager")),
        (audience, "", "", Some("no application is subscribed to API a 1")),
        (audience, "subscription_required = false", "", None),
        (audience, "lifecycle = \"retired\"", "", None),
        (
            audience,
            "",
            &format!(
                "{APP}[[applications]]\nname = \"idle\"\nsubscriptions = [{{ api = \"a:1\" }}]\n"
            ),
            Some("application \"idle\" has no keys"),
        ),
        ("type = \"Cognito\"", "", APP, None),
        (
            "type = \"Cognito\"\naudiences = [\"us\"]",
            "",
            APP,
            Some("access tokens of Cognito have no `aud`"),
        ),
        ("type = \"Cognito\"", audience, APP, Some("accepts tokens of key manager \"km\"")),
        (
            "audiences = [\"us\"]\nintrospection_endpoint = \"https://i/introspect\"",
            "",
            APP,
            Some("`introspection_endpoint` has no effect"),
        ),
        (
            "audiences = [\"us\"]\ncredentials = { method = \"none\" }\nintrospection_endpoint = \
             \"https://i/introspect\"",
            "",
            APP,
            None,
        ),
    ] {
        let found = warnings(key_manager, api, applications);
        match words {
            Some(words) => assert!(found.contains(words), "{key_manager} {api}: {words}: {found}"),
            None => assert_eq!(found, "", "{key_manager} {api}"),
        }
    }
}

/// A template accepts tokens of organizations that are not listed, so it counts as a key manager.
#[test]
fn a_template_is_warned_of_like_a_key_manager() {
    let template = "[[key_managers]]\nname = \"km\"\nissuer = \"https://i.example/{org}\"\n\
                    certificates = { jwks = \"https://i.example/{org}/jwks\" }\n\
                    organization_pattern = \"[a-z]+\"\n";
    let application = APP.replace("name = \"app\"", "name = \"app\"\norganization = \"one\"");
    for (line, warned) in [("", true), ("audiences = [\"us\"]\n", false)] {
        let text = format!("{LISTENER}{template}{line}{API}{application}");
        let loaded = load_text(&text).unwrap();
        let found = loaded.warnings.problems().collect::<Vec<_>>().join("\n");
        assert_eq!(found.contains("no audience is checked"), warned, "{found}");
        assert_eq!((loaded.model.key_managers.len(), loaded.model.templates.len()), (0, 1));
    }
}

#[test]
fn what_is_wrong_comes_alone() {
    let text = format!("{LISTENER}{KEY_MANAGER}{}", API.replace("urls", "url"));
    let report = load_text(&text).unwrap_err();
    assert!(!report.contains("no application is subscribed"), "{report}");
}

#[test]
fn the_example_is_clean() {
    let loaded = load_text(
        &include_str!("../../../gateway.toml")
            .replace("[listeners.tls]", "#")
            .replace("certificate = \"certs", "#")
            .replace("key = \"certs", "#"),
    );
    let warnings: Vec<_> = loaded.unwrap().warnings.problems().collect();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_default_that_does_nothing_is_no_mistake() {
    let key_manager = format!(
        "{KEY_MANAGER}introspect_every = \"60s\"\non_introspection_failure = \"refuse\"\n\
         credentials_for = []\n"
    );
    let policy = "[[throttling_policies]]\nname = \"p\"\nlevel = \"subscription\"\nrequests = 5\n\
                  per = \"1m\"\nper_user = false\n";
    load_text(&format!("{key_manager}{policy}")).unwrap();
    for (from, to) in [
        ("\"60s\"", "\"61s\""),
        ("\"refuse\"", "\"allow\""),
        ("[]", "[{ organization = \"a\", file = \"a.toml\" }]"),
    ] {
        let wrong = key_manager.replacen(from, to, 1);
        assert_ne!(wrong, key_manager);
        report(&wrong);
    }
    report(&policy.replace("false", "true"));
}

#[test]
fn the_keys_of_another_database_are_told_of() {
    let loaded = load_text("[store]\npassword = \"secret\"\n").unwrap();
    let told = loaded.warnings.problems().collect::<Vec<_>>().join("\n");
    assert!(told.contains("`store.password` does nothing: it is for PostgreSQL"), "{told}");
}
