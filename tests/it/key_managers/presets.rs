//! Every product's tokens get through with the default claims of its key manager type or a documented override, and are
//! refused once the server has dropped the key that signed them.

use crate::support::config::{Config, api, application};
use crate::support::gateway::json;
use crate::support::idp::Idp;
use crate::support::origin::Origin;

/// Preset, key manager type, and what must be written beside the defaults.
const PRESETS: [(&str, &str, &str); 10] = [
    ("wso2is", "WSO2-IS", ""),
    ("wso2is7", "WSO2-IS-7", ""),
    ("cognito", "Cognito", ""),
    ("auth0", "Auth0", ""),
    ("okta", "Okta", ""),
    // v1 tokens carry the client in `appid`; an application's permissions are in `roles`
    ("entra-v1", "AzureAD", "consumer_key_claim = \"appid\"\nscopes_claim = \"roles\""),
    ("entra-v2", "AzureAD", "scopes_claim = \"roles\""),
    ("keycloak", "KeyCloak", ""),
    // the connector's default is client_id_name; PingFederate's own is client_id
    ("pingfederate", "PingFederate", "consumer_key_claim = \"client_id\""),
    ("generic", "CustomKeyManager", "consumer_key_claim = \"client_id\""),
];

/// The API that every preset's client may use.
fn orders(origin: &Origin) -> Config {
    Config::new().api(api("orders:1.0.0").to(&origin.url()))
}

fn config(idp: &Idp, origin: &Origin) -> Config {
    PRESETS.into_iter().fold(orders(origin), |config, (preset, kind, extra)| {
        let (issuer, jwks) = (idp.issuer(preset), idp.jwks(preset));
        let source = format!(
            "type = \"{kind}\"\nissuer = \"{issuer}\"\ncertificates = {{ jwks = \"{jwks}\" }}\n\
             jwks_min_refetch = \"50ms\"\n{extra}"
        );
        let app = application(&format!("app-{preset}")).key(preset, idp.consumer_key(preset));
        config.key_manager(preset, &source).application(app)
    })
}

#[tokio::test]
async fn every_preset_passes_and_is_refused_when_its_key_is_gone() {
    let names: Vec<&str> = PRESETS.iter().map(|(preset, ..)| *preset).collect();
    let idp = Idp::start(&names).await;
    let origin = Origin::start();
    let gateway = config(&idp, &origin).start().await;
    gateway.ready().await;
    for preset in names {
        let token = idp.token(preset).await;
        let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
        assert_eq!(answer.status(), 200, "{preset}: {:?}", answer.body());

        idp.rotate(preset, "replace").await;
        let renewed = idp.token(preset).await;
        let answer = gateway.get("/orders/1.0.0/1", Some(&renewed)).await;
        assert_eq!(answer.status(), 200, "{preset} after the rotation: {:?}", answer.body());
        let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
        assert_eq!(answer.status(), 401, "{preset}: the old token after the rotation");
        assert_eq!(json(&answer)["code"], "900901", "{preset}");
    }
}

/// The blocks of docs/identity-providers.md, each with the preset that it is for.
fn documented() -> Vec<(String, toml::Table)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/identity-providers.md");
    let text = std::fs::read_to_string(path).unwrap();
    let block = |part: &str| {
        let (preset, rest) = part.split_once(" -->\n```toml\n").expect("a block behind its mark");
        let (block, _) = rest.split_once("```").expect("the end of the block");
        let mut table: toml::Table = block.parse().unwrap();
        let key_manager = table.remove("key_managers").unwrap().as_array().unwrap()[0]
            .as_table()
            .unwrap()
            .clone();
        (preset.to_owned(), key_manager)
    };
    text.split("<!-- preset: ").skip(1).map(block).collect()
}

#[tokio::test]
async fn what_the_manual_says_for_each_product_is_enough() {
    let documented = documented();
    for (preset, ..) in PRESETS {
        assert!(
            documented.iter().any(|(name, _)| name == preset),
            "{preset} is not in docs/identity-providers.md"
        );
    }
    let idp = Idp::shared().await;
    let origin = Origin::start();
    for (preset, mut key_manager) in documented {
        // the addresses are this server's; all else is as written
        for (name, value) in
            [("issuer", idp.issuer(&preset)), ("well_known_url", idp.well_known(&preset))]
        {
            if key_manager.contains_key(name) {
                key_manager.insert(name.to_owned(), value.into());
            }
        }
        if key_manager.contains_key("introspection_endpoint") {
            key_manager
                .insert("introspection_endpoint".to_owned(), idp.introspection(&preset).into());
        }
        if let Some(certificates) = key_manager.get_mut("certificates") {
            certificates
                .as_table_mut()
                .unwrap()
                .insert("jwks".to_owned(), idp.jwks(&preset).into());
        }
        let name = key_manager["name"].as_str().unwrap().to_owned();
        let gateway = orders(&origin)
            .key_manager_table(key_manager)
            .application(application("app").key(&name, idp.consumer_key(&preset)))
            .start()
            .await;
        gateway.ready().await;
        let answer = gateway.get("/orders/1.0.0/1", Some(&idp.token(&preset).await)).await;
        assert_eq!(answer.status(), 200, "{preset}: {:?}", answer.body());
    }
}

#[tokio::test]
async fn the_discovery_document_is_enough() {
    let idp = Idp::start(&["okta", "keycloak"]).await;
    let origin = Origin::start();
    let mut config = orders(&origin);
    for (preset, kind) in [("okta", "Okta"), ("keycloak", "KeyCloak")] {
        let url = idp.well_known(preset);
        config = config
            .key_manager(preset, &format!("type = \"{kind}\"\nwell_known_url = \"{url}\""))
            .application(application(preset).key(preset, idp.consumer_key(preset)));
    }
    let gateway = config.start().await;
    for preset in ["okta", "keycloak"] {
        // not waited for readiness: the first request waits for the first fetch
        let token = idp.token(preset).await;
        let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
        assert_eq!(answer.status(), 200, "{preset}: {:?}", answer.body());
    }
}

#[tokio::test]
async fn keys_behind_tls_are_trusted_by_their_own_authority_only() {
    let idp = Idp::start(&["secure"]).await;
    let origin = Origin::start();
    let config = |ca: &str| {
        let (issuer, jwks) = (idp.issuer("secure"), idp.jwks("secure"));
        let source = format!("issuer = \"{issuer}\"\ncertificates = {{ jwks = \"{jwks}\" }}\n{ca}");
        orders(&origin)
            .key_manager("secure", &format!("consumer_key_claim = \"client_id\"\n{source}"))
            .application(application("app").key("secure", idp.consumer_key("secure")))
    };
    let token = idp.token("secure").await;
    let trusting = config("ca = \"idp-ca.crt\"").beside("idp-ca.crt", idp.ca("secure"));
    let gateway = trusting.start().await;
    let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    drop(gateway);

    let gateway = config("").start().await;
    assert_eq!(gateway.get("/orders/1.0.0/1", Some(&token)).await.status(), 503);
    let ready = gateway.management("GET", "/readyz").await;
    assert!(
        String::from_utf8_lossy(ready.body()).contains("the server presented"),
        "{:?}",
        ready.body()
    );
}
