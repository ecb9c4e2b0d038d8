//! `portcullis plan`: what an edited file would change, before anybody reloads it.

use std::fs;

use serde_json::Value;

use crate::operations::control::run;
use crate::support::bank::Bank;
use crate::support::config::{api, application};

#[tokio::test]
async fn an_edited_file_is_compared_with_what_runs_and_nothing_changes() {
    let bank = Bank::open().await;
    let folder = bank.gateway.folder();
    let path = folder.join("gateway.toml");
    let whole = fs::read_to_string(&path).unwrap();
    let plan = async |more: &[&str]| run(folder, &[&["plan"], more].concat()).await;
    let (code, said, told) = plan(&[]).await;
    assert_eq!((code, said.trim()), (Some(0), "no change"), "{told}");

    let kept = folder.join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("gateway.toml"), &whole).unwrap();
    fs::copy(folder.join("keys.json"), kept.join("keys.json")).unwrap();
    // the gateway looks at its own file by itself; another one beside it is nobody's
    let edited = folder.join("edited.toml.new");
    let new = application("new").lines("owner = \"ann\"").key("bank-is", "new-client");
    let with_new = bank.config.clone().application(new.subscribed("accounts:1.0.0"));
    fs::write(&edited, with_new.to_string()).unwrap();
    let file = edited.to_str().unwrap();
    let (code, said, told) = plan(&["--config", file]).await;
    assert_eq!(code, Some(1), "{said} {told}");
    assert!(said.contains("+ application new"), "{said}");
    assert!(said.contains("  new (ann) gains all of accounts:1.0.0 ("), "{said}");
    let (code, json, _) = plan(&["--config", file, "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["changes"].as_array().unwrap().len()), (Some(1), 1), "{json}");
    assert_eq!(json["changes"][0]["change"], "created");
    assert_eq!(json["access"][0]["application"], "new");
    assert_eq!(json["access"][0]["change"], "gains");
    assert_eq!(json["access"][0]["api"], "accounts:1.0.0");

    // the same of two files, without a gateway, in both directions
    let old = kept.join("gateway.toml");
    let old = old.to_str().unwrap();
    let (code, said, told) = plan(&["--config", file, "--against", old]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(said.contains("  new (ann) gains all of accounts:1.0.0 ("), "{said}");
    let (code, said, _) = plan(&["--config", old, "--against", file]).await;
    assert!(
        code == Some(1) && said.contains("  new (ann) loses all of accounts:1.0.0 ("),
        "{said}"
    );
    let (code, said, _) = plan(&["--config", old, "--against", old]).await;
    assert_eq!((code, said.trim()), (Some(0), "no change"));

    fs::write(&edited, whole.replace("context = \"/accounts\"", "contxt = \"/accounts\"")).unwrap();
    let (code, said, told) = plan(&["--config", file]).await;
    assert!(code == Some(2) && told.contains("contxt"), "{said} {told}");
    let (code, _, told) = plan(&["--config", old]).await;
    assert!(code == Some(2) && told.contains("--against"), "{told}");
    // no generation came of it
    let (_, said, _) = run(folder, &["reload"]).await;
    assert_eq!(said.trim(), "reloaded: generation 2");
}

#[tokio::test]
async fn a_plan_warns_of_removals_that_a_reload_would_refuse() {
    let bank = Bank::open().await;
    let folder = bank.gateway.folder();
    let one = bank.config.clone().without_apis().api(api("a:1").to("http://127.0.0.1:1"));
    let edited = folder.join("edited.toml.new");
    fs::write(&edited, one.to_string()).unwrap();
    let (code, said, told) = run(folder, &["plan", "--config", edited.to_str().unwrap()]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("warning: ") && told.contains("--confirm removals"), "{told}");
    assert!(said.contains("- API accounts:1.0.0") && said.contains(" loses all of "), "{said}");
}
