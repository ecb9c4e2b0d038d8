//! Users of the store, accounts that developers make, and the log of it all.

use serde_json::{Value, json};

use crate::admin::test_api::{ApiStage, basic};
use crate::model::gateway::PortalSettings;

const USERS: &str = "/api/portcullis/v1/users";
const SIGN_UP: &str = "POST /api/portcullis/v1/sign-up";

fn stage(self_signup: bool, terms: &str) -> ApiStage {
    let terms = terms.to_owned();
    ApiStage::new(PortalSettings { self_signup, terms, ..PortalSettings::default() })
}

#[tokio::test]
async fn an_administrator_keeps_users() {
    let stage = stage(false, "");
    let post = format!("POST {USERS}");
    let ann = json!({ "name": "Ann", "password": "long enough", "roles": ["viewer"] });
    assert_eq!(stage.user("viewer", &post, &ann).await.status, 403);
    let made = stage.user("admin", &format!("{post}?dryRun=true"), &ann).await;
    assert_eq!((made.status.as_u16(), &made.body["dryRun"]), (200, &json!(true)));
    assert_eq!(made.body["result"]["name"], "Ann");
    for header in ["portcullis-revision", "location", "etag"] {
        assert!(!made.headers.contains_key(header), "{made:?}");
    }
    let made = stage.user("admin", &post, &ann).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.headers.contains_key("portcullis-revision"));
    let one = format!("{USERS}/{}", made.body["id"].as_str().unwrap());
    for (body, status) in [
        (json!({ "name": "ann", "password": "long enough" }), 409),
        (json!({ "name": "Admin", "password": "long enough" }), 409),
        (json!({ "name": "bob", "password": "short" }), 400),
        (json!({ "name": "b:b", "password": "long enough" }), 400),
        (json!({ "name": "bob", "password": "long enough", "roles": ["root"] }), 400),
        (json!({ "name": "bob", "password": "long enough", "admin": true }), 400),
    ] {
        assert_eq!(stage.user("admin", &post, &body).await.status.as_u16(), status, "{body}");
    }
    let audit = "GET /api/portcullis/v1/audit";
    assert_eq!(stage.user("Ann:long enough", audit, &Value::Null).await.status, 200);
    let listed = stage.user("admin", &format!("GET {USERS}?limit=2&offset=4"), &Value::Null).await;
    assert_eq!(
        (&listed.body["count"], &listed.body["pagination"]["total"]),
        (&json!(2), &json!(6))
    );
    assert_eq!(listed.body["list"][1]["name"], "Ann");
    assert!(!listed.body.to_string().contains("argon2"));

    let off = json!({ "roles": ["viewer"], "groups": [], "disabled": true });
    assert_eq!(stage.user("admin", &format!("PUT {one}"), &off).await.status, 200);
    assert_eq!(stage.user("Ann:long enough", audit, &Value::Null).await.status, 401);
    let credentials = basic("admin", "secret");
    let stale = [("authorization", credentials.as_str()), ("if-match", "\"1\"")];
    assert_eq!(stage.call(&format!("DELETE {one}"), &stale, "").await.status, 412);
    assert_eq!(stage.user("admin", &format!("DELETE {one}"), &Value::Null).await.status, 200);
    assert_eq!(stage.user("admin", &format!("GET {one}"), &Value::Null).await.status, 404);
    let in_file = &listed.body["list"][0]["id"];
    let in_file = format!("PUT {USERS}/{}", in_file.as_str().unwrap());
    assert_eq!(stage.user("admin", &in_file, &off).await.status, 409);

    let log = stage.user("admin", &format!("{audit}?kind=user&author=admin"), &Value::Null).await;
    let actions: Vec<_> = log.body["list"].as_array().unwrap().iter().collect();
    assert_eq!(actions.len(), 3, "{log:?}");
    assert_eq!(actions[2]["action"], "create-user");
    assert_eq!((&actions[2]["ip"], &actions[2]["name"]), (&json!("127.0.0.1"), &json!("Ann")));
    assert!(!log.body.to_string().contains("argon2"), "{log:?}");
    let disabled = actions[1]["fields"].as_array().unwrap();
    let change = json!({ "field": "disabled", "before": false, "after": true });
    assert!(disabled.contains(&change), "{disabled:?}");
    assert_eq!(stage.user("developer", audit, &Value::Null).await.status, 403);
}

#[tokio::test]
async fn a_developer_makes_an_account_where_that_is_allowed() {
    let account = json!({ "name": "dora", "password": "long enough" });
    let closed = stage(false, "");
    let fields = [("content-type", "application/json")];
    assert_eq!(closed.call(SIGN_UP, &fields, account.to_string()).await.status, 403);
    let terms = "https://portal.example/terms";
    let open = stage(true, terms);
    let refused = open.call(SIGN_UP, &fields, account.to_string()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body["description"].as_str().unwrap().contains(terms));
    let account =
        json!({ "name": "dora", "password": "long enough", "acceptedTerms": terms }).to_string();
    let made = open.call(SIGN_UP, &fields, account.clone()).await;
    assert_eq!((made.status.as_u16(), &made.body["roles"]), (201, &json!(["developer"])));
    assert_eq!(open.call(SIGN_UP, &fields, account).await.status, 409);
    // it has a developer's scopes: it is known, and no administrator
    let list = format!("GET {USERS}");
    assert_eq!(open.user("dora:long enough", &list, &Value::Null).await.status, 403);
    let with_role =
        json!({ "name": "eve", "password": "long enough", "roles": ["admin"] }).to_string();
    assert_eq!(open.call(SIGN_UP, &fields, with_role).await.status, 400);
}

#[tokio::test]
async fn one_address_makes_a_bounded_number_of_accounts() {
    let stage = stage(true, "");
    let mut refused = 0;
    for number in 0..31 {
        // a taken name costs no hash, and counts all the same
        let account = json!({ "name": "admin", "password": format!("long enough {number}") });
        let fields = [("content-type", "application/json")];
        let answer = stage.call(SIGN_UP, &fields, account.to_string()).await;
        match answer.status.as_u16() {
            409 => {}
            429 => {
                assert!(answer.headers.contains_key("retry-after"));
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn a_user_changes_its_own_password() {
    let stage = stage(false, "");
    let ann = json!({ "name": "ann", "password": "long enough", "roles": ["viewer"] });
    assert_eq!(stage.user("admin", &format!("POST {USERS}"), &ann).await.status, 201);
    let change = "POST /api/portcullis/v1/me/change-password";
    let body = |current: &str| json!({ "currentPassword": current, "newPassword": "even longer" });
    let wrong = stage.user("ann:long enough", change, &body("guess")).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    assert_eq!(stage.user("ann:long enough", change, &body("long enough")).await.status, 200);
    let audit = "GET /api/portcullis/v1/audit";
    assert_eq!(stage.user("ann:long enough", audit, &Value::Null).await.status, 401);
    assert_eq!(stage.user("ann:even longer", audit, &Value::Null).await.status, 200);
    assert_eq!(stage.user("admin", change, &body("secret")).await.status, 409, "of the file");
}
