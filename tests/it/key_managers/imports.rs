//! What `portcullis import` prints is a configuration that works: every product's tokens get through by it.

use std::fmt::Write;
use std::process::{Command, Output};

use crate::support::gateway::Gateway;
use crate::support::idp::Idp;
use crate::support::origin::Origin;

const PRESETS: [&str; 10] = [
    "wso2is",
    "wso2is7",
    "cognito",
    "auth0",
    "okta",
    "entra-v1",
    "entra-v2",
    "keycloak",
    "pingfederate",
    "generic",
];

fn import(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("import")
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_imported_server_is_believed() {
    let idp = Idp::start(&PRESETS).await;
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    let mut file = String::new();
    let mut tokens = Vec::new();
    for preset in PRESETS {
        let token = idp.token(preset).await;
        let sample = folder.path().join(preset);
        std::fs::write(&sample, &token).unwrap();
        let told = import(&[
            idp.well_known(preset),
            "--name",
            preset,
            "--token",
            &sample.display().to_string(),
        ]);
        let table = text(&told.stdout);
        assert_eq!(told.status.code(), Some(0), "{preset}: {}", text(&told.stderr));
        assert!(table.contains("good:  signed") && !table.contains("WRONG"), "{preset}: {table}");
        assert!(
            token.split('.').all(|part| !table.contains(part)),
            "{preset}: a token is never shown"
        );
        let _ = write!(
            file,
            "{table}\n[[applications]]\nname = \"app-{preset}\"\n\
             keys = [{{ type = \"production\", key_manager = \"{preset}\", consumer_key = \"{}\" }}]\n\
             subscriptions = [{{ api = \"orders:1.0.0\" }}]\n",
            idp.consumer_key(preset)
        );
        tokens.push((preset, token));
    }
    let _ = write!(
        file,
        "[[apis]]\nname = \"orders\"\nversion = \"1.0.0\"\ncontext = \"/orders\"\nproduction = {{ urls = [\"{}\"] }}\n\
         operations = [{{ method = \"GET\", path = \"/*\", scopes = [\"read\", \"orders/read\", \"Orders.Read\"] }}]\n",
        origin.url()
    );
    let gateway = Gateway::start(&file).await;
    gateway.ready().await;
    for (preset, token) in tokens {
        let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
        assert_eq!(answer.status(), 200, "{preset}: {:?}\n{file}", answer.body());
    }
}

#[test]
fn what_fails_goes_to_standard_error_alone() {
    let failed = import(&["http://127.0.0.1:9/.well-known/openid-configuration"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        failed.stdout.is_empty() && text(&failed.stderr).contains("cannot connect to"),
        "{}",
        text(&failed.stderr)
    );
    let plain = import(&["http://id.bank.example/.well-known/openid-configuration"]);
    assert_eq!(plain.status.code(), Some(2), "the address is wrong, and no server");
    assert!(
        plain.stdout.is_empty() && text(&plain.stderr).contains("--allow-http"),
        "{}",
        text(&plain.stderr)
    );
}
