//! A second, independent authorization server (Canaille, on Authlib): discovery, key sets, rotation, introspection, import.

use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::canaille::{Canaille, Keys};
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::program::portcullis;

const PATH: &str = "/orders/1.0.0/1";

/// The key manager, and an API for its clients that needs these scopes.
fn config(canaille: Config, scopes: &str, origin: &Origin) -> Config {
    let orders = api("orders:1.0.0")
        .to(&origin.url())
        .operation(&format!("method = \"GET\", path = \"/*\", scopes = {scopes}"));
    let clients = ["app-rsa", "app-eddsa", "app-opaque"];
    clients.into_iter().fold(canaille.api(orders), |config, client| {
        config.application(application(client).key("canaille", client))
    })
}

fn discovered(canaille: &Canaille) -> Config {
    let lines = format!(
        "type = \"CustomKeyManager\"\nwell_known_url = \"{}\"\nconsumer_key_claim = \"aud\"\n\
         jwks_min_refetch = \"100ms\"\njwks_refresh = \"500ms\"",
        canaille.well_known()
    );
    Config::new().key_manager("canaille", &lines)
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.get(PATH, Some(token)).await.status().as_u16()
}

/// Waits for what the background refresh brings.
async fn becomes(gateway: &Gateway, token: &str, wanted: u16) {
    let started = Instant::now();
    loop {
        let found = status(gateway, token).await;
        if found == wanted {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "still {found}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn its_keys_are_found_and_followed_through_a_rotation() {
    let (first, second) = (Keys::new(), Keys::new());
    let mut canaille = Canaille::start(&first).await;
    let origin = Origin::start();
    let gateway = config(discovered(&canaille), "[]", &origin).start().await;
    gateway.ready().await;
    let old = [canaille.signed("app-rsa").await, canaille.signed("app-eddsa").await];
    for token in &old {
        assert_eq!(status(&gateway, token).await, 200);
    }
    let lines = gateway.log(2).await;
    for client in ["app-rsa", "app-eddsa"] {
        assert!(
            lines
                .iter()
                .any(|line| line["consumer_key"] == client && line["application"] == client),
            "{lines:?}"
        );
    }

    // the new keys sign, the old ones are still shown
    canaille.rotate(&[&second], &[&first]).await;
    for client in ["app-rsa", "app-eddsa"] {
        assert_eq!(status(&gateway, &canaille.signed(client).await).await, 200, "{client}");
    }
    for token in &old {
        assert_eq!(status(&gateway, token).await, 200, "both generations hold");
    }

    // the old ones are gone
    canaille.rotate(&[&second], &[]).await;
    for token in &old {
        becomes(&gateway, token, 401).await;
    }
    assert_eq!(status(&gateway, &canaille.signed("app-rsa").await).await, 200);
}

#[tokio::test]
async fn it_is_asked_about_opaque_tokens() {
    let canaille = Canaille::shared().await;
    let origin = Origin::start();
    let lines = format!("issuer = \"{}\"\nintrospection_cache = \"1s\"", canaille.url(""));
    let asking = Config::new().asking("canaille", &canaille.url("/oauth/introspect"), &lines);
    let gateway = config(asking, "[\"read\"]", &origin).start().await;
    let token = canaille.opaque().await;
    for _ in 0..3 {
        assert_eq!(status(&gateway, &token).await, 200);
    }
    assert!(gateway.log(3).await.iter().all(|line| line["consumer_key"] == "app-opaque"));
    assert_eq!(status(&gateway, "aToken0fNobody").await, 401);
    // not everybody's tokens are shown to everybody: this one was not issued for the gateway
    assert_eq!(status(&gateway, &canaille.signed("app-rsa").await).await, 401);
    canaille.revoke("app-opaque", &token).await;
    becomes(&gateway, &token, 401).await;
}

#[tokio::test]
async fn its_import_is_a_configuration() {
    let canaille = Canaille::shared().await;
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    let token = canaille.signed("app-eddsa").await;
    std::fs::write(folder.path().join("sample"), &token).unwrap();
    let import = ["import", &canaille.well_known(), "--name", "canaille", "--token", "sample"];
    let told = portcullis(folder.path(), &import).await;
    let block = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(0));
    assert!(
        block.contains("good:  signed EdDSA with the key")
            && block.contains("the key set has 2 usable keys"),
        "{block}"
    );
    assert!(block.contains(&format!("issuer = \"{}\"", canaille.url(""))), "{block}");
    // its tokens name their client in no claim that others use: the import says so, and what to write
    assert!(
        block.contains("WRONG: it has none of the usual claims for the client")
            && block.contains("\"aud\""),
        "{block}"
    );
    let block =
        block.replace("# consumer_key_claim = \"client_id\"", "consumer_key_claim = \"aud\"");
    let gateway = config(Config::new().tables(&block), "[]", &origin).start().await;
    gateway.ready().await;
    assert_eq!(status(&gateway, &token).await, 200, "{block}");
}
