//! `explain` names the policies that a request counts against, and what is left of each.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{PATH, Shop, two};
use crate::support::config::{Api, Application};
use crate::support::program::portcullis;

const LINE: &str = "GET http://127.0.0.1/orders/1.0.0/x";

fn tables() -> String {
    let tier = "[[throttling_policies]]\nname = \"Tier\"\nlevel = \"advanced\"\nrequests = 50\nper = \"1m\"\n\
                [[throttling_policies.conditions]]\nheaders = { \"x-tier\" = \"^gold$\" }\nrequests = 90\nper = \"1d\"\n";
    let custom = "[[throttling_policies]]\nname = \"each\"\nlevel = \"custom\"\nkey = \"$user:$api_context\"\nobserve = true\n\
                  burst = { requests = 30, per = \"10h\" }\n";
    format!("{}{tier}{custom}", two("Two", "subscription"))
}

/// Limits that give nothing back while the test runs.
async fn open() -> Shop {
    let api = |api: Api| {
        api.operation("method = \"GET\", path = \"/x\", policy = \"Tier\"")
            .operation("method = \"GET\", path = \"/open\", auth = \"none\", policy = \"Tier\"")
            .production("hard_limit = { requests = 7, per = \"1s\" }")
    };
    let subscribed = |app: Application| app.subscribed("orders:1.0.0\", policy = \"Two");
    Shop::open(api, subscribed, &tables()).await
}

/// The answer of the running gateway.
async fn ask(shop: &Shop, question: Value) -> Value {
    let request = Request::post(shop.gateway.management_url("/explain"));
    let answer = shop.gateway.send(request.body(Bytes::from(question.to_string())).unwrap()).await;
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(answer.body()).unwrap()
}

/// The exit code, and what the command said.
async fn command(shop: &Shop, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["explain"], arguments].concat();
    let output = portcullis(shop.gateway.folder(), &arguments).await;
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn every_limit_is_named_with_what_is_left() {
    let shop = open().await;
    let token = shop.token_of("alice");
    assert_eq!(shop.statuses(1, PATH, Some(&token)).await, [200]);
    let question = json!({ "request": LINE, "token": token });
    let told = ask(&shop, question.clone()).await;
    assert_eq!(told["allowed"], true, "{told:#}");
    let limits = told["limits"].as_array().unwrap();
    let named: Vec<_> = limits
        .iter()
        .map(|limit| {
            let text = |key: &str| limit[key].as_str().unwrap();
            let quota = &limit["quotas"][0];
            let left = quota["left"].as_u64().or(limit["burst"]["left"].as_u64());
            (text("level"), text("policy"), text("counted_for"), left)
        })
        .collect();
    let application = "application \"app\" and API orders:1.0.0";
    let custom = "this value of $user:$api_context";
    assert_eq!(
        named,
        [
            ("operation", "Tier", "GET /x of API orders:1.0.0", Some(49)),
            ("subscription", "Two", application, Some(1)),
            ("custom", "each", custom, Some(29)),
            (
                "hard_limit",
                "orders:1.0.0 production",
                "the production backend of API orders:1.0.0",
                limits[3]["quotas"][0]["left"].as_u64()
            ),
        ],
        "{told:#}"
    );
    assert_eq!(limits[1]["quotas"][0]["most"], 2);
    assert_eq!(limits[1]["quotas"][0]["per"], "1h");
    assert!(limits[1]["quotas"][0]["more_in"].as_u64().unwrap() > 3000, "{told:#}");
    assert_eq!(limits[1]["counter"].as_str().unwrap().len(), 32);
    assert!(limits[1]["written_at"].as_str().unwrap().contains("gateway.toml:"));
    assert_eq!(
        (&limits[2]["beyond"], &limits[2]["burst"]["per"]),
        (&json!("observe"), &json!("10h"))
    );
    let again = ask(&shop, question).await;
    assert_eq!(again["limits"][1]["quotas"][0]["left"], 1, "explaining counts nothing");
}

#[tokio::test]
async fn a_request_beyond_its_quota_is_explained_as_it_is_refused() {
    let shop = open().await;
    let token = shop.token_of("alice");
    assert_eq!(shop.statuses(2, PATH, Some(&token)).await, [200; 2]);
    let (code, said) = command(&shop, &["--token", &token, LINE]).await;
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "NO  limit        subscription policy \"Two\": 0 left of 2 requests per 1h (more in 3",
        "ok  limit        operation policy \"Tier\": 48 left of 50 requests per 1m",
        "; burst: 28 left of 30 per 10h; counted for this value of $user:$api_context in ",
        "; only observed",
        "hint: the quota of subscription policy \"Two\" is used up for 3",
        "refused: subscription_quota (HTTP 429)",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let refused =
        "portcullis_throttled_total{level=\"subscription\",outcome=\"refused\",policy=\"Two\"}";
    assert_eq!(shop.gateway.metric_or_zero(refused).await, 0, "nobody was refused");

    // the files alone know the limits, not the counts
    let (code, said) = command(&shop, &["--files", "--token", &token, LINE]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("subscription policy \"Two\": 2 requests per 1h; counted for"), "{said}");
    assert!(said.contains("what is left of the limits is known to a running gateway alone"));
}

#[tokio::test]
async fn conditions_and_addresses_are_those_of_the_question() {
    let shop = open().await;
    let token = shop.token_of("alice");
    let gold = &["--header", "x-tier: gold", "--token", &token, LINE];
    let (code, said) = command(&shop, gold).await;
    assert_eq!(code, Some(0), "{said}");
    let words = "operation policy \"Tier\", condition 1: 90 left of 90 requests per day (UTC)";
    assert!(said.contains(words), "{said}");
    let (code, _) = command(&shop, &["--header", "no value", LINE]).await;
    assert_eq!(code, Some(2));

    let open = "GET http://127.0.0.1/orders/1.0.0/open";
    let (_, said) = command(&shop, &[open]).await;
    assert!(said.contains("judged as if from 127.0.0.1"), "{said}");
    assert!(said.contains("counted for address 127.0.0.1 of GET /open of API"), "{said}");
    let (_, said) = command(&shop, &["--client", "2001:db8::7", open]).await;
    assert!(said.contains("counted for the /64 of address 2001:db8::7 of GET /open"), "{said}");
    assert!(!said.contains("as if from"), "{said}");
}

#[tokio::test]
async fn a_deny_condition_is_a_step_that_refuses() {
    let deny = "[[deny_conditions]]\ntype = \"ip\"\nvalue = \"192.0.2.7\"\n";
    let shop = Shop::open(super::same, super::same, deny).await;
    let question =
        |client: &str| json!({ "request": LINE, "token": shop.token("client"), "client": client });
    let told = ask(&shop, question("192.0.2.7")).await;
    assert_eq!((&told["reason"], &told["status"]), (&json!("denied"), &json!(403)), "{told:#}");
    let last = told["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["found"], "a deny condition is about the client's address");
    let told = ask(&shop, question("192.0.2.8")).await;
    assert_eq!(told["allowed"], true, "{told:#}");
    assert_eq!(told["steps"].as_array().unwrap().last().unwrap()["found"], "none");
}
