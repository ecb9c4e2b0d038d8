//! Completes a document: adds the parts that all operations share.

use serde_json::{Map, Value, json};

use crate::admin::openapi::short_schema::schema;

/// Parts of every document.
const COMMON: &str = include_str!("common.yaml");

/// The methods that a path can have.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

type Members = Map<String, Value>;

/// Makes the document of a source as it is served at `base`.
pub(super) fn document(source: &str, base: &str) -> Result<Members, String> {
    let read =
        |text: &str| serde_saphyr::from_str::<Value>(text).map_err(|error| error.to_string());
    let (own, common) = (read(source)?, read(COMMON)?);
    let sources = DocumentSources { own: &own, common: &common };
    let mut paths = Members::new();
    for (path, item) in members(&own, "paths") {
        let methods = METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?)));
        let operations = methods
            .map(|(method, written)| {
                let operation = DescribedOperation { sources: &sources, path, method, written };
                (method.to_owned(), Value::Object(operation.complete()))
            })
            .collect();
        paths.insert(path.clone(), Value::Object(operations));
    }
    let anybody = || json!([{ "basic": [] }, { "bearer": [] }]);
    let document = json!({
        "openapi": "3.1.0",
        "info": own.get("info").cloned().unwrap_or_default(),
        "servers": [{ "url": if base.is_empty() { "/" } else { base } }],
        "security": own.get("security").cloned().unwrap_or_else(anybody),
        "paths": paths,
        "components": sources.components(),
    });
    match document {
        Value::Object(document) => Ok(document),
        _ => Err("a document is an object".to_owned()),
    }
}

fn members<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

#[derive(Debug)]
struct DocumentSources<'s> {
    own: &'s Value,
    common: &'s Value,
}

impl<'s> DocumentSources<'s> {
    fn both(&self, key: &'static str) -> impl Iterator<Item = (&'s String, &'s Value)> {
        members(self.common, key).chain(members(self.own, key))
    }

    fn components(&self) -> Value {
        let all = |key: &'static str| -> Members {
            self.both(key).map(|(name, own)| (name.clone(), schema(own))).collect()
        };
        let responses: Members = members(self.common, "statuses")
            .map(|(code, own)| (code.clone(), refusal(own)))
            .collect();
        json!({
            "schemas": all("schemas"),
            "parameters": all("parameters"),
            "headers": all("headers"),
            "responses": responses,
            "securitySchemes": all("securitySchemes"),
        })
    }
}

/// The answer of one status with an error body.
fn refusal(written: &Value) -> Value {
    let mut response = json!({
        "description": written.get("description").cloned().unwrap_or_default(),
    });
    if let Value::Object(response) = &mut response {
        if written.get("of") != Some(&json!("tagged")) {
            response.insert("content".to_owned(), json_content(&json!("Error")));
        }
        let names = written.get("headers").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        let headers: Members = names.map(|name| (name.to_owned(), header(name))).collect();
        if !headers.is_empty() {
            response.insert("headers".to_owned(), Value::Object(headers));
        }
    }
    response
}

fn json_content(written: &Value) -> Value {
    json!({ "application/json": { "schema": schema(written) } })
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// An operation as it is written.
#[derive(Debug)]
struct DescribedOperation<'o> {
    sources: &'o DocumentSources<'o>,
    path: &'o str,
    method: &'o str,
    written: &'o Value,
}

impl DescribedOperation<'_> {
    fn complete(&self) -> Members {
        let mut operation = Members::new();
        for key in ["operationId", "summary", "description", "security"] {
            operation.extend(self.written.get(key).map(|own| (key.to_owned(), own.clone())));
        }
        operation.insert("parameters".to_owned(), Value::Array(self.parameters()));
        operation.extend(self.body().map(|body| ("requestBody".to_owned(), body)));
        operation.insert("responses".to_owned(), Value::Object(self.responses()));
        operation
    }

    fn is(&self, key: &str) -> bool {
        self.written.get(key) == Some(&json!(true))
    }

    fn may_change(&self) -> bool {
        !matches!(self.method, "get" | "head")
    }

    /// Tells whether the operation changes the store, by a change that can be previewed.
    fn changes(&self) -> bool {
        self.may_change() && self.written.get("changes") != Some(&json!(false))
    }

    fn is_previewed(&self) -> bool {
        self.changes() && self.written.get("previewed") != Some(&json!(false))
    }

    /// Tells whether it changes an object that has an entity tag.
    fn is_matched(&self) -> bool {
        let by_method = self.changes() && matches!(self.method, "put" | "patch" | "delete");
        self.is("matched") || by_method && self.written.get("matched") != Some(&json!(false))
    }

    fn is_open(&self) -> bool {
        let security = self.written.get("security").or(self.sources.own.get("security"));
        security == Some(&json!([]))
    }

    fn parameters(&self) -> Vec<Value> {
        let in_path =
            self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let own = self.written.get("parameters").and_then(Value::as_array);
        let named = own.into_iter().flatten().filter_map(|own| own.get("name")?.as_str());
        let named: Vec<_> = named.collect();
        let in_path = in_path.filter(|name| !named.contains(name));
        let own = own.into_iter().flatten().map(|own| match own {
            Value::String(name) => parameter(name),
            other => schema(other),
        });
        let common = [
            ("dryRun", self.is_previewed()),
            ("wait", self.changes()),
            ("If-Match", self.is_matched()),
            ("If-None-Match", self.is("tagged")),
        ];
        let common = common.into_iter().filter(|(_, has)| *has).map(|(name, _)| parameter(name));
        in_path.map(parameter).chain(own).chain(common).collect()
    }

    fn body(&self) -> Option<Value> {
        let (kind, written) = match (self.written.get("body"), self.written.get("form")) {
            (Some(body), _) => ("application/json", body),
            (None, Some(form)) => ("multipart/form-data", form),
            (None, None) => {
                ("application/x-www-form-urlencoded", self.written.get("parametersInBody")?)
            }
        };
        let mut content = json!({ "schema": schema(written) });
        let example = written.as_str().and_then(|name| {
            self.sources.both("schemas").find(|(own, _)| *own == name)?.1.get("example").cloned()
        });
        if let (Some(example), Value::Object(content)) = (example, &mut content) {
            content.insert("example".to_owned(), example);
        }
        Some(json!({ "required": true, "content": { kind: content } }))
    }

    fn responses(&self) -> Members {
        let mut responses = Members::new();
        let written = members(self.written, "responses");
        for (code, own) in written.filter(|(code, _)| code.starts_with('2')) {
            responses.insert(code.clone(), self.success(code, own));
        }
        if self.is_previewed() && !responses.contains_key("200") {
            let preview = json!({
                "description": "With dryRun=true: what the call would do.",
                "content": json_content(&json!("Preview")),
            });
            responses.insert("200".to_owned(), preview);
        }
        for (code, own) in members(self.written, "responses") {
            if own.is_null() && !code.starts_with('2') {
                let description = self.sources.common.get("statuses").and_then(|all| all.get(code));
                let description = description.and_then(|own| own.get("description"));
                responses.insert(code.clone(), json!({ "description": description }));
            }
        }
        for (code, own) in members(self.sources.common, "statuses") {
            if responses.contains_key(code) {
                continue;
            }
            let named = self.written.get("responses").is_some_and(|own| own.get(code).is_some());
            if named || self.can_answer(own.get("of").and_then(Value::as_str).unwrap_or_default()) {
                responses.insert(code.clone(), self.failure(code, own));
            }
        }
        // the members that the common ones do not have
        let written = members(self.written, "responses");
        for (code, own) in written.filter(|(code, _)| !code.starts_with('2')) {
            let refusal = || refusal(&json!({ "description": own.clone() }));
            responses.entry(code.clone()).or_insert_with(refusal);
        }
        responses
    }

    /// An error body, which a token endpoint has in OAuth's form too.
    fn failure(&self, code: &str, written: &Value) -> Value {
        let Some(own) = self.written.get("failure") else {
            return json!({ "$ref": format!("#/components/responses/{code}") });
        };
        let mut response = refusal(written);
        if let Value::Object(response) = &mut response {
            let either = json!({ "anyOf": [own, "Error"] });
            response.insert("content".to_owned(), json_content(&either));
        }
        response
    }

    fn can_answer(&self, of: &str) -> bool {
        match of {
            "all" => true,
            "tagged" => self.is("tagged"),
            "signed in" => !self.is_open(),
            "object" => self.path.contains('{'),
            "change" => self.may_change(),
            "reading" => !self.may_change(),
            "body" => ["body", "form"].iter().any(|key| self.written.get(*key).is_some()),
            _ => false,
        }
    }

    fn success(&self, code: &str, written: &Value) -> Value {
        let description = match (code, self.is_previewed()) {
            ("201", _) => "It is created.",
            ("200", true) => "It is done. With dryRun=true: what the call would do, as a Preview.",
            _ => "It is done.",
        };
        let mut response = Members::from_iter([("description".to_owned(), json!(description))]);
        match written {
            // beside a preview OpenAPI can only describe an answer with a body
            Value::Null => {}
            own if self.is_previewed() && code == "200" => {
                let either = json!({ "anyOf": [own, "Preview"] });
                response.insert("content".to_owned(), json_content(&either));
            }
            Value::Object(full) if full.contains_key("content") => {
                response
                    .insert("content".to_owned(), full.get("content").cloned().unwrap_or_default());
            }
            own => drop(response.insert("content".to_owned(), json_content(own))),
        }
        let names = [
            ("Portcullis-Revision", self.changes()),
            ("Portcullis-Pending", self.changes()),
            ("Location", code == "201" && self.written.get("located") != Some(&json!(false))),
            ("ETag", self.is("tagged") || self.is_matched() || code == "201"),
        ];
        let headers = names.into_iter().filter(|(_, has)| *has);
        let headers: Members = headers.map(|(name, _)| (name.to_owned(), header(name))).collect();
        if !headers.is_empty() {
            response.insert("headers".to_owned(), Value::Object(headers));
        }
        let links = self.links();
        if !links.is_empty() {
            response.insert("links".to_owned(), Value::Object(links));
        }
        Value::Object(response)
    }

    /// Links an object that is made to the operations on it: `gives` is the field of its id, and
    /// `to` the path below which they are, if it is not the same. An operation that finds it `by`
    /// another field gets that one.
    fn links(&self) -> Members {
        let Some(field) = self.written.get("gives").and_then(Value::as_str) else {
            return Members::new();
        };
        let base = self.written.get("to").and_then(Value::as_str).unwrap_or(self.path);
        let mut links = Members::new();
        for (path, item) in members(self.sources.own, "paths") {
            let Some(rest) = path.strip_prefix(base).and_then(|rest| rest.strip_prefix("/{"))
            else {
                continue;
            };
            let name = rest.split('}').next().unwrap_or_default();
            // one more id would be needed
            if rest.matches('{').count() > 0 {
                continue;
            }
            for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
                let text = |key: &str| operation.get(key).and_then(Value::as_str);
                let Some(id) = text("operationId") else { continue };
                let value = format!("$response.body#/{}", text("by").unwrap_or(field));
                let link = json!({ "operationId": id, "parameters": { name: value } });
                links.insert(id.to_owned(), link);
            }
        }
        links
    }
}
