//! WSO2's admin API on a running gateway: what an administrator makes is in force with the answer.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::credentials::basic;
use crate::support::gateway::json as body_of;
use crate::support::origin::Origin;
use crate::support::password::hash;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

pub(super) const KEY_MANAGERS: &str = "/api/am/admin/v4/key-managers";
const POLICIES: &str = "/api/am/admin/v4/throttling/policies";
const DENY: &str = "/api/am/admin/v4/throttling/deny-policies";
const PATH: &str = "/accounts/1.0.0/accounts/42";

/// The bank with an administrator and a store. Servers of tests are on loopback.
pub(crate) async fn bank() -> Bank {
    let hash = hash();
    let users =
        format!("users = [{{ name = \"anna\", password_hash = \"{hash}\", roles = [\"admin\"] }}]");
    let key = "encryption_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";
    Bank::of(|config| {
        config
            .gateway("state_dir = \"state\"")
            .management(&users)
            .management("allowed_networks = [\"127.0.0.0/8\"]")
            .tables(&format!("[store]\n{key}"))
    })
    .await
}

async fn send(bank: &Bank, method: &str, path: &str, body: Option<&Value>) -> Response<Bytes> {
    with_headers(bank, method, path, &[], body).await
}

async fn with_headers(
    bank: &Bank,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Response<Bytes> {
    bank.gateway.management_as("anna", (method, path), headers, body).await
}

/// Sends what must succeed, and returns the answer.
async fn done(bank: &Bank, method: &str, path: &str, body: Option<&Value>) -> Value {
    let answer = send(bank, method, path, body).await;
    assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
    if answer.body().is_empty() { Value::Null } else { body_of(&answer) }
}

/// Sends what must be refused, and returns status, code and description.
async fn refused(
    bank: &Bank,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, u64, String) {
    let answer = send(bank, method, path, body).await;
    let told = body_of(&answer);
    let description = told["description"].as_str().unwrap_or_default().to_owned();
    (answer.status().as_u16(), told["code"].as_u64().unwrap_or_default(), description)
}

fn key_manager(name: &str, issuer: &str, jwks: &str) -> Value {
    json!({
        "name": name,
        "type": "KeyCloak",
        "issuer": issuer,
        "certificates": { "type": "JWKS", "value": jwks },
        "tokenEndpoint": format!("{jwks}/token"),
    })
}

#[tokio::test]
async fn a_key_manager_is_in_force_with_the_answer_and_its_secret_never_leaves() {
    let bank = bank().await;
    let signer = Signer::new("new-key");
    let server = Origin::start();
    let json_type = [("content-type", "application/json")];
    server.always(Script::answer(200, &json_type, signer.jwks()));
    let issuer = "https://new.example/oauth2/token";
    // no API of the bank but `open` takes tokens of any key manager
    let token = signer.sign(&claims(issuer, "good", "accounts:read"));
    assert_eq!(bank.gateway.status("/open/1.0.0/x", &token).await, 401);
    let mut body = key_manager("new-is", issuer, &server.url());
    body["additionalProperties"] = json!({ "client_id": "gateway", "client_secret": "swordfish" });
    let answer = send(&bank, "POST", KEY_MANAGERS, Some(&body)).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    assert!(answer.headers().contains_key("portcullis-revision"));
    let made = body_of(&answer);
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(place, format!("{KEY_MANAGERS}/{}", made["id"].as_str().unwrap()));
    assert_eq!(bank.gateway.status("/open/1.0.0/x", &token).await, 200);
    assert!(!answer.body().windows(9).any(|part| part == b"swordfish"), "{answer:?}");
    assert_eq!(made["additionalProperties"]["client_secret"], "*****");

    let shown = send(&bank, "GET", &place, None).await;
    let tag = shown.headers()["etag"].to_str().unwrap().to_owned();
    let mut changed = body_of(&shown);
    assert_eq!(changed, made);
    let same = with_headers(&bank, "GET", &place, &[("if-none-match", &tag)], None).await;
    assert_eq!(same.status(), 304);
    changed["enabled"] = json!(false);
    let stale = [("if-match", "\"999999\"")];
    let answer = with_headers(&bank, "PUT", &place, &stale, Some(&changed)).await;
    assert_eq!(answer.status(), 412, "{answer:?}");
    let answer = with_headers(&bank, "PUT", &place, &[("if-match", &tag)], Some(&changed)).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(bank.gateway.status("/open/1.0.0/x", &token).await, 401, "it is off");
    let (status, code, told) = refused(&bank, "POST", KEY_MANAGERS, Some(&body)).await;
    assert_eq!((status, code), (409, 901_402), "{told}");
    changed["name"] = json!("other");
    assert_eq!(refused(&bank, "PUT", &place, Some(&changed)).await.0, 400, "a name stays");
    done(&bank, "DELETE", &place, None).await;
    let (status, code, _) = refused(&bank, "GET", &place, None).await;
    assert_eq!((status, code), (404, 901_411));
}

#[tokio::test]
async fn what_a_file_declares_is_shown_and_stays() {
    let bank = bank().await;
    let list = done(&bank, "GET", KEY_MANAGERS, None).await;
    assert_eq!(list["count"], 3);
    let own = list["list"].as_array().unwrap().iter().find(|own| own["name"] == "bank-is").unwrap();
    assert_eq!((&own["isUsed"], &own["isGlobal"]), (&json!(true), &json!(false)));
    let place = format!("{KEY_MANAGERS}/{}", own["id"].as_str().unwrap());
    let shown = done(&bank, "GET", &place, None).await;
    let (status, _, told) = refused(&bank, "PUT", &place, Some(&shown)).await;
    assert_eq!(status, 409);
    assert!(told.contains("gateway.toml:"), "{told}");
    assert_eq!(refused(&bank, "DELETE", &place, None).await.0, 409);
    let usages = done(&bank, "GET", &format!("{place}/api-usages"), None).await;
    assert_eq!((&usages["apiCount"], &usages["apis"][0]["name"]), (&json!(1), &json!("accounts")));
    let usages = done(&bank, "GET", &format!("{place}/app-usages?limit=1"), None).await;
    assert!(usages["applicationCount"].as_u64().unwrap() > 0, "{usages}");
    assert_eq!(usages["applications"].as_array().map(Vec::len), Some(1));
    let body = key_manager("bank-is", "https://x.example", "https://192.0.2.1/jwks");
    assert_eq!(refused(&bank, "POST", KEY_MANAGERS, Some(&body)).await.1, 901_402);
}

#[tokio::test]
async fn a_global_key_manager_has_its_own_path() {
    let bank = bank().await;
    let global = "/api/am/admin/v4/global-key-managers";
    let body = key_manager("all-is", "https://all.example", "https://127.0.0.1:1/jwks");
    let made = done(&bank, "POST", global, Some(&body)).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["global"], true);
    assert_eq!(done(&bank, "GET", global, None).await["count"], 1);
    done(&bank, "GET", &format!("{KEY_MANAGERS}/{id}"), None).await;
    let own = format!("{KEY_MANAGERS}/{id}");
    assert_eq!(refused(&bank, "PUT", &own, Some(&body)).await.0, 403);
    assert_eq!(refused(&bank, "DELETE", &own, None).await.0, 403);
    done(&bank, "PUT", &format!("{global}/{id}"), Some(&made)).await;
    done(&bank, "DELETE", &format!("{global}/{id}"), None).await;
}

fn form(fields: &[(&str, &str)]) -> String {
    let parts = fields.iter().map(|(name, value)| {
        format!("--limit\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    parts.chain(["--limit--\r\n".to_owned()]).collect()
}

async fn discover(bank: &Bank, url: &str) -> (u16, Value) {
    let request = Request::builder()
        .method("POST")
        .uri(bank.gateway.management_url(&format!("{KEY_MANAGERS}/discover")))
        .header("authorization", basic("anna", "secret"))
        .header("content-type", "multipart/form-data; boundary=limit")
        .body(Bytes::from(form(&[("url", url), ("type", "KeyCloak")])));
    let answer = bank.gateway.send(request.unwrap()).await;
    (answer.status().as_u16(), body_of(&answer))
}

#[tokio::test]
async fn a_discovery_document_is_a_proposal_and_a_bad_one_says_why() {
    let bank = bank().await;
    let server = Origin::start();
    let json_type = [("content-type", "application/json")];
    let document = json!({
        "issuer": "https://found.example",
        "jwks_uri": format!("{}/jwks", server.url()),
        "token_endpoint": format!("{}/token", server.url()),
    });
    server.always(Script::answer(200, &json_type, document.to_string()));
    let (status, found) = discover(&bank, &server.url()).await;
    assert_eq!((status, &found["valid"]), (200, &json!(true)), "{found}");
    let mut proposal = found["value"].clone();
    proposal["name"] = json!("found-is");
    proposal["enableOAuthAppCreation"] = json!(false);
    let made = done(&bank, "POST", KEY_MANAGERS, Some(&proposal)).await;
    assert_eq!(made["wellKnownEndpoint"], json!(server.url()));
    for (script, told) in [
        (Script::answer(302, &[("location", "https://10.0.0.1/")], ""), "redirect"),
        (Script::answer(404, &[], ""), "404"),
        (Script::answer(200, &json_type, "{}"), "issuer"),
        (Script::answer(200, &json_type, "x".repeat(600 * 1024)), "larger"),
        (Script::answer(200, &[("content-type", "text/html")], "<html>"), "html"),
        (Script::close(), "broke off"),
    ] {
        server.always(script);
        let (status, found) = discover(&bank, &server.url()).await;
        assert_eq!((status, &found["valid"]), (200, &json!(false)), "{told}: {found}");
        assert!(found["reason"].as_str().unwrap().contains(told), "{told}: {found}");
    }
    for url in [
        "",
        "is.example",
        "ftp://is.example",
        "file:///etc/passwd",
        "http://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://user:secret@is.example/",
        "http://is.example/",
    ] {
        let (status, told) = discover(&bank, url).await;
        assert_eq!(status, 400, "{url}: {told}");
        assert!(told["description"].as_str().unwrap().contains("`url`"), "{url}: {told}");
    }
}

#[tokio::test]
async fn a_key_manager_of_a_denied_network_is_refused_by_its_field() {
    let bank = bank().await;
    for (field, address) in [
        ("introspectionEndpoint", "https://10.0.0.1/introspect"),
        ("tokenEndpoint", "https://192.168.0.1/token"),
        ("clientRegistrationEndpoint", "http://[fd00::1]/register"),
        ("wellKnownEndpoint", "https://169.254.169.254/"),
        ("revokeEndpoint", "https://user:secret@is.example/revoke"),
        ("scopeManagementEndpoint", "javascript:alert(1)"),
    ] {
        let mut body = key_manager("x", "https://x.example", "https://127.0.0.1:1/jwks");
        body[field] = json!(address);
        let (status, _, told) = refused(&bank, "POST", KEY_MANAGERS, Some(&body)).await;
        assert_eq!(status, 400, "{field}: {told}");
        assert!(told.contains(field) && !told.contains("secret"), "{field}: {told}");
    }
    for (name, status) in
        [("' OR 1=1 --", 201), ("../../etc", 201), ("{{7*7}}", 201), ("a\nb", 400)]
    {
        let issuer = format!("https://{}.example", name.len());
        let body = key_manager(name, &issuer, "https://127.0.0.1:1/jwks");
        let answer = send(&bank, "POST", KEY_MANAGERS, Some(&body)).await;
        assert_eq!(answer.status().as_u16(), status, "{name:?}: {answer:?}");
    }
    for id in ["1", "..%2f..%2fetc", "%00", "' OR 1=1 --", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("{KEY_MANAGERS}/{}", id.replace(' ', "%20"));
        assert_eq!(refused(&bank, "GET", &path, None).await.0, 404, "{id}");
    }
}

#[tokio::test]
async fn a_policy_of_the_store_limits_and_an_attached_one_stays() {
    let bank = bank().await;
    let built_in = done(&bank, "GET", &format!("{POLICIES}/subscription"), None).await;
    let gold = built_in["list"].as_array().unwrap();
    let gold = gold.iter().find(|own| own["policyName"] == "Gold").unwrap();
    let mut body = gold.clone();
    body["defaultLimit"] = json!({
        "type": "REQUESTCOUNTLIMIT",
        "requestCount": { "timeUnit": "hours", "unitTime": 1, "requestCount": 7 },
    });
    let place = format!("{POLICIES}/subscription/{}", gold["policyId"].as_str().unwrap());
    let changed = done(&bank, "PUT", &place, Some(&body)).await;
    assert_eq!(changed["defaultLimit"], body["defaultLimit"], "the spelling stays");
    assert_eq!(changed["policyId"], gold["policyId"], "it stands for the built-in one");
    assert_eq!(done(&bank, "GET", &place, None).await["defaultLimit"], body["defaultLimit"]);
    done(&bank, "DELETE", &place, None).await;
    let again = done(&bank, "GET", &place, None).await;
    assert_eq!(again["defaultLimit"], gold["defaultLimit"], "the built-in one is back");
    assert_eq!(refused(&bank, "DELETE", &place, None).await.0, 409);

    for (level, more) in [
        (
            "application",
            json!({ "burstLimit": { "rateLimitCount": 2, "rateLimitTimeUnit": "sec" } }),
        ),
        ("subscription", json!({ "stopOnQuotaReach": true })),
        ("advanced", json!({ "conditionalGroups": [] })),
    ] {
        let mut body = json!({ "policyName": "Own", "defaultLimit": body["defaultLimit"] });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let path = format!("{POLICIES}/{level}");
        let made = done(&bank, "POST", &path, Some(&body)).await;
        assert_eq!(refused(&bank, "POST", &path, Some(&body)).await.0, 409, "{level}");
        let query = format!("policyId={}", made["policyId"].as_str().unwrap());
        let exported = done(&bank, "GET", &format!("{POLICIES}/export?{query}"), None).await;
        assert_eq!(exported["data"], made);
    }
    let custom = json!({
        "policyName": "Everybody",
        "keyTemplate": "$userId",
        "siddhiQuery": "FROM RequestStream SELECT userId, (not (userId is null)) AS isEligible, \
            str:concat(userId,'') as throttleKey INSERT INTO EligibilityStream; \
            FROM EligibilityStream[isEligible==true]#throttler:timeBatch(1 hour) \
            SELECT throttleKey, (count(throttleKey) >= 3) as isThrottled group by throttleKey \
            INSERT ALL EVENTS into ResultStream;",
    });
    let made = done(&bank, "POST", &format!("{POLICIES}/custom"), Some(&custom)).await;
    assert_eq!(made["siddhiQuery"], custom["siddhiQuery"]);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(bank.gateway.status(PATH, &bank.token()).await);
    }
    assert_eq!(answers, [200, 200, 200, 429]);
    let found = done(&bank, "GET", &format!("{POLICIES}/search?query=type:global"), None).await;
    assert_eq!(
        (&found["count"], &found["list"][0]["policyName"]),
        (&json!(1), &json!("Everybody"))
    );
}

#[tokio::test]
async fn the_name_of_a_built_in_policy_is_taken() {
    let bank = bank().await;
    let path = format!("{POLICIES}/subscription");
    let built_in = done(&bank, "GET", &path, None).await;
    let gold = built_in["list"].as_array().unwrap();
    let gold = gold.iter().find(|own| own["policyName"] == "Gold").unwrap();
    let again = json!({ "policyName": "Gold", "defaultLimit": gold["defaultLimit"] });
    assert_eq!(refused(&bank, "POST", &path, Some(&again)).await.0, 409);
}

#[tokio::test]
async fn a_denied_application_is_refused_until_it_is_switched_off() {
    let bank = bank().await;
    let token = bank.token();
    assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    let body = json!({ "conditionType": "API", "conditionValue": "/accounts/1.0.0" });
    let made = done(&bank, "POST", DENY, Some(&body)).await;
    assert_eq!(bank.gateway.status(PATH, &token).await, 403);
    assert_eq!(refused(&bank, "POST", DENY, Some(&body)).await.0, 409);
    let id = made["conditionId"].as_str().unwrap();
    let place = format!("/api/am/admin/v4/throttling/deny-policy/{id}");
    let off = json!({ "conditionId": id, "conditionStatus": false });
    assert_eq!(done(&bank, "PATCH", &place, Some(&off)).await["conditionStatus"], false);
    assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    assert_eq!(done(&bank, "GET", &place, None).await["conditionStatus"], false);
    let query = format!("{DENY}?query=conditionType:API%20%26%20conditionValue:/accounts/1.0.0");
    assert_eq!(done(&bank, "GET", &query, None).await["count"], 1);
    done(&bank, "DELETE", &place, None).await;
    assert_eq!(refused(&bank, "GET", &place, None).await.0, 404);
    for (kind, value, status) in [
        ("API", json!("/nothing/1.0.0"), 404),
        ("APPLICATION", json!("nobody:nothing"), 404),
        ("APPLICATION", json!("nothing"), 400),
        ("IP", json!({ "fixedIp": "x", "invert": false }), 400),
        ("IPRANGE", json!({ "startingIp": "192.0.2.9", "endingIp": "192.0.2.1" }), 400),
        ("USER", json!("eve"), 201),
        ("IP", json!({ "fixedIp": "192.0.2.7", "invert": false }), 201),
    ] {
        let body = json!({ "conditionType": kind, "conditionValue": value });
        let answer = send(&bank, "POST", DENY, Some(&body)).await;
        assert_eq!(answer.status().as_u16(), status, "{kind} {value}: {answer:?}");
    }
}

#[tokio::test]
async fn settings_have_the_forms() {
    let bank = bank().await;
    let settings = done(&bank, "GET", "/api/am/admin/v3/settings", None).await;
    let forms = settings["keyManagerConfiguration"].as_array().unwrap();
    let is7 = forms.iter().find(|form| form["type"] == "WSO2-IS-7").unwrap();
    assert_eq!(is7["configurations"][1]["mask"], true);
    assert_eq!(is7["defaultConsumerKeyClaim"], "azp");
}

#[tokio::test]
async fn a_body_of_another_type_or_shape_is_refused() {
    let bank = bank().await;
    let wrong = [("content-type", "text/plain")];
    let answer = with_headers(&bank, "POST", KEY_MANAGERS, &wrong, None).await;
    assert_eq!(answer.status(), 415);
    let body = json!({ "name": "x", "type": "KeyCloak", "isUsed": true });
    let (status, _, told) = refused(&bank, "POST", KEY_MANAGERS, Some(&body)).await;
    assert!(status == 400 && told.contains("isUsed"), "{told}");
    let body = json!({ "name": "x".repeat(2 << 20) });
    assert_eq!(send(&bank, "POST", KEY_MANAGERS, Some(&body)).await.status(), 413);
    for page in ["limit=1001", "limit=-1", "offset=x", "limit=1e3"] {
        let list = done(&bank, "GET", KEY_MANAGERS, None).await;
        let id = list["list"][0]["id"].as_str().unwrap();
        let path = format!("{KEY_MANAGERS}/{id}/api-usages?{page}");
        assert_eq!(refused(&bank, "GET", &path, None).await.0, 400, "{page}");
    }
}
