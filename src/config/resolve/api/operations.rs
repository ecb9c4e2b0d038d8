//! Reads `[[apis.operations]]`.

use std::collections::HashMap;

use http::Method;

use crate::config::problems::At;
use crate::config::reader::Table;
use crate::config::resolve::naming::named;
use crate::config::resolve::references::{self, References};
use crate::config::source::Sources;
use crate::model::api::{AuthScheme, Operation, OperationMethod};
use crate::model::names::Scope;
use crate::model::policy::PolicyLevel;
use crate::model::template::Template;

pub(super) fn operations(
    table: &Table<'_>,
    sources: &Sources,
    references: &References,
) -> Vec<Operation> {
    let mut seen: HashMap<(String, String), At> = HashMap::new();
    let mut operations = Vec::new();
    for table in table.tables("operations") {
        let (method, template, scopes) = (method(&table), template(&table), scopes(&table));
        let policy = references::policy(&table, "policy", PolicyLevel::Advanced, references);
        let auth = match table.choice("auth", &["required", "none"]) {
            Some("none") => AuthScheme::None,
            _ => AuthScheme::Required,
        };
        if auth == AuthScheme::None && !scopes.is_empty() {
            let hint = Some("remove `scopes`, or remove `auth = \"none\"`".to_owned());
            table.error(
                "scopes",
                "scopes come from a token, and auth = \"none\" asks for none".to_owned(),
                hint,
            );
        }
        let (Some(method), Some(template)) = (method, template) else { continue };
        let key = (method.as_str().to_owned(), template.shape());
        if let Some(other) = seen.get(&key) {
            let message = format!("operation {} {} is defined twice", key.0, template);
            table.problems().conflict(
                table.at(),
                other.clone(),
                message,
                Some(
                    "operations with other parameter names are still the same operation".to_owned(),
                ),
            );
            continue;
        }
        seen.insert(key, table.at());
        operations.push(Operation {
            method,
            template,
            auth,
            scopes,
            policy,
            observe: references::observing(&table),
            place: sources.place(&table.at()),
        });
    }
    operations
}

fn method(table: &Table<'_>) -> Option<OperationMethod> {
    let text = table.needed("method")?;
    if text.value == "*" {
        return Some(OperationMethod::Any);
    }
    let upper = text.value.to_ascii_uppercase();
    if matches!(upper.as_str(), "CONNECT" | "TRACE") {
        table.problems().error(text.at, format!("{upper} is never forwarded"), None);
        return None;
    }
    match Method::from_bytes(text.value.as_bytes()) {
        Ok(method) if upper == text.value => Some(OperationMethod::Exact(method)),
        _ => {
            let hint = Some(format!(
                "methods are case-sensitive: write {upper:?}, or \"*\" for any method"
            ));
            table.problems().error(text.at, format!("{:?} is not a method", text.value), hint);
            None
        }
    }
}

fn template(table: &Table<'_>) -> Option<Template> {
    let text = table.needed("path")?;
    Template::try_from(text.value)
        .map_err(|error| {
            table.problems().error(text.at.clone(), format!("{:?}: {error}", text.value), None);
        })
        .ok()
}

fn scopes(table: &Table<'_>) -> Vec<Scope> {
    // RFC 6749 section 3.3
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
    };
    let mut scopes = Vec::new();
    for text in table.texts("scopes").unwrap_or_default() {
        if token(text.value) {
            scopes.extend(named::<Scope>(&text, table));
        } else {
            table.problems().error(
                text.at,
                format!("{:?} is not a scope", text.value),
                Some("write one scope in each string, without spaces or quotes".to_owned()),
            );
        }
    }
    scopes
}
