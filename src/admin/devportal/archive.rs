//! The archive of an application, as WSO2's command line tool keeps it: a ZIP file with one folder
//! and `application.json` in it.

use std::io::{Cursor, Read, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::admin::devportal::application::ShownApplication;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::yaml_text::json_or_yaml;

/// The longest document, unpacked: a small archive can unpack to a large one.
const MOST_DOCUMENT: u64 = 1024 * 1024;

/// An archive has a handful of files.
const MOST_FILES: usize = 100;

/// A version of WSO2's format.
const FORMAT: &str = "v4.5.0";

/// The form of the document. YAML is written as JSON, which each YAML parser reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArchiveFormat {
    Json,
    Yaml,
}

impl ArchiveFormat {
    pub(super) fn read(text: Option<&str>) -> Result<Self, Refused> {
        match text {
            None | Some("YAML" | "yaml" | "") => Ok(Self::Yaml),
            Some("JSON" | "json") => Ok(Self::Json),
            Some(_) => Err(Refused::bad_request("`format` is JSON or YAML")),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Json => "application.json",
            Self::Yaml => "application.yaml",
        }
    }
}

/// Describes an application with its subscriptions, each with its API.
pub(super) fn document(
    application: &ShownApplication,
    subscriptions: &[(Object, Object)],
) -> Value {
    let subscribed: Vec<_> = subscriptions
        .iter()
        .map(|(subscription, api)| {
            let text = |key| api.record.text(key).unwrap_or_default();
            json!({
                "apiId": {
                    "providerName": api.record.owner.as_deref().unwrap_or_default(),
                    "apiName": text("name"),
                    "version": text("version"),
                },
                "throttlingPolicy": subscription.record.text("policy").unwrap_or("Unlimited"),
            })
        })
        .collect();
    json!({
        "type": "application",
        "version": FORMAT,
        "data": { "applicationInfo": application, "subscribedAPIs": subscribed },
    })
}

/// Packs a document.
pub(super) fn pack(
    owner: &str,
    name: &str,
    format: ArchiveFormat,
    document: &Value,
) -> Result<Vec<u8>, Refused> {
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(target: "portcullis::admin", %error, "an archive cannot be written");
        Refused::plain(http::StatusCode::INTERNAL_SERVER_ERROR, "the archive cannot be written")
    };
    let folder: String = format!("{owner}-{name}")
        .chars()
        .map(|own| if own.is_alphanumeric() || matches!(own, '-' | '_' | '.') { own } else { '_' })
        .collect();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file(format!("{folder}/{}", format.file()), SimpleFileOptions::default())
        .map_err(|error| broken(&error))?;
    let text = serde_json::to_vec_pretty(document).map_err(|error| broken(&error))?;
    archive.write_all(&text).map_err(|error| broken(&error))?;
    Ok(archive.finish().map_err(|error| broken(&error))?.into_inner())
}

/// Unpacks the document of an archive. Nothing is written to a disk.
pub(super) fn unpack(bytes: &[u8]) -> Result<Value, Refused> {
    let bad = |what: &str| Refused::bad_request(format!("`file` {what}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| bad("is no ZIP archive"))?;
    if archive.len() > MOST_FILES {
        return Err(bad("has too many files"));
    }
    for at in 0..archive.len() {
        let file = archive.by_index(at).map_err(|_| bad("has a file that cannot be read"))?;
        let path = file.name().map_err(|_| bad("has a file without a name"))?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        drop(path);
        if !matches!(name.as_str(), "application.json" | "application.yaml") {
            continue;
        }
        let mut text = Vec::new();
        let read = file.take(MOST_DOCUMENT.saturating_add(1)).read_to_end(&mut text);
        read.map_err(|_| bad("has a document that cannot be unpacked"))?;
        if text.len() as u64 > MOST_DOCUMENT {
            return Err(bad("has a document of more than 1 MiB"));
        }
        return json_or_yaml(&text).map_err(|fault| bad(&format!("has a {name}: {fault}")));
    }
    Err(bad("has no application.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let document = json!({ "type": "application", "data": { "a": "b" } });
        for format in [ArchiveFormat::Json, ArchiveFormat::Yaml] {
            let bytes = pack("ann", "../odd name", format, &document).unwrap();
            assert_eq!(unpack(&bytes).unwrap(), document);
            let archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let names: Vec<_> =
                archive.file_names().map(|name| name.unwrap().into_owned()).collect();
            assert_eq!(names, [format!("ann-.._odd_name/{}", format.file())]);
        }
    }

    fn packed(name: &str, text: &str) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(format!("a/{name}"), SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn an_archive_of_wso2_is_read() {
        let text = "type: application\nversion: v4.3.0\ndata:\n  applicationInfo:\n    \
                    name: \"Shop\"\n    groups: []\n  subscribedAPIs:\n  - apiId:\n      \
                    apiName: \"Pay\"\n      version: \"1.0\"\n";
        let document = unpack(&packed("application.yaml", text)).unwrap();
        assert_eq!(document["data"]["applicationInfo"], json!({ "name": "Shop", "groups": [] }));
        assert_eq!(document["data"]["subscribedAPIs"][0]["apiId"]["version"], "1.0");
    }

    #[test]
    fn odd_archives_are_refused() {
        let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
        bomb.start_file("a/application.json", SimpleFileOptions::default()).unwrap();
        bomb.write_all(&vec![b' '; 4 * 1024 * 1024]).unwrap();
        let bomb = bomb.finish().unwrap().into_inner();
        assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
        let mut empty = ZipWriter::new(Cursor::new(Vec::new()));
        empty.start_file("b.json", SimpleFileOptions::default()).unwrap();
        let empty = empty.finish().unwrap().into_inner();
        for (bytes, fault) in [
            (bomb.as_slice(), "1 MiB"),
            (&packed("application.json", "{\"a\": "), "not YAML"),
            (&packed("application.yaml", "a: &a [1, 2]\nb: [*c]\n"), "not YAML"),
            (&packed("application.yaml", r#"{"a": 1, "a": 2}"#), "twice"),
            (&packed("application.json", r#"{"a": 1, "a": 2}"#), "twice"),
            (&empty, "no application.json"),
            (b"PK", "no ZIP archive"),
            (b"", "no ZIP archive"),
        ] {
            let refused = unpack(bytes).unwrap_err();
            assert!(refused.description.contains(fault), "{refused:?}");
        }
    }
}
