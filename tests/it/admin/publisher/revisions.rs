//! Revisions and deployments: what scripts ask for, and what is in force.

use serde_json::{Value, json};

use super::super::devportal::{Portal, text};
use super::pay;
use crate::support::script::Script;

const STATUS: &str = "/pay/1.0.0/status";

fn everywhere() -> Value {
    json!([{ "name": "Default", "vhost": "localhost", "displayOnDevportal": true }])
}

impl Portal {
    /// Makes a revision and returns its id.
    async fn revision(&self, api: &str, description: &str) -> String {
        let body = json!({ "description": description });
        let made = self.publisher("POST", &format!("/apis/{api}/revisions"), Some(&body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        text(&made.body["id"])
    }

    async fn deploy(&self, api: &str, revision: &str) -> super::super::devportal::Answered {
        let path = format!("/apis/{api}/deploy-revision?revisionId={revision}");
        self.publisher("POST", &path, Some(&everywhere())).await
    }

    /// The names of revisions, and of those that are deployed.
    async fn revisions(&self, api: &str) -> (Vec<String>, Vec<String>) {
        let list = self.publisher("GET", &format!("/apis/{api}/revisions"), None).await;
        let list = list.body["list"].as_array().unwrap().clone();
        let name = |own: &Value| text(&own["displayName"]);
        let deployed = list.iter().filter(|own| own["deploymentInfo"] != json!([]));
        (list.iter().map(name).collect(), deployed.map(name).collect())
    }
}

#[tokio::test]
async fn scripts_create_a_revision_deploy_it_and_publish() {
    let portal = Portal::open().await;
    portal.bank.production.always(Script::answer(200, &[], "ok"));
    let id = portal.create_api(&pay(&portal)).await;
    let none = portal.publisher("GET", &format!("/apis/{id}/deployments"), None).await;
    assert_eq!(none.body["list"], json!([]));
    let first = portal.revision(&id, "first").await;
    let deployed = portal.deploy(&id, &first).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    assert_eq!(
        (&deployed.body[0]["name"], &deployed.body[0]["revisionUuid"]),
        (&json!("Default"), &json!(first))
    );
    assert_eq!(portal.bank.gateway.status(STATUS, "").await, 404, "not published yet");
    assert_eq!(portal.transition(&id, "Publish").await.status, 200);
    let none = portal.bank.gateway.get(STATUS, None).await;
    assert_eq!(none.status(), 200);
    assert_eq!(portal.revisions(&id).await.1, ["Revision 1"]);
    // the same again is answered and changes nothing
    assert_eq!(portal.deploy(&id, &first).await.status, 200);
    let one = portal.publisher("GET", &format!("/apis/{id}/revisions/{first}"), None).await;
    assert_eq!(
        (&one.body["description"], &one.body["apiInfo"]["id"]),
        (&json!("first"), &json!(id))
    );
    // taken out of the gateway, and put back
    let path = format!("/apis/{id}/undeploy-revision?revisionId={first}");
    let undeployed = portal.publisher("POST", &path, Some(&everywhere())).await;
    assert_eq!(undeployed.status, 201, "{undeployed:?}");
    assert_eq!(portal.bank.gateway.get(STATUS, None).await.status(), 404);
    assert_eq!(portal.publisher("POST", &path, Some(&everywhere())).await.code(), (404, 900_356));
    let api = portal.publisher("GET", &format!("/apis/{id}"), None).await;
    assert_eq!(api.body["lifeCycleStatus"], "PUBLISHED");
    assert_eq!(portal.deploy(&id, &first).await.status, 200);
    assert_eq!(portal.bank.gateway.get(STATUS, None).await.status(), 200);
}

#[tokio::test]
async fn an_older_revision_is_brought_back() {
    let portal = Portal::open().await;
    portal.bank.production.always(Script::answer(200, &[], "ok"));
    let id = portal.create_api(&pay(&portal)).await;
    portal.transition(&id, "Publish").await;
    assert_eq!(portal.revisions(&id).await.1, ["Revision 1"], "publishing makes one");
    let first = portal.publisher("GET", &format!("/apis/{id}/revisions"), None).await;
    let first = text(&first.body["list"][0]["id"]);
    let mut body = portal.publisher("GET", &format!("/apis/{id}"), None).await.body;
    body["operations"][1]["target"] = json!("/health");
    let path = format!("/apis/{id}");
    assert_eq!(portal.publisher("PUT", &path, Some(&body)).await.status, 200);
    assert_eq!(portal.bank.gateway.get("/pay/1.0.0/health", None).await.status(), 200, "at once");
    let lost = portal.deploy(&id, &first).await;
    assert_eq!(lost.status, 409, "{lost:?}");
    let second = portal.revision(&id, "second").await;
    assert_eq!(portal.deploy(&id, &second).await.status, 200);
    assert_eq!(portal.revisions(&id).await.1, ["Revision 2"]);
    assert_eq!(portal.deploy(&id, &first).await.status, 200);
    assert_eq!(portal.bank.gateway.get(STATUS, None).await.status(), 200, "the old content");
    assert_eq!(portal.bank.gateway.get("/pay/1.0.0/health", None).await.status(), 404);
    assert_eq!(portal.revisions(&id).await.1, ["Revision 1"]);
    let path = format!("/apis/{id}/restore-revision?revisionId={second}");
    let restored = portal.publisher("POST", &path, None).await;
    assert_eq!(
        (restored.status, &restored.body["operations"][1]["target"]),
        (201, &json!("/health"))
    );
}

#[tokio::test]
async fn revisions_have_a_limit_and_the_deployed_one_stays() {
    let portal = Portal::open().await;
    let id = portal.create_api(&pay(&portal)).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(portal.revision(&id, &number.to_string()).await);
    }
    let path = format!("/apis/{id}/revisions");
    let sixth = portal.publisher("POST", &path, Some(&json!({}))).await;
    assert_eq!(sixth.code(), (400, 900_351));
    assert_eq!(portal.deploy(&id, &ids[0]).await.status, 200);
    let one = |index: usize| format!("{path}/{}", ids[index]);
    assert_eq!(portal.publisher("DELETE", &one(0), None).await.code(), (400, 900_348));
    let left = portal.publisher("DELETE", &one(1), None).await;
    assert_eq!((left.status, &left.body["count"]), (200, &json!(4)));
    assert_eq!(portal.publisher("DELETE", &one(1), None).await.code(), (404, 900_347));
    for (body, code) in [
        (json!([]), (400, 400)),
        (json!([{ "name": "Production and Sandbox" }]), (400, 900_504)),
        (json!([{ "name": "Default", "vhost": "a/b" }]), (400, 400)),
        (json!([{ "name": "Default", "odd": 1 }]), (400, 400)),
    ] {
        let path = format!("/apis/{id}/deploy-revision?revisionId={}", ids[2]);
        let refused = portal.publisher("POST", &path, Some(&body)).await;
        assert_eq!(refused.code(), code, "{body}: {refused:?}");
    }
    assert_eq!(portal.deploy(&id, "x").await.code(), (404, 900_347));
    // they go with the API
    assert_eq!(portal.publisher("DELETE", &format!("/apis/{id}"), None).await.status, 200);
    assert_eq!(portal.publisher("GET", &path, None).await.code(), (404, 900_308));
}

#[tokio::test]
async fn an_api_of_a_file_has_the_revision_that_is_live() {
    let portal = Portal::open().await;
    for (name, deployed) in [("accounts", 1), ("retired", 0)] {
        let list = portal.publisher("GET", &format!("/apis?query=name:{name}"), None).await;
        let id = text(&list.body["list"][0]["id"]);
        let list = portal.publisher("GET", &format!("/apis/{id}/deployments"), None).await;
        assert_eq!(list.body["list"].as_array().unwrap().len(), deployed, "{name}: {list:?}");
        let body = json!({});
        let refused = portal.publisher("POST", &format!("/apis/{id}/revisions"), Some(&body)).await;
        assert_eq!(refused.status, 409, "{refused:?}");
    }
}
