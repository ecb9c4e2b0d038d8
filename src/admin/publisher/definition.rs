//! Reads OpenAPI definitions, in JSON or YAML, versions 3 and 2.

use serde_json::{Map, Value, json};

use crate::admin::publisher::fields::MOST_ENTRIES;
use crate::admin::yaml_text::yaml;

/// The longest definition, also after the aliases of YAML are replaced.
const MOST_BYTES: usize = 1024 * 1024;

/// The methods that a path can have, and that the gateway forwards.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Members of a path besides its methods.
const PATH_MEMBERS: [&str; 4] = ["summary", "description", "servers", "parameters"];

/// Marks of WSO2 at an operation.
pub(super) const AUTH_TYPE: &str = "x-auth-type";
pub(super) const TIER: &str = "x-throttling-tier";
const SCOPE: &str = "x-scope";

/// A definition that was understood.
#[derive(Debug)]
pub(super) struct ApiDefinition {
    pub(super) document: Value,
    pub(super) specification: String,
    pub(super) title: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) endpoints: Vec<String>,
    operations: Vec<DefinedOperation>,
}

/// An operation; `None` for the fields that the definition does not mention.
#[derive(Debug, Default)]
struct DefinedOperation {
    method: String,
    path: String,
    open: Option<bool>,
    policy: Option<String>,
    scopes: Option<Vec<String>>,
}

/// Reads a document. An error describes the fault in words for its author.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MOST_BYTES {
        return Err("the definition is longer than 1 MiB".to_owned());
    }
    let text = text.trim_start_matches('\u{feff}');
    let document: Value = if text.trim_start().starts_with(['{', '[']) {
        serde_json::from_str(text).map_err(|fault| format!("it is not JSON: {fault}"))?
    } else {
        yaml(text)?
    };
    if !document.is_object() {
        return Err("the definition is not an object".to_owned());
    }
    if document.to_string().len() > MOST_BYTES {
        return Err("the definition is longer than 1 MiB with its aliases replaced".to_owned());
    }
    Ok(document)
}

/// Reads the parts of a definition that the gateway needs, or returns all of its faults.
pub(super) fn read(document: Value) -> Result<ApiDefinition, Vec<String>> {
    let mut faults = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (openapi, swagger) = (text(document.get("openapi")), text(document.get("swagger")));
    let specification = match (openapi, swagger) {
        (Some(version), None) if version.starts_with("3.") => version,
        (None, Some(version)) if version == "2.0" => version,
        _ => {
            faults.push("`openapi` is 3.x, or `swagger` is \"2.0\"".to_owned());
            String::new()
        }
    };
    let info = document.get("info");
    let of_info = |key: &str| text(info.and_then(|info| info.get(key)));
    let mut needed = |key: &str| {
        let found = of_info(key).filter(|own| !own.trim().is_empty());
        found.unwrap_or_else(|| {
            faults.push(format!("`info.{key}` is not a text"));
            String::new()
        })
    };
    let (title, version) = (needed("title"), needed("version"));
    let mut operations = Vec::new();
    match document.get("paths").and_then(Value::as_object) {
        Some(paths) => {
            for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
                read_path(&document, path, item, &mut operations, &mut faults);
            }
        }
        None => faults.push("`paths` is not an object".to_owned()),
    }
    if operations.len() > MOST_ENTRIES {
        faults.push(format!("there are more than {MOST_ENTRIES} operations"));
    } else if operations.is_empty() && faults.is_empty() {
        faults.push("`paths` has no operation".to_owned());
    }
    if !faults.is_empty() {
        faults.truncate(MOST_FAULTS);
        return Err(faults);
    }
    let endpoints = endpoints(&document);
    let description = of_info("description");
    Ok(ApiDefinition {
        document,
        specification,
        title,
        version,
        description,
        endpoints,
        operations,
    })
}

/// More faults than a person corrects at a time.
const MOST_FAULTS: usize = 20;

fn read_path(
    document: &Value,
    path: &str,
    item: &Value,
    operations: &mut Vec<DefinedOperation>,
    faults: &mut Vec<String>,
) {
    let shown: String = path.chars().take(100).collect();
    let Some(members) = item.as_object().filter(|_| path.starts_with('/')) else {
        faults.push(format!("`paths` has {shown:?}, which is no path with operations"));
        return;
    };
    for (name, value) in members {
        if METHODS.contains(&name.as_str()) && value.is_object() {
            operations.push(operation(document, path, name, value));
        } else if name == "$ref" {
            faults.push(format!("`$ref` of the path {shown:?} is not followed; write it out"));
        } else if !PATH_MEMBERS.contains(&name.as_str()) && !name.starts_with("x-") {
            let name: String = name.chars().take(50).collect();
            faults.push(format!("the path {shown:?} has {name:?}, which is no operation"));
        }
    }
}

fn operation(document: &Value, path: &str, method: &str, value: &Value) -> DefinedOperation {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|own| !own.is_empty());
    let of_scheme = required_scopes(document, value.get("security").or(document.get("security")));
    let of_mark = text(SCOPE).map(|all| {
        all.split([',', ' ']).filter(|own| !own.is_empty()).map(str::to_owned).collect()
    });
    DefinedOperation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        open: text(AUTH_TYPE).map(|kind| kind == "None"),
        policy: text(TIER).map(str::to_owned),
        scopes: of_mark.or(of_scheme),
    }
}

/// Returns the scopes that requirements name for schemes with scopes; `None` without requirements.
/// Any one of them is enough, as in WSO2.
fn required_scopes(document: &Value, security: Option<&Value>) -> Option<Vec<String>> {
    let mut scopes = Vec::new();
    for requirement in security?.as_array()? {
        for (scheme, names) in requirement.as_object().into_iter().flatten() {
            if !has_scopes(document, scheme) {
                continue;
            }
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            scopes.extend(names.map(str::to_owned));
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    Some(scopes)
}

fn has_scopes(document: &Value, scheme: &str) -> bool {
    let of_three = document.get("components").and_then(|own| own.get("securitySchemes"));
    let schemes = of_three.or(document.get("securityDefinitions"));
    let kind = schemes.and_then(|all| all.get(scheme)?.get("type")?.as_str());
    matches!(kind, Some("oauth2" | "openIdConnect"))
}

fn endpoints(document: &Value) -> Vec<String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(servers) = document.get("servers").and_then(Value::as_array) {
        return servers.iter().filter_map(|own| text(own, "url")).take(MOST_FAULTS).collect();
    }
    let Some(host) = text(document, "host") else { return Vec::new() };
    let base = text(document, "basePath").unwrap_or_default();
    let schemes = document.get("schemes").and_then(Value::as_array).cloned();
    let schemes = schemes.unwrap_or_else(|| vec![json!("https")]);
    let schemes = schemes.iter().filter_map(Value::as_str).take(MOST_FAULTS);
    schemes.map(|scheme| format!("{scheme}://{host}{base}")).collect()
}

impl ApiDefinition {
    /// Returns the operations in the form of `gateway.toml`. Fields that the definition does not
    /// mention stay as they are in `present`.
    pub(super) fn declared(&self, present: Option<&Value>) -> Value {
        let present = present.and_then(Value::as_array);
        self.operations
            .iter()
            .map(|own| {
                let is = |old: &&Value| {
                    old.get("method") == Some(&json!(own.method))
                        && old.get("path") == Some(&json!(own.path))
                };
                own.declared(present.and_then(|all| all.iter().find(is)))
            })
            .collect()
    }
}

impl DefinedOperation {
    fn declared(&self, present: Option<&Value>) -> Value {
        let mut members = present.and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        let mut put = |key: &str, value: Option<Value>| match value {
            Some(value) => drop(members.insert(key.to_owned(), value)),
            None => drop(members.remove(key)),
        };
        put("method", Some(json!(self.method)));
        put("path", Some(json!(self.path)));
        if let Some(open) = self.open {
            put("auth", open.then(|| json!("none")));
        }
        if let Some(policy) = &self.policy {
            put("policy", Some(json!(policy)));
        }
        if let Some(scopes) = &self.scopes {
            put("scopes", Some(json!(scopes)).filter(|_| !scopes.is_empty()));
        }
        // scopes come from a token
        if members.get("auth") == Some(&json!("none")) {
            members.remove("scopes");
        }
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests;
