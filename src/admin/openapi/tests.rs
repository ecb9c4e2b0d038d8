//! The documents describe every operation of the API, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::admin::openapi::DescribedApi;
use crate::admin::test_api::ApiStage;
use crate::model::gateway::PortalSettings;

const APIS: [(DescribedApi, &str); 5] = [
    (DescribedApi::Access, ""),
    (DescribedApi::Admin, "/api/am/admin/v4"),
    (DescribedApi::Devportal, "/api/am/devportal/v3"),
    (DescribedApi::Portcullis, "/api/portcullis/v1"),
    (DescribedApi::Publisher, "/api/am/publisher/v4"),
];

fn document(api: DescribedApi) -> Value {
    Value::Object(api.document("/base").unwrap())
}

fn paths(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document["paths"].as_object().unwrap().iter()
}

/// Tells whether an answer comes from the fallback and not from an operation.
fn is_nowhere(answer: &Value) -> bool {
    let told = answer["description"].as_str().unwrap_or_default();
    told.starts_with("there is no operation at") || told.starts_with("this method is not allowed")
}

#[tokio::test]
async fn every_documented_operation_is_served() {
    let stage = ApiStage::new(PortalSettings::default());
    for (api, base) in APIS {
        for (path, item) in paths(&document(api)) {
            let path = path.replace(['{', '}'], "");
            for method in item.as_object().unwrap().keys() {
                let line = format!("{} {base}{path}", method.to_uppercase());
                let answer = stage.user("admin", &line, &json!({})).await;
                assert!(!is_nowhere(&answer.body), "{line}: {:?}", answer.body);
            }
        }
    }
    let answer = stage.user("admin", "PATCH /api/portcullis/v1/audit", &Value::Null).await;
    assert!(answer.status == 405 && is_nowhere(&answer.body));
}

/// Returns each part of the text that begins with `start` and ends with `end`.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Vec<&'t str> {
    text.split(start).skip(1).filter_map(|rest| rest.split_once(end)).map(|(own, _)| own).collect()
}

/// Returns the text up to the parenthesis that closes the one before it.
fn call(text: &str) -> &str {
    let mut depth = 1_usize;
    let end = text.find(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &text[..end.unwrap()]
}

/// The routes of a room's files: path and method. A constant in a path is its text.
fn routes(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if path.extension().is_none_or(|own| own != "rs") || path.ends_with("tests.rs") {
            continue;
        }
        for own in text.split(".route(").skip(1) {
            let own = call(own);
            let (place, handlers) = own.split_once(',').unwrap();
            for path in places(place.trim(), &text) {
                for method in ["get", "head", "post", "put", "patch", "delete"] {
                    let begins = format!("{method}(");
                    let handlers = with_locals(handlers, &text);
                    if handlers.starts_with(&begins) || handlers.contains(&format!(".{begins}")) {
                        found.insert((path.clone(), method.to_owned()));
                    }
                }
            }
        }
    }
}

/// Replaces a handler that is a variable by its definition.
fn with_locals(handlers: &str, text: &str) -> String {
    let name = handlers.trim();
    let declared = text.split(&format!("let {name} =")).nth(1);
    match declared {
        Some(rest) => rest.split(";\n").next().unwrap().trim().to_owned(),
        None => name.to_owned(),
    }
}

/// The paths that the first argument of a route stands for.
fn places(place: &str, text: &str) -> Vec<String> {
    let constant = |name: &str| {
        let start = format!("const {name}: &str = \"");
        between(text, &start, "\"").first().map(|own| (*own).to_owned())
    };
    if let Some(literal) = place.strip_prefix('"') {
        return vec![literal.trim_end_matches('"').to_owned()];
    }
    if let Some(known) = constant(place) {
        return vec![known];
    }
    let format = place.strip_prefix("&format!(\"").and_then(|own| own.strip_suffix("\")"));
    let template = format.unwrap_or("{path}").replace("{{", "{").replace("}}", "}");
    let name = between(&template, "{", "}")[0].to_owned();
    let of_calls = || between(text, "of_realm(\"", "\"").into_iter().map(str::to_owned).collect();
    let starts: Vec<String> = constant(&name).map_or_else(of_calls, |own| vec![own]);
    starts.iter().map(|start| template.replacen(&format!("{{{name}}}"), start, 1)).collect()
}

fn fits(documented: &str, route: &str) -> bool {
    let (documented, route): (Vec<_>, Vec<_>) =
        (documented.split('/').collect(), route.split('/').collect());
    documented.len() == route.len()
        && documented
            .iter()
            .zip(&route)
            .all(|(own, wanted)| own == wanted || wanted.starts_with('{'))
}

#[test]
fn every_route_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    for (api, rooms) in [
        (DescribedApi::Access, vec!["access"]),
        (DescribedApi::Admin, vec!["administration"]),
        (DescribedApi::Devportal, vec!["devportal"]),
        (DescribedApi::Portcullis, vec!["portcullis"]),
        (DescribedApi::Publisher, vec!["publisher"]),
    ] {
        let mut found = BTreeSet::new();
        for room in rooms {
            routes(&root.join(room), &mut found);
            let file = std::fs::read_to_string(root.join(format!("{room}.rs"))).unwrap_or_default();
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("room.rs"), file).unwrap();
            routes(folder.path(), &mut found);
        }
        let document = document(api);
        for (route, method) in &found {
            let is_there = paths(&document)
                .any(|(path, item)| fits(path, route) && item.get(method).is_some());
            assert!(is_there, "{api:?}: {method} {route} is not documented");
        }
        let documented: usize =
            paths(&document).map(|(_, item)| item.as_object().unwrap().len()).sum();
        assert!(found.len() * 4 > documented, "{api:?}: {} routes only", found.len());
    }
}

#[tokio::test]
async fn the_documents_are_served_to_everybody() {
    let stage = ApiStage::new(PortalSettings::default());
    for (file, base) in [
        ("/api/am/admin/v4", "/api/am/admin/v4"),
        ("/api/am/admin/v3", "/api/am/admin/v3"),
        ("/api/am/devportal/v3", "/api/am/devportal/v3"),
        ("/api/am/devportal/v2.1", "/api/am/devportal/v2.1"),
        ("/api/am/devportal/v2", "/api/am/devportal/v2"),
        ("/api/am/publisher/v4", "/api/am/publisher/v4"),
        ("/api/am/publisher/v3", "/api/am/publisher/v3"),
        ("/api/portcullis/v1", "/api/portcullis/v1"),
        ("/oauth2", "/"),
    ] {
        for name in ["openapi.json", "swagger.yaml"] {
            let answer = stage.call(&format!("GET {file}/{name}"), &[], "").await;
            assert_eq!(answer.status, 200, "{file}");
            assert_eq!(answer.body["servers"][0]["url"], base);
            assert_eq!(answer.body["openapi"], "3.1.0");
        }
    }
}

/// Returns every reference of a document.
fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|own| references(own, found));
        }
        Value::Array(list) => list.iter().for_each(|own| references(own, found)),
        _ => {}
    }
}

#[test]
fn documents_are_whole() {
    let mut ids = BTreeSet::new();
    for (api, _) in APIS {
        let document = document(api);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{api:?}: {reference}");
        }
        for (path, item) in paths(&document) {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!(operation["summary"].is_string(), "{path}");
                for code in ["400", "403", "408", "413", "500", "503", "504"] {
                    assert!(operation["responses"].get(code).is_some(), "{path} {code}");
                }
            }
        }
    }
}

#[test]
fn what_operations_have_in_common_is_added() {
    let document = document(DescribedApi::Devportal);
    let create = &document["paths"]["/applications"]["post"];
    for code in ["201", "401", "409", "415", "507"] {
        assert!(create["responses"].get(code).is_some(), "{code}");
    }
    let made = &create["responses"]["201"];
    assert!(made["headers"].get("Portcullis-Revision").is_some());
    let link = &made["links"]["getApplication"];
    assert_eq!(link["parameters"]["id"], "$response.body#/applicationId");
    let body = &create["requestBody"]["content"]["application/json"];
    assert_eq!(body["example"]["name"], "payments");
    let update = document["paths"]["/applications/{id}"]["put"]["parameters"].to_string();
    assert!(update.contains("dryRun") && update.contains("If-Match"), "{update}");
}
