//! Forms that bring a definition: as a file, as a text, or by its address.

use std::collections::BTreeMap;

use axum::extract::multipart::{Multipart, MultipartRejection};
use http::StatusCode;

use crate::admin::addresses::check_address;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::fetch::{FetchFailure, get_text};

/// The fields of a form, each of which stands there once.
#[derive(Debug)]
pub(super) struct DefinitionForm(BTreeMap<String, String>);

impl DefinitionForm {
    /// Reads a form with these fields and no others.
    pub(super) async fn read(
        form: Result<Multipart, MultipartRejection>,
        permitted: &[&str],
    ) -> Result<Self, Refused> {
        let Ok(mut form) = form else {
            let description = "the body of this call is multipart/form-data";
            return Err(Refused::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, description));
        };
        let broken = |_| Refused::bad_request("the form cannot be read");
        let mut fields = BTreeMap::new();
        while let Some(field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            if !permitted.contains(&name.as_str()) {
                let shown: String = name.chars().take(50).collect();
                return Err(Refused::bad_request(format!("the form has no field `{shown}`")));
            }
            let bytes = field.bytes().await.map_err(broken)?;
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|_| Refused::bad_request(format!("`{name}` is not text in UTF-8")))?;
            if fields.contains_key(&name) {
                return Err(Refused::bad_request(format!("the form has `{name}` twice")));
            }
            if !text.trim().is_empty() {
                fields.insert(name, text);
            }
        }
        Ok(Self(fields))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Returns the definition, or `Err` with the reason why it cannot be fetched.
    pub(super) async fn definition(
        mut self,
        admin: &Admin,
        sources: &[&str],
    ) -> Result<Result<String, String>, Refused> {
        let mut found = sources.iter().filter_map(|name| Some((*name, self.0.remove(*name)?)));
        let names = || sources.join("`, `");
        let Some((name, text)) = found.next() else {
            return Err(Refused::bad_request(format!("one of `{}` is missing", names())));
        };
        if found.next().is_some() {
            return Err(Refused::bad_request(format!("only one of `{}` is possible", names())));
        }
        if name == "url" { fetched(admin, text.trim()).await } else { Ok(Ok(text)) }
    }
}

async fn fetched(admin: &Admin, url: &str) -> Result<Result<String, String>, Refused> {
    let declared = admin.catalog.declared();
    let networks = declared.calls.networks.clone().unwrap_or_default();
    check_address("url", url, &networks).await?;
    match get_text(&declared.calls, url).await {
        Ok(content) => Ok(String::from_utf8(content.to_vec())
            .map_err(|_| "the answer is not text in UTF-8".to_owned())),
        Err(
            failure @ (FetchFailure::Address { .. }
            | FetchFailure::Insecure { .. }
            | FetchFailure::Network { .. }),
        ) => Err(Refused::bad_request(format!("`url`: {failure}"))),
        Err(failure) => Ok(Err(failure.to_string())),
    }
}
