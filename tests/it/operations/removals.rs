//! Files that lost their content: a reload never takes most of a gateway away unless its operator has said so.

use std::fmt::Write;
use std::fs;

use crate::support::bank::Bank;
use crate::support::config::Config;
use crate::support::gateway::json;

const PATH: &str = "/accounts/1.0.0/accounts/42";
const SUCCESS: &str = "portcullis_config_last_reload_success";

/// An application file of so many applications.
fn applications(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        writeln!(lines, "{{\"name\": \"app-{number}\", \"owner\": \"o\"}}").unwrap();
        lines
    })
}

async fn served(bank: &Bank) -> u16 {
    bank.gateway.status(PATH, &bank.token()).await
}

#[tokio::test]
async fn an_emptied_file_changes_nothing() {
    let bank = Bank::open().await;
    let path = bank.gateway.folder().join("gateway.toml");
    let whole = fs::read_to_string(&path).unwrap();
    let front = Config::new().to_string();
    for (content, words) in [
        ("", "no [[listeners]]"),
        (&front[..front.find("[management]").unwrap()], "no [[apis]]"),
        (&front, "no [[apis]]"),
        ("include = [\"gone/*.toml\"]\n", "no [[listeners]]"),
    ] {
        fs::write(&path, content).unwrap();
        let answer = bank.gateway.management("POST", "/reload").await;
        assert_eq!(answer.status(), 422, "{content:?}");
        let report = json(&answer)["report"].as_str().unwrap().to_owned();
        assert!(report.contains(words), "{content:?}: {report}");
        assert_eq!(served(&bank).await, 200, "{content:?}");
        assert_eq!(bank.gateway.metric(SUCCESS).await, 0);
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(bank.gateway.management("POST", "/reload").await.status(), 200);
}

#[tokio::test]
async fn most_applications_are_taken_away_only_on_confirmation() {
    let bank = Bank::open().await;
    let folder = bank.gateway.folder().to_owned();
    let listed = bank.config.clone().top("application_files = [\"apps.jsonl\"]");
    listed.beside("apps.jsonl", applications(100)).write_to(&folder);
    assert_eq!(bank.gateway.management("POST", "/reload").await.status(), 200);

    // the file of applications is emptied, as a full disk does
    fs::write(folder.join("apps.jsonl"), "").unwrap();
    let refused = bank.gateway.management("POST", "/reload").await;
    assert_eq!(refused.status(), 422);
    let report = json(&refused)["report"].as_str().unwrap().to_owned();
    assert!(report.contains("take away 100 of 1") && report.contains("applications"), "{report}");
    assert!(report.contains("portcullis reload --confirm removals"), "{report}");
    assert_eq!(bank.gateway.metric(SUCCESS).await, 0);

    // some of them may go
    fs::write(folder.join("apps.jsonl"), applications(80)).unwrap();
    assert_eq!(bank.gateway.management("POST", "/reload").await.status(), 200);

    fs::write(folder.join("apps.jsonl"), "").unwrap();
    let other = bank.gateway.management("POST", "/reload?confirm=everything").await;
    assert_eq!(other.status(), 422, "only `removals` confirms removals");
    let confirmed = bank.gateway.management("POST", "/reload?confirm=removals").await;
    assert_eq!(confirmed.status(), 200);
    assert_eq!(served(&bank).await, 200);
}
