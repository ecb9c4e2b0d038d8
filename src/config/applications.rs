//! Application files: one application a line, as JSON, streamed.
//!
//! A million lines take seconds and no more memory than the directory that they become. A bad line is named by its
//! number and the next one is read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::plain_file;
use crate::config::problems::Problems;
use crate::config::reader::Placed;
use crate::config::report::At;
use crate::config::resolve::{
    MOST_CONSUMER_KEY, References, is_organization, no_such_api, no_such_key_manager,
};
use crate::config::source::Sources;
use crate::model::directory::{
    Conflict, Directory, KeyType, NewApplication, NewKey, SubscriptionState, SubscriptionView,
};
use crate::model::names::MAX_NAME_BYTES;
use crate::model::provenance::{Provenance, SourceFiles};

/// The longest line.
const MOST_LINE: u64 = 1024 * 1024;

/// After this many bad lines of a file the rest is only counted.
const MOST_BAD: usize = 100;

const READ_BUFFER: usize = 1024 * 1024;

/// Lines between two offers of the core to whoever waits for it, some 150 us: a reload reads while the workers serve, and the
/// system lets it go on for milliseconds of its own accord, however little it is entitled to.
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
    #[serde(default)]
    attributes: HashMap<String, serde_json::Value>,
    #[serde(borrow, default)]
    keys: Vec<OAuthKey<'l>>,
    #[serde(borrow, default)]
    subscriptions: Vec<Subscription<'l>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OAuthKey<'l> {
    #[serde(rename = "type")]
    key_type: KeyType,
    #[serde(borrow)]
    key_manager: Cow<'l, str>,
    #[serde(borrow)]
    consumer_key: Cow<'l, str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription<'l> {
    #[serde(borrow)]
    api: Cow<'l, str>,
    #[serde(borrow, default)]
    policy: Option<Cow<'l, str>>,
    #[serde(default)]
    status: SubscriptionState,
}

/// Reads every application file into the directory.
pub(super) fn stream(
    named: &[Placed<&str>],
    sources: &Sources,
    references: &References,
    directory: &mut Directory,
    files: &mut SourceFiles,
    problems: &Problems,
) {
    for named in named {
        let path = sources.resolve(named.value);
        problems.watch(path.clone());
        let Some(number) = files.add(path.clone()) else { continue };
        match plain_file::open(&path) {
            Ok(file) => {
                ApplicationFileReader {
                    path: &path,
                    number,
                    references,
                    directory,
                    files,
                    problems,
                    bad: 0,
                }
                .lines(file);
            }
            Err(error) => problems.error(
                named.at.clone(),
                format!("{} cannot be read: {error}", path.display()),
                None,
            ),
        }
    }
}

struct ApplicationFileReader<'r> {
    path: &'r Path,
    number: u16,
    references: &'r References,
    directory: &'r mut Directory,
    files: &'r SourceFiles,
    problems: &'r Problems,
    bad: usize,
}

impl ApplicationFileReader<'_> {
    fn lines(mut self, file: File) {
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
                self.refuse(at, "a line is 1 MiB at most".to_owned(), None);
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
                let column = error.column();
                let message = error.to_string();
                // the line within the text is always the first one
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                self.refuse(at, format!("column {column}: {message}"), None);
                return;
            }
        };
        if let Err((message, hint)) = self.add(at, &line) {
            self.refuse(at, message, hint);
        }
    }

    fn add(&mut self, at: u32, line: &ApplicationLine<'_>) -> Result<(), (String, Option<String>)> {
        let plain = |message: &str| Err((message.to_owned(), None));
        if line.name.trim().is_empty()
            || line.name.len() > MAX_NAME_BYTES
            || line.name.chars().any(char::is_control)
        {
            return plain("`name` is empty, too long, or holds a control character");
        }
        if line.policy.as_deref().is_some_and(|policy| policy != "Unlimited") {
            return plain(
                "`policy` is not supported yet: only \"Unlimited\" can be written today, or nothing",
            );
        }
        if line.organization.as_deref().is_some_and(|organization| !is_organization(organization)) {
            return plain("`organization` is blank, too long, or holds a control character");
        }
        if !line.attributes.is_empty() {
            return plain("`attributes` is not supported yet");
        }
        let mut keys = Vec::with_capacity(line.keys.len());
        for key in &line.keys {
            let Some(key_manager) = self.references.key_managers.get(&*key.key_manager) else {
                return Err(no_such_key_manager(&key.key_manager, self.references));
            };
            let consumer_key = &*key.consumer_key;
            if consumer_key.trim().is_empty()
                || consumer_key.len() > MOST_CONSUMER_KEY
                || consumer_key.chars().any(char::is_control)
            {
                return plain("`consumer_key` is empty, too long, or holds a control character");
            }
            keys.push(NewKey { key_manager: *key_manager, consumer_key, key_type: key.key_type });
        }
        let mut subscriptions = Vec::with_capacity(line.subscriptions.len());
        for subscription in &line.subscriptions {
            if subscription.policy.as_deref().is_some_and(|policy| policy != "Unlimited") {
                return plain(
                    "`subscriptions.policy` is not supported yet: only \"Unlimited\" can be written today, or nothing",
                );
            }
            let Some(api) = self.references.apis.get(&*subscription.api) else {
                return Err(no_such_api(&subscription.api, self.references));
            };
            subscriptions.push(SubscriptionView { api: *api, state: subscription.status });
        }
        let place = Provenance { file: self.number, line: at };
        let (name, owner, organization) = (&*line.name, &*line.owner, line.organization.as_deref());
        let new = NewApplication {
            name,
            owner,
            organization,
            keys: &keys,
            subscriptions: &subscriptions,
            place,
        };
        self.directory.add(new).map(|_| ()).map_err(|conflict| {
            let other = match &conflict {
                Conflict::Name { other, .. } | Conflict::ConsumerKey { other, .. } => {
                    Some(format!("the other is at {}", self.files.describe(*other)))
                }
                Conflict::KeyType { .. } | Conflict::Subscription { .. } | Conflict::Full => None,
            };
            (conflict.to_string(), other)
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
