//! Export and import of single policies, in the form of WSO2's command line tool.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::administration::policies::body::PolicyBody;
use crate::admin::administration::policies::read::{class, draft};
use crate::admin::administration::policies::search::of_short;
use crate::admin::administration::policies::{
    answer, find, is_built_in, keep, named, replace, shown, taken,
};
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::entity_tag::IfMatch;
use crate::admin::json_text::told;
use crate::admin::object_id::object_id;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::yaml_text::json_or_yaml;
use crate::model::policy::PolicyLevel;

const TRANSFER: &[&str] = &["admin", "tier_manage", "admin_tier_manage", "policies_import_export"];

/// The version of the form.
const VERSION: &str = "v4.1.0";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportQuery {
    policy_id: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ImportQuery {
    overwrite: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedPolicy {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    subtype: String,
    #[serde(default)]
    version: String,
    data: Value,
}

pub(super) async fn export(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Refused> {
    caller.needs(TRANSFER)?;
    let level = query.kind.as_deref().filter(|kind| !kind.is_empty()).map(of_short).transpose()?;
    let missing = || Refused::not_found("there is no such policy");
    let (level, object) = match (query.policy_id.as_deref(), query.name.as_deref(), level) {
        (Some(id), ..) if object_id(id).is_some() => {
            let levels = PolicyLevel::ALL.into_iter().filter(|own| level.is_none_or(|l| l == *own));
            let mut found = None;
            for own in levels {
                if let Ok(object) = find(&admin.catalog, own, id).await {
                    found = Some((own, object));
                }
            }
            found.ok_or_else(missing)?
        }
        (Some(_), ..) => return Err(missing()),
        (None, Some(name), Some(level)) => {
            (level, named(&admin.catalog, level, name).await?.ok_or_else(missing)?)
        }
        _ => return Err(Refused::bad_request("`policyId` is missing, or `name` and `type`")),
    };
    let exported = ExportedPolicy {
        kind: "throttling policy".to_owned(),
        subtype: subtype(level).to_owned(),
        version: VERSION.to_owned(),
        data: shown::policy(&object),
    };
    Ok(Json(exported).into_response())
}

fn subtype(level: PolicyLevel) -> &'static str {
    match level {
        PolicyLevel::Application => "application policy",
        PolicyLevel::Subscription => "subscription policy",
        PolicyLevel::Advanced => "advanced policy",
        PolicyLevel::Custom => "custom rule",
    }
}

pub(super) async fn import(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    expected: IfMatch,
    Parameters(query): Parameters<ImportQuery>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(TRANSFER)?;
    let overwrite = match query.overwrite.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(_) => return Err(Refused::bad_request("`overwrite` is true or false")),
    };
    let (level, body) = policy_of(&file(form).await?)?;
    let draft = draft(level, &body)?;
    let known = named(&admin.catalog, level, &draft.name).await?;
    let committed = match known {
        Some(_) if !overwrite => return Err(taken(&draft.name)),
        Some(known) if !is_built_in(&known) => {
            replace(&admin, &caller, options, known, &expected, draft).await?
        }
        _ => keep(&admin, &caller, options, level, draft).await?,
    };
    Ok(answer(&committed, StatusCode::OK))
}

/// Reads the one part of the form.
async fn file(form: Result<Multipart, MultipartRejection>) -> Result<Vec<u8>, Refused> {
    let mut form = form.map_err(|_| {
        let description = "the body of this call is multipart/form-data";
        Refused::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, description)
    })?;
    let unreadable = || Refused::bad_request("the form cannot be read");
    while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
        if field.name() == Some("file") {
            return Ok(field.bytes().await.map_err(|_| unreadable())?.to_vec());
        }
    }
    Err(Refused::bad_request("`file` is missing"))
}

/// Returns the policy in an exported file. Its class gives the level, or else the subtype.
fn policy_of(content: &[u8]) -> Result<(PolicyLevel, PolicyBody), Refused> {
    let bad = |fault: &str| {
        Refused::bad_request(format!("`file` is not an exported policy in JSON or YAML: {fault}"))
    };
    let document = json_or_yaml(content).map_err(|fault| bad(&fault))?;
    let exported: ExportedPolicy =
        serde_json::from_value(document).map_err(|error| bad(&told(&error.to_string())))?;
    let kind = exported.data.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = PolicyLevel::ALL.into_iter().find(|level| {
        let by_subtype = kind.is_empty() && exported.subtype.starts_with(level.as_str());
        class(*level) == kind || by_subtype
    });
    let level =
        found.ok_or_else(|| Refused::bad_request("`file`: `data.type` is no class of policies"))?;
    let body = serde_json::from_value(exported.data)
        .map_err(|error| Refused::bad_request(format!("`file`: {}", told(&error.to_string()))))?;
    Ok((level, body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exported_policy_is_read_again() {
        for object in shown::built_in_policies() {
            let (level, name) = shown::level_and_name(&object.record).unwrap();
            let exported = json!({
                "type": "throttling policy",
                "subtype": subtype(level),
                "version": VERSION,
                "data": shown::policy(&object),
            });
            let (read, body) = policy_of(exported.to_string().as_bytes()).unwrap();
            let again = draft(read, &body).unwrap();
            assert_eq!((read, again.name.as_str()), (level, name));
            for (key, value) in &object.record.declared {
                assert_eq!(again.declared.get(key), Some(value), "{name} {key}");
            }
        }
        // as WSO2's command line tool writes it
        let yaml = [
            "type: throttling policy",
            "subtype: application policy",
            "data:",
            "  policyName: \"Few\"",
            "  defaultLimit:",
            "    type: \"REQUESTCOUNTLIMIT\"",
            "    requestCount: {timeUnit: min, unitTime: 1, requestCount: 10}",
            "  type: \"ApplicationThrottlePolicy\"",
        ];
        let (level, body) = policy_of(yaml.join("\n").as_bytes()).unwrap();
        assert_eq!(draft(level, &body).unwrap().declared["requests"], json!(10));
        for bad in [
            "",
            "{\"data\": {}, \"data\": {}}",
            "[]",
            "{}",
            "{\"data\":{}}",
            "{\"data\":{},\"x\":1}",
            "type: app",
        ] {
            assert_eq!(policy_of(bad.as_bytes()).unwrap_err().status.as_u16(), 400, "{bad}");
        }
    }
}
