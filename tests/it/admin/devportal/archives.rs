//! Archives: what is exported comes back with its keys and subscriptions, in one change or not at all.

use std::io::{Cursor, Write};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{PORTAL, Portal, text};

async fn call(portal: &Portal, request: http::request::Builder, body: Vec<u8>) -> Response<Bytes> {
    let request = request.header("authorization", "Basic YWRtaW46c2VjcmV0");
    portal.bank.gateway.send(request.body(Bytes::from(body)).unwrap()).await
}

async fn export(portal: &Portal, query: &str) -> Response<Bytes> {
    let url = portal.bank.gateway.management_url(&format!("{PORTAL}/applications/export?{query}"));
    call(portal, Request::get(url), Vec::new()).await
}

async fn import(portal: &Portal, query: &str, archive: &[u8]) -> (u16, Value) {
    let url = portal.bank.gateway.management_url(&format!("{PORTAL}/applications/import?{query}"));
    let mut body =
        b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\
                     Content-Type: application/zip\r\n\r\n"
            .to_vec();
    body.extend_from_slice(archive);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    let request = Request::post(url).header("content-type", "multipart/form-data; boundary=cut");
    let answer = call(portal, request, body).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null))
}

/// An archive of this document.
fn archive(document: &Value) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("x/application.json", options).unwrap();
    archive.write_all(document.to_string().as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn an_application_comes_back_with_its_keys_and_subscriptions() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    assert_eq!(portal.map("ann", &id, "client-1").await.status, 200);
    let api = portal.api("accounts").await;
    let wanted = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Gold" });
    assert_eq!(portal.post("ann", "/subscriptions", &wanted).await.status, 201);
    let exported = export(&portal, "appName=one&appOwner=ann&withKeys=true&format=JSON").await;
    assert_eq!(exported.status(), 200, "{exported:?}");
    assert_eq!(exported.headers()["content-type"], "application/zip");
    let file = exported.into_body();
    let (status, refused) = import(&portal, "preserveOwner=true", &file).await;
    assert_eq!((status, &refused["code"]), (409, &json!(900_301)), "{refused}");
    let (status, updated) = import(&portal, "preserveOwner=true&update=true", &file).await;
    assert_eq!((status, &updated["applicationId"]), (200, &json!(id)), "{updated}");
    assert_eq!(portal.delete("ann", &format!("/applications/{id}")).await.status, 200);
    let (status, made) = import(&portal, "preserveOwner=true", &file).await;
    assert_eq!((status, &made["owner"]), (200, &json!("ann")), "{made}");
    assert_eq!(made["subscriptionCount"], 1, "{made}");
    let token = portal.bank.token_of("client-1", "accounts:read");
    assert_eq!(portal.bank.gateway.status("/accounts/1.0.0/accounts/42", &token).await, 200);
    for query in ["appName=one&appOwner=eve", "appName=none&appOwner=ann"] {
        assert_eq!(export(&portal, query).await.status(), 404, "{query}");
    }
    for query in ["appName=one", "appOwner=ann", "appName=one&appOwner=ann&format=XML"] {
        assert_eq!(export(&portal, query).await.status(), 400, "{query}");
    }
    let refused = portal.get("ann", "/applications/export?appName=one&appOwner=ann").await;
    assert_eq!(refused.code(), (403, 900_910));
}

#[tokio::test]
async fn what_cannot_be_had_is_told_and_a_taken_client_refuses_the_whole() {
    let portal = Portal::open().await;
    let document = |client: &str| {
        json!({ "type": "application", "version": "v4.3.0", "data": {
            "applicationInfo": {
                "name": "from elsewhere", "throttlingPolicy": "Unlimited", "owner": "ann",
                "hashEnabled": false,
                "keys": [{ "keyType": "PRODUCTION", "keyManager": "bank-is",
                           "consumerKey": client, "consumerSecret": "cw==", "mode": "CREATED" }],
            },
            "subscribedAPIs": [
                { "apiId": { "apiName": "accounts", "version": "1.0.0", "providerName": "admin" },
                  "throttlingPolicy": "Gold" },
                { "apiId": { "apiName": "gone", "version": "1", "providerName": "admin" },
                  "throttlingPolicy": "Gold" },
            ],
        } })
    };
    let (status, refused) = import(&portal, "", &archive(&document("good"))).await;
    assert_eq!((status, &refused["code"]), (409, &json!(901_409)), "{refused}");
    assert_eq!(portal.get("admin", "/applications?query=from").await.body["count"], 0);
    let (status, skipped) = import(&portal, "appOwner=eve", &archive(&document("free"))).await;
    assert_eq!(status, 207, "{skipped}");
    assert_eq!((&skipped["count"], &skipped["list"][0]["name"]), (&json!(1), &json!("gone")));
    let own = portal.get("eve", "/applications?consumerKey=free").await;
    assert_eq!(text(&own.body["list"][0]["name"]), "from elsewhere");
    assert_eq!(own.body["list"][0]["subscriptionCount"], 1);
    let id = text(&own.body["list"][0]["applicationId"]);
    let keys = portal.get("eve", &format!("/applications/{id}/oauth-keys")).await;
    assert_eq!(keys.body["list"][0]["mode"], "MAPPED", "the gateway did not make it");
    for odd in [b"".to_vec(), b"PK\x03\x04".to_vec(), archive(&json!({ "data": {} }))] {
        assert_eq!(import(&portal, "", &odd).await.0, 400);
    }
    assert_eq!(import(&portal, "update=maybe", &archive(&document("other"))).await.0, 400);
}
