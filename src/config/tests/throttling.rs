//! Policies, deny conditions, and the places that name policies.

use std::fs;

use super::{API, KEY_MANAGER, LISTENER, load_in, load_text, report};
use crate::model::policy::PolicyLevel::{Advanced, Application, Subscription};
use crate::model::policy::{DenyTarget, ExcessRule, Window, built_in};

fn policy(lines: &str) -> String {
    format!("[[throttling_policies]]\nname = \"p\"\nlevel = \"subscription\"\n{lines}\n")
}

fn with_subscription(policies: &str, chosen: &str) -> String {
    let api = API.replace("context = ", &format!("{policies}\ncontext = "));
    format!("{api}[[applications]]\nname = \"x\"\nsubscriptions = [{{ api = \"a:1\"{chosen} }}]\n")
}

fn warnings(text: &str) -> String {
    let text = format!("{LISTENER}{KEY_MANAGER}{text}");
    load_text(&text).unwrap().warnings.problems().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_policies_of_wso2_are_there_and_a_written_one_replaces_its_namesake() {
    let figures = |level, name| {
        let all = built_in().find(|policy| policy.level == level && policy.name == name).unwrap();
        all.limits.quotas.iter().map(|quota| quota.most.get()).collect::<Vec<_>>()
    };
    for (level, name, most) in [
        (Application, "50PerMin", 50),
        (Application, "20PerMin", 20),
        (Application, "10PerMin", 10),
        (Subscription, "Gold", 5000),
        (Subscription, "Silver", 2000),
        (Subscription, "Bronze", 1000),
        (Subscription, "Unauthenticated", 500),
        (Subscription, "DefaultSubscriptionless", 100_000),
        (Advanced, "50KPerMin", 50_000),
        (Advanced, "20KPerMin", 20_000),
        (Advanced, "10KPerMin", 10_000),
    ] {
        assert_eq!(figures(level, name), [most], "{name}");
    }
    assert_eq!(figures(Subscription, "AIGold"), [500, 50_000]);
    assert_eq!(built_in().count(), 14, "none for asynchronous APIs");

    let text = "[[throttling_policies]]\nname = \"Gold\"\nlevel = \"subscription\"\nrequests = 7\nper = \"1month\"\n";
    let model = load_text(text).unwrap().model;
    let gold = model.throttling.policies.find(Subscription, "Gold").unwrap();
    let gold = model.throttling.policies.get(gold).unwrap();
    assert_eq!(
        (gold.limits.quotas[0].most.get(), gold.limits.quotas[0].window),
        (7, Window::Month)
    );
    assert_eq!(model.throttling.policies.iter().count(), 14);
    assert!(model.throttling.headers);
    assert_eq!(model.throttling.max_counters, 1_000_000);
}

#[test]
fn figures_that_cannot_be_meant_are_refused() {
    for (lines, words) in [
        ("", "has no limit"),
        ("quotas = []", "has no limit"),
        ("requests = 0\nper = \"1m\"", "`throttling_policies.requests` must be from 1 to"),
        ("requests = -5\nper = \"1m\"", "`throttling_policies.requests` must be from 1 to"),
        ("requests = 99999999999\nper = \"1m\"", "must be from 1 to 4000000000"),
        ("requests = 5", "`throttling_policies.per` is missing"),
        ("per = \"1m\"", "has nothing to hold for"),
        ("requests = 5\nper = \"soon\"", "`throttling_policies.per` cannot be \"soon\""),
        ("requests = 5\nper = \"25h\"", "\"1d\" or \"1month\""),
        ("requests = 5\nper = \"1ms\"", "cannot be \"1ms\""),
        ("requests = 5\nper = \"2d\"", "cannot be \"2d\""),
        ("bandwidth = \"none\"\nper = \"1m\"", "from 1 byte"),
        ("bandwidth = 0\nper = \"1m\"", "from 1 byte"),
        ("events = 5\nper = \"1m\"", "`events` needs `events_header`"),
        ("requests = 5\nper = \"1m\"\nevents_header = \"x\"", "`events_header` needs `events`"),
        ("events = 5\nper = \"1m\"\nevents_header = \"x y\"", "is not a header's name"),
        ("burst = { requests = 5 }", "`throttling_policies.burst.per` is missing"),
        ("burst = { requests = 5, per = \"0s\" }", "must be longer than 0"),
        ("burst = { requests = 5, per = \"25h\" }", "must be from 1ms to 24h"),
        ("requests = 5\nper = \"1m\"\nper_user = true", "`per_user` is for policies of level"),
        ("requests = 5\nper = \"1m\"\nkey = \"$ip\"", "`key` is for policies of level \"custom\""),
        ("requests = 5\nper = \"1m\"\nreqests = 5", "did you mean `requests`?"),
        ("requests = 5\nper = \"1m\"\nsync_interval = \"1ms\"", "is between 10ms and 1m"),
    ] {
        let report = report(&policy(lines));
        assert!(report.contains(words), "{lines}: {words}: {report}");
    }
    let once = report(&policy("requests = 5\nper = \"soon\""));
    assert!(!once.contains("has no limit"), "{once}");
    for (name, words) in [("Unlimited", "stays so"), ("a\\\"b", "cannot be a policy's name")] {
        let text = policy("requests = 5\nper = \"1m\"").replace("\"p\"", &format!("\"{name}\""));
        assert!(report(&text).contains(words), "{name}");
    }
    let twice = format!("{0}{0}", policy("requests = 5\nper = \"1m\""));
    assert!(report(&twice).contains("is defined twice"));
}

#[test]
fn templates_and_conditions_that_cannot_be_meant_are_refused() {
    let custom = |key: &str| {
        policy(&format!("{key}\nrequests = 5\nper = \"1m\"")).replace("subscription", "custom")
    };
    for (key, words) in [
        ("", "`throttling_policies.key` is missing"),
        ("key = \"\"", "must not be empty"),
        ("key = \"$usr\"", "did you mean \"$user\"?"),
        ("key = \"$shade\"", "variables are $user, $application"),
        ("key = \"$claim\"", "needs the name of a claim"),
    ] {
        let report = report(&custom(key));
        assert!(report.contains(words), "{key}: {words}: {report}");
    }
    let advanced = |condition: &str| {
        let lines = format!("requests = 5\nper = \"1m\"\nconditions = [{{ {condition} }}]");
        policy(&lines).replace("subscription", "advanced")
    };
    for (condition, words) in [
        ("requests = 5, per = \"1m\"", "the condition asks for nothing"),
        ("ips = [], requests = 5, per = \"1m\"", "the condition asks for nothing"),
        ("ips = [], invert = [\"ips\"], requests = 5, per = \"1m\"", "asks for nothing"),
        ("headers = {}, query = {}, requests = 5, per = \"1m\"", "asks for nothing"),
        ("ips = [\"10.0.0.0/8\"]", "the condition has no limit"),
        ("ips = [\"10.0.0.0/8\"], quotas = []", "the condition has no limit"),
        ("ips = [\"10.0.0.0/33\"], requests = 5, per = \"1m\"", "is no range of addresses"),
        ("ips = [\"10.0.0.9-10.0.0.1\"], requests = 5, per = \"1m\"", "is no range of addresses"),
        ("headers = { \"a b\" = \"x\" }, requests = 5, per = \"1m\"", "is not a header's name"),
        ("query = { a = \"(\" }, requests = 5, per = \"1m\"", "is not a regular expression"),
        (
            "ips = [\"::1\"], invert = [\"query\"], requests = 5, per = \"1m\"",
            "which is not written",
        ),
        ("ips = [\"::1\"], invert = [\"ip\"], requests = 5, per = \"1m\"", "did you mean \"ips\"?"),
    ] {
        let report = report(&advanced(condition));
        assert!(report.contains(words), "{condition}: {words}: {report}");
    }
    let text = policy("requests = 5\nper = \"1m\"\nconditions = []").replace("custom", "advanced");
    assert!(report(&text).contains("`conditions` is for policies of level \"advanced\""));
}

#[test]
fn names_of_policies_are_found_by_their_level() {
    for (text, words) in [
        (with_subscription("", ", policy = \"Golt\""), "did you mean \"Gold\"?"),
        (
            with_subscription("", ", policy = \"50PerMin\""),
            "\"50PerMin\" is of level \"application\"",
        ),
        (with_subscription("policy = \"10kPerMin\"", ""), "did you mean \"10KPerMin\"?"),
        (
            with_subscription("policies = [\"Silver\"]", ", policy = \"Gold\""),
            "`policies` of the API has \"Silver\"",
        ),
        (
            with_subscription("policies = [\"Silver\"]", ""),
            "does not offer the subscription policy \"Unlimited\"",
        ),
        (
            "[throttling]\nunauthenticated_policy = \"Unauthentic\"".to_owned(),
            "did you mean \"Unauthenticated\"?",
        ),
    ] {
        let report = report(&text);
        assert!(report.contains(words), "{text}: {words}: {report}");
    }
    load_text(&with_subscription("policies = [\"Silver\"]", ", policy = \"Silver\"")).unwrap();
    // the same rules for the lines of an application file
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"name":"a","policy":"50PerMinn"}"#,
        r#"{"name":"b","subscriptions":[{"api":"a:1","policy":"Gold"}]}"#,
        r#"{"name":"c","policy":"50PerMin","subscriptions":[{"api":"a:1","policy":"Silver"}]}"#,
    ];
    fs::write(folder.path().join("apps.jsonl"), lines.join("\n")).unwrap();
    let text = with_subscription("policies = [\"Silver\"]", ", policy = \"Silver\"");
    let report = load_in(folder.path(), &format!("application_files = [\"apps.jsonl\"]\n{text}"))
        .map(|_| ())
        .unwrap_err();
    assert!(
        report.contains("did you mean \"50PerMin\"?") && report.contains("2 errors"),
        "{report}"
    );
    assert!(report.contains("does not offer the subscription policy \"Gold\""), "{report}");
}

#[test]
fn an_excess_is_refused_marked_or_observed() {
    let excess = |lines: &str| {
        let text = policy(&format!("requests = 5\nper = \"1m\"\n{lines}"));
        let model = load_text(&text).unwrap().model;
        let index = model.throttling.policies.find(Subscription, "p").unwrap();
        model.throttling.policies.get(index).unwrap().excess
    };
    assert_eq!(excess(""), ExcessRule::Refuse);
    assert_eq!(excess("stop_on_quota_reach = false"), ExcessRule::Mark);
    assert_eq!(excess("observe = true"), ExcessRule::Observe);
    let told = warnings(&policy("requests = 5\nper = \"1m\"\nobserve = true"));
    assert!(told.contains("beyond this policy are forwarded"), "{told}");
}

#[test]
fn deny_conditions_are_read_and_bad_ones_refused() {
    let deny = |kind: &str, value: &str| {
        format!("[[deny_conditions]]\ntype = \"{kind}\"\nvalue = \"{value}\"\n")
    };
    let model = load_text(&deny("application", "charlie:tpp-mobile")).unwrap().model;
    let (owner, name) = ("charlie".to_owned(), "tpp-mobile".to_owned());
    assert_eq!(model.throttling.deny[0].target, DenyTarget::Application { owner, name });
    for (text, words) in [
        (deny("api", "accounts"), "is not where an API is served"),
        (deny("application", "tpp-mobile"), "names no application"),
        (deny("ip", "localhost"), "is no range of addresses"),
        (deny("ips", "::1"), "did you mean \"ip\"?"),
        (format!("{}invert = true\n", deny("user", "u")), "`invert` is for the types"),
        ("[[deny_conditions]]\ntype = \"ip\"\n".to_owned(), "`deny_conditions.value` is missing"),
    ] {
        let report = report(&text);
        assert!(report.contains(words), "{text}: {words}: {report}");
    }
}

#[test]
fn limits_that_are_probably_not_meant_are_warned_of() {
    const FIVE: &str = "requests = 5\nper = \"1m\"";
    let advanced = |lines: &str| policy(lines).replace("subscription", "advanced");
    let api = |policies: &str| with_subscription(policies, "");
    let used = |lines: &str| format!("{}{}", api("policy = \"p\""), advanced(lines));
    let denied = |lines: &str| format!("{}[[deny_conditions]]\n{lines}\n", api(""));
    let inverted = "type = \"ip\"\nvalue = \"::1\"\ninvert = true";
    for (text, words) in [
        (format!("{}{}", api(""), advanced(FIVE)), "nobody can reach"),
        (
            used(&format!("{FIVE}\nburst = {{ requests = 6, per = \"1s\" }}")),
            "has a burst of 6 above its quota of 5",
        ),
        (
            used("requests = 50\nper = \"1m\"\nburst = { requests = 9, per = \"30s\" }"),
            "its quota of 50 per 60s is never reached, because its burst of 9 lets fewer through",
        ),
        (
            used("requests = 50\nper = \"1m\"\nquotas = [{ requests = 40, per = \"1h\" }]"),
            "50 requests per 60s are never reached, because 40 per 3600s are the most",
        ),
        (
            used(&format!(
                "{FIVE}\nconditions = [{{ ips = [\"0.0.0.0/0\", \"::/0\"], invert = [\"ips\"], \
                 requests = 9, per = \"1m\" }}]"
            )),
            "matches nothing",
        ),
        (
            used(&format!(
                "{FIVE}\nconditions = [{{ ips = [\"::1\"], requests = 9, per = \"1m\" }}, \
                 {{ ips = [\"::1\"], requests = 8, per = \"1m\" }}]"
            )),
            "condition 2 of throttling policy \"p\" is never reached",
        ),
        (
            used(FIVE).replace("path = \"/x\"", "path = \"/x\", policy = \"10KPerMin\""),
            "\"10KPerMin\" of operation GET /x never counts",
        ),
        (denied("type = \"api\"\nvalue = \"/a/2\""), "did you mean \"/a/1\"?"),
        (denied("type = \"application\"\nvalue = \":y\""), "there is no application \":y\""),
        (denied("type = \"ip_range\"\nvalue = \"::/0\""), "everybody is denied"),
        (
            denied(&format!("{inverted}\n[[deny_conditions]]\n{inverted}")),
            "an address must be in all of them",
        ),
    ] {
        let found = warnings(&text);
        assert!(found.contains(words), "{text}: {words}: {found}");
    }
    let fine = used(&format!("{FIVE}\nburst = {{ requests = 5, per = \"1s\" }}"));
    assert!(!warnings(&fine).contains("throttling policy"), "{}", warnings(&fine));
}

#[test]
fn counters_of_all_gateways_have_an_address_that_is_never_shown() {
    for (lines, words) in [
        ("counters = \"memcached://h\"", "not an address of Redis"),
        ("counters = \"redis://:s3cret@h:x\"", "not an address of Redis"),
        ("counters = \"redis-sentinel://h\"", "not an address of Redis"),
        ("counters = \"redis://h\"\nca = \"none.pem\"", "none.pem"),
        ("counters = \"redis://h\"\nsync_interval = \"1h\"", "is between 10ms and 1m"),
        ("counters = \"redis://h\"\nmode = \"exakt\"", "did you mean \"exact\"?"),
    ] {
        let report = report(&format!("[throttling]\n{lines}"));
        assert!(report.contains(words) && !report.contains("s3cret"), "{lines}: {report}");
    }
    let loaded = load_text("[throttling]\nmode = \"exact\"").unwrap();
    assert!(loaded.model.throttling.shared.is_none());
    assert!(loaded.warnings.to_string().contains("each gateway counts alone"));
}
