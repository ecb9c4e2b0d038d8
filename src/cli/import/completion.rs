//! Writes the rest of a gateway.toml that runs as it is: a listener, an API and an application.
//!
//! It decides which client belongs to the application. Everything else comes from the operator, or
//! is a placeholder that works.

use std::fmt::Write;

use http::Uri;

use crate::cli::import::address::is_address;
use crate::cli::import::text::{comment, quoted};
use crate::model::names::{ApiName, InvalidName, Version};

/// The parts that the operator wants besides the key manager.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    api: Option<ApiDraft>,
    app: Option<String>,
    consumer_key: Option<String>,
}

#[derive(Debug, Clone)]
struct ApiDraft {
    name: String,
    version: String,
    backend: String,
}

/// The reason why they cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WantedError {
    #[error("the API given with --api {0}")]
    Name(#[from] InvalidName),
    #[error(
        "the API given with --api may contain only letters, digits, `.`, `-` and `_`, because it \
         becomes part of a path"
    )]
    Path,
    #[error("the address given with --backend is not an http or https address")]
    Backend,
    #[error(
        "the client of the application given with --app is unknown: add --token FILE with one of \
         its access tokens, or --consumer-key ID"
    )]
    NoClient,
}

impl Wanted {
    /// Reads the command line.
    pub(super) fn read(
        api: Option<&str>,
        backend: &str,
        app: Option<&str>,
        consumer_key: Option<&str>,
    ) -> Result<Self, WantedError> {
        let api = api.map(|written| ApiDraft::read(written, backend)).transpose()?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { api, app: owned(app), consumer_key: owned(consumer_key) })
    }

    /// Refuses an application whose client is unknown.
    pub(super) fn check(&self, sampled: Option<&str>) -> Result<(), WantedError> {
        let known = self.consumer_key.as_deref().or(sampled);
        if self.app.is_some() && known.is_none() { Err(WantedError::NoClient) } else { Ok(()) }
    }

    /// Returns true if the sample's client becomes an application's key.
    pub(super) fn has_application(&self) -> bool {
        self.app.is_some()
    }

    /// Returns the tables below the key manager.
    pub(super) fn render(&self, key_manager: &str, sampled: Option<&str>) -> String {
        let mut text = String::new();
        if let Some(api) = &self.api {
            text.push_str(&api.render(key_manager));
        }
        let client = self.consumer_key.as_deref().or(sampled);
        if let (Some(app), Some(client)) = (&self.app, client) {
            let _ = writeln!(text, "\n[[applications]]\nname = {}", quoted(app));
            let _ = writeln!(
                text,
                "keys = [{{ type = \"production\", key_manager = {}, consumer_key = {} }}]",
                quoted(key_manager),
                quoted(client)
            );
            if let Some(api) = &self.api {
                let reference = quoted(&format!("{}:{}", api.name, api.version));
                let _ = writeln!(text, "subscriptions = [{{ api = {reference} }}]");
            }
        }
        text
    }
}

impl ApiDraft {
    fn read(written: &str, backend: &str) -> Result<Self, WantedError> {
        let (name, version) = written.split_once(':').unwrap_or((written, FIRST_VERSION));
        ApiName::try_from(name)?;
        Version::try_from(version)?;
        let plain = |text: &str| {
            !text.starts_with('.')
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        if !plain(name) || !plain(version) {
            return Err(WantedError::Path);
        }
        let has_host = backend.parse::<Uri>().is_ok_and(|uri| uri.query().is_none());
        if !is_address(backend) || !has_host {
            return Err(WantedError::Backend);
        }
        Ok(Self { name: name.to_owned(), version: version.to_owned(), backend: backend.to_owned() })
    }

    fn render(&self, key_manager: &str) -> String {
        let Self { name, version, backend } = self;
        let mut text = String::from("\n");
        text.push_str(&comment(
            "",
            "for a gateway of its own: remove it if your file has a listener already",
        ));
        let _ = writeln!(text, "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:8280\"");
        let _ =
            writeln!(text, "\n[[apis]]\nname = {}\nversion = {}", quoted(name), quoted(version));
        let _ = writeln!(text, "context = {}", quoted(&format!("/{name}")));
        let _ = writeln!(text, "key_managers = [{}]", quoted(key_manager));
        let _ = writeln!(text, "production = {{ urls = [{}] }}", quoted(backend));
        text.push_str(&comment("", "every method and path, with any scopes: restrict it"));
        let _ = writeln!(text, "operations = [{{ method = \"*\", path = \"/*\" }}]");
        text
    }
}

const FIRST_VERSION: &str = "1.0.0";
