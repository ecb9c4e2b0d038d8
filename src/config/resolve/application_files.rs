//! Streams application files: one application per line, as JSON.
//!
//! A million lines take seconds, and no more memory than the directory that they become. A bad line
//! is reported with its number, and reading goes on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::config::content_stamp::ContentStamp;
use crate::config::plain_file;
use crate::config::problems::{At, Problems};
use crate::config::reader::Placed;
use crate::config::resolve::references::{
    References, no_such_api, no_such_key_manager, no_such_policy,
};
use crate::config::source::Sources;
use crate::config::stored::StoredApplication;
use crate::model::QuotaResets;
use crate::model::application::{
    Application, ApplicationAttributes, ApplicationName, ConsumerKey, InvalidApplication,
    KeyMapping, KeyMappings, KeyType, OrganizationName, Owner, Subscription, SubscriptionState,
    Subscriptions,
};
use crate::model::directory::DirectoryBuilder;
use crate::model::names::InvalidName;
use crate::model::policy::{PolicyIndex, PolicyLevel};
use crate::model::provenance::{Provenance, SourceFiles};

/// The longest line.
const MOST_LINE: u64 = 1024 * 1024;

/// The number of bad lines of a file that are reported; the rest is only counted.
const MOST_BAD: usize = 100;

const READ_BUFFER: usize = 1024 * 1024;

/// Lines between two yields of the core, about 150 us. A reload reads while the workers serve, and
/// the kernel would let it run for milliseconds before it gives the core to a worker.
const LINES_AT_ONCE: u32 = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicationLine<'l> {
    #[serde(borrow)]
    name: Cow<'l, str>,
    #[serde(borrow, default)]
    owner: Cow<'l, str>,
    #[serde(borrow, default)]
    organization: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    policy: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    attributes: BTreeMap<Cow<'l, str>, Cow<'l, str>>,
    #[serde(borrow, default)]
    keys: Vec<KeyMember<'l>>,
    #[serde(borrow, default)]
    subscriptions: Vec<SubscriptionMember<'l>>,
    /// Of the store alone.
    #[serde(default)]
    quota_resets: Option<QuotaResets>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyMember<'l> {
    #[serde(rename = "type")]
    key_type: KeyType,
    #[serde(borrow)]
    key_manager: Cow<'l, str>,
    #[serde(borrow)]
    consumer_key: Cow<'l, str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionMember<'l> {
    #[serde(borrow)]
    api: Cow<'l, str>,
    #[serde(borrow, default)]
    policy: Option<Cow<'l, str>>,
    #[serde(default)]
    status: SubscriptionState,
}

/// Reads every application file into the directory, and returns the stamp of each.
pub(super) fn stream(
    named: &[Placed<&str>],
    sources: &Sources,
    references: &References,
    directory: &mut DirectoryBuilder,
    files: &mut SourceFiles,
    problems: &Problems,
) -> Vec<Option<ContentStamp>> {
    let mut stamps = Vec::new();
    for named in named {
        let path = sources.resolve(named.value);
        problems.watch(path.clone());
        let Some(number) = files.add(path.clone()) else { continue };
        match plain_file::open(&path) {
            Ok(file) => {
                let before = stamp(&file);
                let path = &path;
                let bad = 0;
                ApplicationFileReader { path, number, references, directory, files, problems, bad }
                    .lines(&file);
                stamps.push(before.filter(|before| stamp(&file).as_ref() == Some(before)));
            }
            Err(error) => problems.error(
                named.at.clone(),
                format!("{} cannot be read: {error}", path.display()),
                None,
            ),
        }
    }
    stamps
}

/// The stamp of a file that has rested for a while.
fn stamp(file: &File) -> Option<ContentStamp> {
    let metadata = file.metadata().ok()?;
    Some(ContentStamp::of(&metadata)).filter(ContentStamp::is_settled)
}

/// Adds the applications of the store to the directory.
pub(super) fn stored(
    applications: &mut dyn Iterator<Item = StoredApplication>,
    sources: &Sources,
    references: &References,
    directory: &mut DirectoryBuilder,
    problems: &Problems,
) {
    for stored in applications {
        let place = Provenance::stored(stored.revision);
        let added = ApplicationLine::read(&stored).and_then(|line| {
            let application = application(&line, references, place)?;
            directory.add(&application).map(|_| ()).map_err(|conflict| RefusedLine {
                hint: conflict
                    .other()
                    .map(|other| format!("the other is at {}", sources.files().describe(other))),
                message: conflict.to_string(),
            })
        });
        if let Err(RefusedLine { message, hint }) = added {
            problems.error(sources.at(place), message, hint);
        }
    }
}

/// Makes an application of the store, or returns the reason for its refusal.
pub(super) fn one(
    stored: &StoredApplication,
    references: &References,
) -> Result<Application<'static>, (String, Option<String>)> {
    let place = Provenance::stored(stored.revision);
    ApplicationLine::read(stored)
        .and_then(|line| application(&line, references, place).map(|own| own.to_static()))
        .map_err(|RefusedLine { message, hint }| (message, hint))
}

impl<'l> ApplicationLine<'l> {
    fn read(stored: &'l StoredApplication) -> Result<Self, RefusedLine> {
        serde_json::from_str(&stored.line).map_err(|error| RefusedLine::plain(message_of(&error)))
    }
}

struct ApplicationFileReader<'r> {
    path: &'r Path,
    number: u16,
    references: &'r References,
    directory: &'r mut DirectoryBuilder,
    files: &'r SourceFiles,
    problems: &'r Problems,
    bad: usize,
}

impl ApplicationFileReader<'_> {
    fn lines(mut self, file: &File) {
        let mut reader = BufReader::with_capacity(READ_BUFFER, file);
        let mut line = Vec::new();
        let mut at = 0_u32;
        loop {
            line.clear();
            let read = (&mut reader).take(MOST_LINE).read_until(b'\n', &mut line);
            match read {
                Ok(0) => break,
                Ok(_) => at = at.saturating_add(1),
                Err(error) => {
                    self.problems.error(
                        self.at(at.saturating_add(1)),
                        format!("the file cannot be read: {error}"),
                        None,
                    );
                    break;
                }
            }
            if line.len() as u64 >= MOST_LINE && line.last() != Some(&b'\n') {
                self.refuse(at, "the line is longer than 1 MiB".to_owned(), None);
                break;
            }
            if !line.trim_ascii().is_empty() {
                self.line(at, &line);
            }
            if at.is_multiple_of(LINES_AT_ONCE) {
                std::thread::yield_now();
            }
        }
        if self.bad > MOST_BAD {
            let more = self.bad.saturating_sub(MOST_BAD);
            self.problems.error(
                At::File { path: self.path.to_owned() },
                format!("and {more} more bad lines"),
                None,
            );
        }
    }

    fn line(&mut self, at: u32, text: &[u8]) {
        let line: ApplicationLine<'_> = match serde_json::from_slice(text) {
            Ok(line) => line,
            Err(error) => {
                let message = message_of(&error);
                self.refuse(at, format!("column {}: {message}", error.column()), None);
                return;
            }
        };
        if let Err(RefusedLine { message, hint }) = self.add(at, &line) {
            self.refuse(at, message, hint);
        }
    }

    fn add(&mut self, at: u32, line: &ApplicationLine<'_>) -> Result<(), RefusedLine> {
        if line.quota_resets.is_some() {
            let message = "`quota_resets` is kept by the store, and no file can say it";
            return Err(RefusedLine::plain(message));
        }
        let place = Provenance { file: self.number, line: at };
        let application = application(line, self.references, place)?;
        self.directory.add(&application).map(|_| ()).map_err(|conflict| {
            let other = conflict.other();
            let hint = other.map(|other| format!("the other is at {}", self.files.describe(other)));
            RefusedLine { message: conflict.to_string(), hint }
        })
    }

    fn refuse(&mut self, at: u32, message: String, hint: Option<String>) {
        self.bad = self.bad.saturating_add(1);
        if self.bad <= MOST_BAD {
            self.problems.error(self.at(at), message, hint);
        }
    }

    fn at(&self, line: u32) -> At {
        At::Line { path: PathBuf::from(self.path), line }
    }
}

/// Words an error of the library without its place: serde counts lines within a line, so that the
/// number is always 1.
fn message_of(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

/// A line that is not an application: the reason and a remedy.
struct RefusedLine {
    message: String,
    hint: Option<String>,
}

impl RefusedLine {
    fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }
}

impl From<InvalidApplication> for RefusedLine {
    fn from(error: InvalidApplication) -> Self {
        Self::plain(error.to_string())
    }
}

impl From<(String, Option<String>)> for RefusedLine {
    fn from((message, hint): (String, Option<String>)) -> Self {
        Self { message, hint }
    }
}

fn application<'l>(
    line: &'l ApplicationLine<'_>,
    references: &References,
    place: Provenance,
) -> Result<Application<'l>, RefusedLine> {
    let policy = policy(line.policy.as_deref(), PolicyLevel::Application, references)?;
    let organization = line.organization.as_deref();
    let keys = line.keys.iter().filter(|key| {
        !references.misses_key_manager(|| Some(key.key_manager.clone().into_owned()))
    });
    let keys: Result<Vec<_>, RefusedLine> = keys.map(|key| key_mapping(key, references)).collect();
    let subscriptions = line
        .subscriptions
        .iter()
        .filter(|own| !references.misses_api(|| Some(own.api.clone().into_owned())));
    let subscriptions: Result<Vec<_>, RefusedLine> =
        subscriptions.map(|own| subscription(own, references)).collect();
    Ok(Application {
        name: valid::<ApplicationName<'_>>(&line.name, "name")?,
        owner: valid::<Owner<'_>>(&line.owner, "owner")?,
        organization: organization
            .map(|text| valid::<OrganizationName<'_>>(text, "organization"))
            .transpose()?,
        policy,
        attributes: ApplicationAttributes::new(&line.attributes)?,
        quota_resets: line.quota_resets.clone().map(Arc::new),
        keys: KeyMappings::try_from(keys?)?,
        subscriptions: Subscriptions::try_from(subscriptions?)?,
        place,
    })
}

fn key_mapping<'l>(
    key: &'l KeyMember<'_>,
    references: &References,
) -> Result<KeyMapping<'l>, RefusedLine> {
    let Some(key_manager) = references.key_managers.get(&*key.key_manager) else {
        return Err(no_such_key_manager(&key.key_manager, references).into());
    };
    Ok(KeyMapping {
        key_manager: *key_manager,
        key_type: key.key_type,
        consumer_key: valid::<ConsumerKey<'_>>(&key.consumer_key, "consumer_key")?,
    })
}

fn subscription(
    written: &SubscriptionMember<'_>,
    references: &References,
) -> Result<Subscription, RefusedLine> {
    let policy = policy(written.policy.as_deref(), PolicyLevel::Subscription, references)?;
    let Some(api) = references.apis.get(&*written.api) else {
        return Err(no_such_api(&written.api, references).into());
    };
    references.offers(*api, policy)?;
    Ok(Subscription { api: *api, state: written.status, policy })
}

fn policy(
    name: Option<&str>,
    level: PolicyLevel,
    references: &References,
) -> Result<PolicyIndex, RefusedLine> {
    let Some(name) = name else { return Ok(PolicyIndex::UNLIMITED) };
    let found = references.policies.find(level, name);
    found.ok_or_else(|| no_such_policy(name, level, references).into())
}

/// Returns a string as one of the model's types, or the rule that it breaks.
fn valid<'l, T>(text: &'l str, key: &str) -> Result<T, RefusedLine>
where
    T: TryFrom<&'l str, Error = InvalidName>,
{
    T::try_from(text).map_err(|error| RefusedLine::plain(format!("`{key}` {error}")))
}
