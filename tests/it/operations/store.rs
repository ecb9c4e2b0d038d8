//! `portcullis store` beside a gateway that runs on the same store.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::admin::administration::bank;
use crate::operations::control::run;
use crate::support::DEADLINE;
use crate::support::bank::Bank;

async fn post(bank: &Bank, path: &str, body: &Value) -> Value {
    let answer = bank.gateway.management_as("anna", ("POST", path), &[], Some(body)).await;
    assert!(answer.status().is_success(), "{answer:?}");
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn the_store_goes_into_a_file_and_back_while_the_gateway_serves() {
    let bank = bank().await;
    let folder = bank.gateway.folder();
    let portal = "/api/am/devportal/v3/applications";
    let shop = json!({ "name": "Shop", "throttlingPolicy": "Unlimited" });
    let shop = post(&bank, portal, &shop).await;
    let id = shop["applicationId"].as_str().unwrap();
    let key = json!({ "consumerKey": "shop-1", "keyType": "PRODUCTION", "keyManager": "bank-is" });
    post(&bank, &format!("{portal}/{id}/map-keys"), &key).await;
    let path = "/accounts/1.0.0/accounts/42";
    let token = bank.token_of("shop-1", "accounts:read");
    assert_eq!(bank.gateway.status(path, &token).await, 403, "it is not subscribed");

    let store = async |more: &[&str]| run(folder, &[&["store"], more].concat()).await;
    let (code, _, told) = store(&["export", "store.toml"]).await;
    assert_eq!(code, Some(0), "{told}");
    let exported = fs::read_to_string(folder.join("store.toml")).unwrap();
    assert!(exported.contains(id) && exported.contains("shop-1"), "{exported}");
    let (code, said, told) = store(&["import", "store.toml", "--replace", "--yes"]).await;
    assert_eq!((code, said.trim()), (Some(0), "no change"), "{told}");

    let subscription = "\n[[applications.subscriptions]]\napi = \"accounts:1.0.0\"\n";
    fs::write(folder.join("more.toml"), format!("{exported}{subscription}")).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let (code, said, told) = store(&[&["import", "more.toml"], more].concat()).await;
        assert_eq!(code, Some(1), "nobody agreed: {told}");
        assert!(said.contains("+ subscription accounts:1.0.0 of Shop"), "{said}");
        assert!(said.contains("  Shop (anna) gains all of accounts:1.0.0 ("), "{said}");
        assert!(told.contains("nothing is changed"), "{told}");
    }
    assert_eq!(bank.gateway.status(path, &token).await, 403);
    let (code, _, told) = store(&["import", "more.toml", "--yes"]).await;
    assert!(code == Some(0) && told.contains("done: 1 changes are revision "), "{told}");
    // the gateway finds it with its next look
    let started = Instant::now();
    while bank.gateway.status(path, &token).await != 200 {
        assert!(started.elapsed() < DEADLINE, "never in force");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // a file with its ids beside the gateway's own is a configuration
    let (code, _, told) = store(&["import", "gateway.toml", "--dry-run"]).await;
    assert!(code == Some(2) && told.contains("is not kept in the store"), "{told}");
    fs::write(folder.join("odd.toml"), exported.replace("bank-is", "nobody-is")).unwrap();
    let (code, _, told) = store(&["import", "odd.toml", "--yes"]).await;
    assert!(code == Some(2) && told.contains("nobody-is"), "{told}");
    let (code, said, told) = store(&["rekey"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(said.starts_with("0 secrets of 0 objects"), "{said}");
}
