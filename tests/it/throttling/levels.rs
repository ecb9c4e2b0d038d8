//! Each level counts for whom it should, and refuses with its code.

use http::Request;

use bytes::Bytes;

use super::{PATH, Shop, same, two};
use crate::support::config::Application;
use crate::support::gateway::json;

fn policy(name: &'static str) -> impl Fn(Application) -> Application {
    move |app| app.lines(&format!("policy = \"{name}\""))
}

fn subscribed(app: Application) -> Application {
    app.subscribed("orders:1.0.0\", policy = \"Two")
}

#[tokio::test]
async fn a_subscription_counts_for_its_application_and_api() {
    let shop = Shop::open(same, subscribed, &two("Two", "subscription")).await;
    let token = shop.token("client");
    assert_eq!(shop.statuses(4, PATH, Some(&token)).await, [200, 200, 429, 429]);
    // another token of the same application, and another application
    assert_eq!(shop.statuses(1, PATH, Some(&shop.token("client"))).await, [429]);
    assert_eq!(shop.statuses(3, PATH, Some(&shop.token("other-client"))).await, [200; 3]);
    let body = json(&shop.get(PATH, &token).await);
    assert_eq!(body["code"], "900804");
    assert_eq!(shop.backend.received().len(), 5, "a refused request never reaches the backend");
}

#[tokio::test]
async fn an_application_counts_for_all_its_users_or_for_each() {
    let shop = Shop::open(same, policy("Two"), &two("Two", "application")).await;
    let (alice, bob) = (shop.token_of("alice"), shop.token_of("bob"));
    assert_eq!(shop.statuses(2, PATH, Some(&alice)).await, [200, 200]);
    assert_eq!(shop.statuses(1, PATH, Some(&bob)).await, [429]);
    assert_eq!(json(&shop.get(PATH, &bob).await)["code"], "900803");

    let each = format!("{}per_user = true\n", two("Two", "application"));
    let shop = Shop::open(same, policy("Two"), &each).await;
    let (alice, bob) = (shop.token_of("alice"), shop.token_of("bob"));
    assert_eq!(shop.statuses(3, PATH, Some(&alice)).await, [200, 200, 429]);
    assert_eq!(shop.statuses(3, PATH, Some(&bob)).await, [200, 200, 429]);
}

#[tokio::test]
async fn bursts_of_subscriptions_and_applications_have_codes_of_their_own() {
    let burst = "burst = { requests = 1, per = \"1h\" }\n";
    for (level, code) in [("subscription", "900807"), ("application", "900809")] {
        let tables = format!("{}{burst}", two("Two", level));
        let shop = if level == "subscription" {
            Shop::open(same, subscribed, &tables).await
        } else {
            Shop::open(same, policy("Two"), &tables).await
        };
        let token = shop.token("client");
        assert_eq!(shop.get(PATH, &token).await.status(), 200);
        let refused = shop.get(PATH, &token).await;
        assert_eq!((refused.status().as_u16(), json(&refused)["code"].as_str()), (429, Some(code)));
        let limit = refused.headers()["ratelimit"].to_str().unwrap().to_owned();
        assert!(limit.starts_with("\"Two.burst\";r=0;t="), "{limit}");
    }
}

#[tokio::test]
async fn a_policy_of_an_api_replaces_those_of_its_operations() {
    let operations = |api: crate::support::config::Api| {
        api.operation("method = \"GET\", path = \"/x\", policy = \"Two\"")
            .operation("method = \"GET\", path = \"/y\"")
    };
    let shop = Shop::open(operations, same, &two("Two", "advanced")).await;
    let token = shop.token("client");
    assert_eq!(shop.statuses(3, PATH, Some(&token)).await, [200, 200, 429]);
    assert_eq!(json(&shop.get(PATH, &token).await)["code"], "900802");
    assert_eq!(shop.statuses(3, "/orders/1.0.0/y", Some(&token)).await, [200; 3]);

    let whole = |api| operations(api).lines("policy = \"Two\"");
    let shop = Shop::open(whole, same, &two("Two", "advanced")).await;
    let token = shop.token("client");
    assert_eq!(shop.statuses(1, PATH, Some(&token)).await, [200]);
    assert_eq!(shop.statuses(2, "/orders/1.0.0/y", Some(&token)).await, [200, 429]);
    let other = shop.token("other-client");
    assert_eq!(json(&shop.get(PATH, &other).await)["code"], "900800", "all callers together");
}

#[tokio::test]
async fn one_token_counts_apart_at_each_operation_and_from_each_address() {
    let both = |api: crate::support::config::Api| {
        api.operation("method = \"GET\", path = \"/x\", policy = \"Two\"")
            .operation("method = \"GET\", path = \"/y\", policy = \"Two\"")
    };
    let shop = Shop::open(both, same, &two("Two", "advanced")).await;
    let token = shop.token("client");
    for expected in [200, 200, 429] {
        for path in [PATH, "/orders/1.0.0/y"] {
            assert_eq!(shop.statuses(1, path, Some(&token)).await, [expected], "{path}");
        }
    }

    let (backend, signer) =
        (crate::support::origin::Origin::start(), crate::support::signer::Signer::new("key-1"));
    let config = super::config(&backend.url(), &signer, same, same)
        .gateway("trusted_proxies = [\"127.0.0.1\"]")
        .tables(&format!("{}key = \"$user:$ip\"\n", two("each-address", "custom")));
    let gateway = config.start().await;
    let token = signer.sign(&crate::support::signer::claims(super::ISSUER, "client", "any"));
    let from = async |client: &str| {
        let request = Request::get(gateway.url(PATH))
            .header("x-forwarded-for", client)
            .header("authorization", format!("Bearer {token}"));
        gateway.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
    };
    for expected in [200, 200, 429] {
        assert_eq!([from("192.0.2.1").await, from("192.0.2.2").await], [expected; 2]);
    }
}

#[tokio::test]
async fn custom_policies_count_each_value_of_their_key() {
    let tables = format!("{}key = \"$claim.org_id:$api_context\"\n", two("each-org", "custom"));
    let shop = Shop::open(same, same, &tables).await;
    let of = |organization: &str| {
        let mut claims = crate::support::signer::claims(super::ISSUER, "client", "any");
        claims["org_id"] = organization.into();
        shop.signer.sign(&claims)
    };
    assert_eq!(shop.statuses(3, PATH, Some(&of("one"))).await, [200, 200, 429]);
    assert_eq!(shop.statuses(3, PATH, Some(&of("two"))).await, [200, 200, 429]);
    assert_eq!(json(&shop.get(PATH, &of("one")).await)["code"], "900806");
    // without the claim, all share a count
    assert_eq!(shop.statuses(2, PATH, Some(&shop.token("client"))).await, [200; 2]);
    assert_eq!(shop.statuses(1, PATH, Some(&shop.token("other-client"))).await, [429]);
}

#[tokio::test]
async fn a_custom_policy_can_be_about_some_users() {
    let tables = format!("{}key = \"$user\"\nusers = [\"ann\", \"bob\"]\n", two("two", "custom"));
    let shop = Shop::open(same, same, &tables).await;
    let of = |user: &str| {
        let mut claims = crate::support::signer::claims(super::ISSUER, "client", "any");
        claims["sub"] = user.into();
        shop.signer.sign(&claims)
    };
    assert_eq!(shop.statuses(3, PATH, Some(&of("ann"))).await, [200, 200, 429]);
    assert_eq!(shop.statuses(3, PATH, Some(&of("bob"))).await, [200, 200, 429]);
    assert_eq!(shop.statuses(4, PATH, Some(&of("eve"))).await, [200; 4]);
}

#[tokio::test]
async fn a_hard_limit_holds_for_everybody_and_is_told_to_nobody() {
    let limited = |api: crate::support::config::Api| {
        api.production("hard_limit = { requests = 2, per = \"1h\" }")
    };
    let shop = Shop::open(limited, same, "").await;
    assert_eq!(shop.statuses(1, PATH, Some(&shop.token("client"))).await, [200]);
    let passed = shop.get(PATH, &shop.token("other-client")).await;
    assert_eq!(passed.status(), 200);
    assert!(!passed.headers().contains_key("ratelimit"));
    let refused = shop.get(PATH, &shop.token("client")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(
        json(&refused),
        serde_json::json!({ "code": "900801", "message": "API Limit Reached", "description": "API not accepting requests" })
    );
    assert!(refused.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_client_learns_of_its_own_quota_though_the_backend_has_less_left() {
    let limited = |api: crate::support::config::Api| {
        api.production("hard_limit = { requests = 2, per = \"1h\" }")
    };
    let wide = two("Wide", "application").replace("requests = 2", "requests = 100");
    let shop = Shop::open(limited, policy("Wide"), &wide).await;
    let passed = shop.get(PATH, &shop.token("client")).await;
    let told = passed.headers().get("ratelimit").map(|value| value.to_str().unwrap());
    assert!(told.is_some_and(|told| told.starts_with("\"Wide\";r=99;t=")), "{told:?}");
}

#[tokio::test]
async fn operations_without_a_token_count_by_address_and_ipv6_by_its_network() {
    let open = |api: crate::support::config::Api| {
        api.operation("method = \"GET\", path = \"/x\", auth = \"none\", policy = \"Two\"")
    };
    let shop = Shop::open(open, same, &two("Two", "advanced")).await;
    assert_eq!(shop.statuses(3, PATH, None).await, [200, 200, 429]);

    let (backend, signer) =
        (crate::support::origin::Origin::start(), crate::support::signer::Signer::new("key-1"));
    let config = super::config(&backend.url(), &signer, open, same)
        .gateway("trusted_proxies = [\"127.0.0.1\"]")
        .tables(&two("Two", "advanced"));
    let gateway = config.start().await;
    let from = async |client: &str| {
        let request = Request::get(gateway.url(PATH)).header("x-forwarded-for", client);
        gateway.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
    };
    assert_eq!([from("2001:db8::1").await, from("2001:db8::2:1").await], [200, 200]);
    assert_eq!(from("2001:db8::3").await, 429, "the same /64");
    assert_eq!(from("2001:db8:0:1::3").await, 200);
    assert_eq!([from("192.0.2.1").await, from("192.0.2.2").await], [200, 200]);
}

#[tokio::test]
async fn calls_without_an_application_get_the_policies_that_are_named_for_them() {
    let apis = |api: crate::support::config::Api| {
        api.without_subscription()
            .operation("method = \"GET\", path = \"/x\"")
            .operation("method = \"GET\", path = \"/open\", auth = \"none\"")
    };
    let tables = format!(
        "{}{}[throttling]\nunauthenticated_policy = \"Unauthenticated\"\nsubscriptionless_policy = \"DefaultSubscriptionless\"\n",
        two("Unauthenticated", "subscription"),
        two("DefaultSubscriptionless", "subscription")
    );
    let shop = Shop::open(apis, Application::unsubscribed, &tables).await;
    assert_eq!(shop.statuses(3, "/orders/1.0.0/open", None).await, [200, 200, 429]);
    for client in ["client", "nobody", "somebody"] {
        let token = shop.token(client);
        assert_eq!(shop.statuses(3, PATH, Some(&token)).await, [200, 200, 429], "{client}");
    }
}

#[tokio::test]
async fn deny_conditions_come_before_everything_and_count_nothing() {
    for (kind, value) in [
        ("api", "/orders/1.0.0"),
        ("application", "anna:app"),
        ("user", "alice"),
        ("ip", "127.0.0.1"),
        ("ip_range", "127.0.0.0/8"),
    ] {
        let tables = format!(
            "{}[[deny_conditions]]\ntype = \"{kind}\"\nvalue = \"{value}\"\n",
            two("Two", "application")
        );
        let shop = Shop::open(same, policy("Two"), &tables).await;
        let refused = shop.get(PATH, &shop.token_of("alice")).await;
        assert_eq!(refused.status(), 403, "{kind}");
        assert_eq!(
            json(&refused),
            serde_json::json!({ "code": "900805", "message": "Message blocked",
                "description": "You have been blocked from accessing the resource" })
        );
        let line = shop.gateway.log(1).await.swap_remove(0);
        assert_eq!((&line["reason"], &line["application"]), (&"denied".into(), &"app".into()));
        assert!(shop.backend.received().is_empty());
    }
    let tables = "[[deny_conditions]]\ntype = \"ip\"\nvalue = \"127.0.0.1\"\ninvert = true\n\
                  [[deny_conditions]]\ntype = \"user\"\nvalue = \"alice\"\nenabled = false\n\
                  [[deny_conditions]]\ntype = \"user\"\nvalue = \"bob\"\n";
    let shop = Shop::open(same, same, tables).await;
    assert_eq!(shop.statuses(1, PATH, Some(&shop.token_of("alice"))).await, [200]);
    assert_eq!(shop.statuses(1, PATH, Some(&shop.token_of("bob"))).await, [403]);
}

#[tokio::test]
async fn the_first_condition_that_holds_sets_the_limit() {
    let tables = format!(
        "{}conditions = [\
         {{ headers = {{ x-tier = \"^gold$\" }}, requests = 3, per = \"1h\" }},\
         {{ query = {{ plan = \"^(a|b)$\" }}, claims = {{ sub = \"^al\" }}, requests = 4, per = \"1h\" }},\
         {{ ips = [\"127.0.0.0/8\"], headers = {{ x-not = \"\" }}, invert = [\"ips\"], requests = 1, per = \"1h\" }}]\n",
        two("Two", "advanced")
    );
    let shop = Shop::open(|api| api.lines("policy = \"Two\""), same, &tables).await;
    let token = shop.token_of("alice");
    let granted = async |path: &str, header: Option<(&str, &str)>, token: &str| {
        let mut granted = 0;
        for _ in 0..6 {
            let mut request = Request::get(shop.gateway.url(path))
                .header("authorization", format!("Bearer {token}"));
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let answer = shop.gateway.send(request.body(Bytes::new()).unwrap()).await;
            granted += usize::from(answer.status() == 200);
        }
        granted
    };
    assert_eq!(granted(PATH, Some(("x-tier", "gold")), &token).await, 3);
    assert_eq!(granted("/orders/1.0.0/x?plan=b", None, &token).await, 4);
    assert_eq!(granted("/orders/1.0.0/x?plan=c", Some(("x-not", "1")), &token).await, 2);
    assert_eq!(
        granted("/orders/1.0.0/x?plan=b", None, &shop.token_of("bob")).await,
        0,
        "as others"
    );
}
