//! What `portcullis import` prints is a configuration that works: every product's tokens get through by it.

use std::path::Path;
use std::process::Output;

use crate::support::config::{Config, api, application};
use crate::support::idp::{Idp, PRODUCTS};
use crate::support::origin::Origin;
use crate::support::program::command;

fn import(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, &[&["import"], arguments].concat()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_imported_server_is_believed() {
    let idp = Idp::start(&PRODUCTS).await;
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    let orders = api("orders:1.0.0").to(&origin.url()).operation(
        "method = \"GET\", path = \"/*\", scopes = [\"read\", \"orders/read\", \"Orders.Read\"]",
    );
    let mut config = Config::new().api(orders);
    let mut tokens = Vec::new();
    for preset in PRODUCTS {
        let token = idp.token(preset).await;
        std::fs::write(folder.path().join(preset), &token).unwrap();
        let arguments = [idp.well_known(preset), "--name", preset, "--token", preset];
        let told = import(folder.path(), &arguments);
        let table = text(&told.stdout);
        assert_eq!(told.status.code(), Some(0), "{preset}: {}", text(&told.stderr));
        assert!(table.contains("good:  signed") && !table.contains("WRONG"), "{preset}: {table}");
        assert!(
            token.split('.').all(|part| !table.contains(part)),
            "{preset}: a token is never shown"
        );
        let app = application(&format!("app-{preset}")).key(preset, idp.consumer_key(preset));
        config = config.tables(&table).application(app);
        tokens.push((preset, token));
    }
    let gateway = config.start().await;
    gateway.ready().await;
    for (preset, token) in tokens {
        let answer = gateway.get("/orders/1.0.0/1", Some(&token)).await;
        assert_eq!(answer.status(), 200, "{preset}: {:?}\n{config}", answer.body());
    }
}

#[test]
fn what_fails_goes_to_standard_error_alone() {
    let folder = tempfile::tempdir().unwrap();
    let failed = import(folder.path(), &["http://127.0.0.1:9/.well-known/openid-configuration"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        failed.stdout.is_empty() && text(&failed.stderr).contains("cannot connect to"),
        "{}",
        text(&failed.stderr)
    );
    let plain = import(folder.path(), &["http://id.bank.example/.well-known/openid-configuration"]);
    assert_eq!(plain.status.code(), Some(2), "the address is wrong, and no server");
    assert!(
        plain.stdout.is_empty() && text(&plain.stderr).contains("--allow-http"),
        "{}",
        text(&plain.stderr)
    );
}
