//! Reads the files of a configuration as TOML, and finds the line of a byte.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::config::contract::{CREDENTIALS, CREDENTIALS_FILE, ROOT};
use crate::config::plain_file;
use crate::config::problems::At;
use crate::config::problems::Problems;
use crate::config::redaction;
use crate::config::stored::{self, StoreText, StoredTable};
use crate::config::tree::{self, TomlContent, TomlMember, TomlValue};
use crate::model::provenance::{Provenance, STORE, SourceFiles};

/// A larger file is a mistake; many applications belong into application files.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// All files, the main one first.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    files: Vec<Arc<SourceFile>>,
    folder: PathBuf,
}

/// An entry of a list in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourcePlace {
    pub(super) file: u16,
    pub(super) list: &'static str,
    pub(super) position: usize,
}

#[derive(Debug, Clone)]
struct SourceFile {
    path: PathBuf,
    text: String,
    table: Vec<TomlMember>,
    /// The places of secrets.
    secrets: Vec<Range<usize>>,
    /// True if the file is not valid TOML, so that only parts of it could be read.
    broken: bool,
    line_starts: Vec<usize>,
    kind: SourceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SourceKind {
    Configuration,
    /// A file that the configuration names, and that is not part of it.
    Named,
    /// The objects of the store, a line each, with the revision of each.
    Store(Vec<u64>),
}

impl Sources {
    /// Reads the main file and its includes. A file that cannot be read becomes a problem.
    pub(super) fn read(path: &Path, problems: &Problems) -> Self {
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let mut sources = Self { files: Vec::new(), folder };
        sources.add(path, None, problems);
        let includes = sources.files.first().map(|main| includes(&main.table)).unwrap_or_default();
        for (pattern, span) in includes {
            let at = At::Span { file: 0, span };
            for included in sources.matching(&pattern, &at, problems) {
                sources.add(&included, Some(&at), problems);
            }
        }
        let named: Vec<_> = sources.tables().flat_map(credential_files).collect();
        for (file, at) in named {
            let path = sources.resolve(&file);
            if sources.named(&path).is_none() {
                sources.add(&path, Some(&at), problems);
                let last = sources.files.last_mut().and_then(Arc::get_mut);
                if let Some(added) = last.filter(|added| added.path == path) {
                    added.kind = SourceKind::Named;
                    let whole = added.table.iter().any(|member| member.name == "credentials");
                    let rule = if whole { &CREDENTIALS_FILE } else { &CREDENTIALS };
                    added.secrets = redaction::secrets(&added.table, rule);
                }
            }
        }
        sources
    }

    /// Returns the table in a file of its own, by the path that the configuration names.
    pub(super) fn named(&self, path: &Path) -> Option<(u16, &[TomlMember])> {
        let at = self
            .files
            .iter()
            .position(|source| source.kind == SourceKind::Named && source.path == path)?;
        Some((u16::try_from(at).ok()?, self.files.get(at)?.table.as_slice()))
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = (u16, &[TomlMember])> {
        let files =
            self.files.iter().enumerate().filter(|(_, source)| source.kind != SourceKind::Named);
        files.map(|(file, source)| {
            (u16::try_from(file).unwrap_or(u16::MAX), source.table.as_slice())
        })
    }

    /// Returns a path; relative ones start at the main file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn path(&self, file: u16) -> String {
        self.file(file).map_or_else(String::new, |source| source.path.display().to_string())
    }

    pub(super) fn text(&self, file: u16) -> &str {
        self.file(file).map_or("", |source| &source.text)
    }

    /// Returns a line without its secrets, and the span in it, moved accordingly. The line begins
    /// at the byte `begin`; the span counts from there.
    pub(super) fn shown(
        &self,
        file: u16,
        begin: usize,
        line: &str,
        span: Range<usize>,
    ) -> (String, Range<usize>) {
        let Some(source) = self.file(file) else { return (line.to_owned(), span) };
        if source.broken {
            return redaction::hide(line, redaction::strings(line).into_iter(), span);
        }
        let end = begin.saturating_add(line.len());
        let secrets =
            source.secrets.iter().filter(|secret| secret.start < end && secret.end > begin);
        let here = secrets
            .map(|secret| secret.start.saturating_sub(begin)..secret.end.saturating_sub(begin));
        redaction::hide(line, here, span)
    }

    /// Returns line and column of a byte, from 1. The column counts characters.
    pub(super) fn position(&self, file: u16, byte: usize) -> (usize, usize) {
        let Some(source) = self.file(file) else { return (1, 1) };
        let line = source.line_starts.partition_point(|start| *start <= byte).max(1);
        let start = source.line_starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = source
            .text
            .get(start..byte.min(source.text.len()))
            .map_or(0, |before| before.chars().count());
        (line, column.saturating_add(1))
    }

    pub(super) fn place(&self, at: &At) -> Provenance {
        match at {
            At::Span { file, span } => {
                let line = self.position(*file, span.start).0;
                match self.file(*file).map(|source| &source.kind) {
                    Some(SourceKind::Store(revisions)) => {
                        let own = revisions.get(line.saturating_sub(1)).copied();
                        Provenance::stored(own.unwrap_or_default())
                    }
                    _ => Provenance { file: *file, line: u32::try_from(line).unwrap_or(u32::MAX) },
                }
            }
            At::Line { line, .. } => Provenance { file: 0, line: *line },
            At::File { .. } => Provenance::default(),
        }
    }

    /// Returns the beginning of a line, for problems that are found later.
    pub(super) fn at(&self, place: Provenance) -> At {
        if let Some(revision) = place.revision() {
            return At::Line { path: PathBuf::from(STORE), line: revision };
        }
        let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
        let start = self
            .file(place.file)
            .and_then(|source| source.line_starts.get(line).copied())
            .unwrap_or_default();
        At::Span { file: place.file, span: start..start }
    }

    /// Returns the model's list of files: these, in this order. Application files come after them.
    pub(super) fn files(&self) -> SourceFiles {
        let mut files = SourceFiles::default();
        for source in &self.files {
            files.add(source.path.clone());
        }
        files
    }

    /// Adds the objects of the store, as if they stood in one more file.
    pub(super) fn with_store(mut self, tables: &[StoredTable]) -> Self {
        let StoreText { text, table, revisions } = stored::lay_out(tables);
        self.files.push(Arc::new(SourceFile {
            path: PathBuf::from(STORE),
            line_starts: line_starts(&text),
            text,
            table,
            secrets: Vec::new(),
            broken: false,
            kind: SourceKind::Store(revisions),
        }));
        self
    }

    /// Takes an entry of a list out, and returns it.
    pub(super) fn take_out(&mut self, place: &SourcePlace) -> Option<TomlValue> {
        let source = self.files.get_mut(usize::from(place.file))?;
        let members = &mut Arc::make_mut(source).table;
        let list = members.iter_mut().find(|member| member.name == place.list)?;
        let TomlContent::Array(all) = &mut list.value.content else { return None };
        (place.position < all.len()).then(|| all.remove(place.position))
    }

    pub(super) fn is_store(&self, file: u16) -> bool {
        self.file(file).is_some_and(|source| matches!(source.kind, SourceKind::Store(_)))
    }

    /// Returns all files to watch: these, and the others that were read.
    pub(super) fn watched(&self, mut others: Vec<PathBuf>) -> Vec<PathBuf> {
        let files = self.files.iter().filter(|own| !matches!(own.kind, SourceKind::Store(_)));
        others.extend(files.map(|source| source.path.clone()));
        others.sort();
        others.dedup();
        others
    }

    fn file(&self, file: u16) -> Option<&SourceFile> {
        self.files.get(usize::from(file)).map(Arc::as_ref)
    }

    fn add(&mut self, path: &Path, from: Option<&At>, problems: &Problems) {
        let at = || from.cloned().unwrap_or_else(|| At::File { path: path.to_owned() });
        problems.watch(path.to_owned());
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound if from.is_none() => {
                        Some("name the file with --config FILE or PORTCULLIS_CONFIG".to_owned())
                    }
                    io::ErrorKind::InvalidData => Some("TOML files are UTF-8".to_owned()),
                    io::ErrorKind::FileTooLarge => {
                        Some("move applications into application_files".to_owned())
                    }
                    _ => None,
                };
                problems.error(at(), format!("{} cannot be read: {error}", path.display()), hint);
                return;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        let table = tree::table(table.get_ref());
        let line_starts = line_starts(&text);
        let file = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        let broken = !errors.is_empty();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.error(
                At::Span { file, span },
                format!("this is not TOML: {}", error.message()),
                None,
            );
        }
        let secrets = redaction::secrets(&table, &ROOT);
        self.files.push(Arc::new(SourceFile {
            path: path.to_owned(),
            text,
            table,
            secrets,
            broken,
            line_starts,
            kind: SourceKind::Configuration,
        }));
    }

    /// Returns the files that match a pattern, sorted. `*` matches within one file name.
    fn matching(&self, pattern: &str, at: &At, problems: &Problems) -> Vec<PathBuf> {
        let whole = self.resolve(pattern);
        let (Some(folder), Some(name)) =
            (whole.parent(), whole.file_name().and_then(|name| name.to_str()))
        else {
            return vec![whole];
        };
        if !name.contains('*') {
            return vec![whole];
        }
        if folder.to_string_lossy().contains('*') {
            problems.error(
                at.clone(),
                "\"*\" may stand only in the file name, not in a folder".into(),
                None,
            );
            return Vec::new();
        }
        // a folder that does not exist yet matches nothing, as an empty one does
        let entries =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<_> = entries
            .filter(|path| {
                path.file_name()
                    .and_then(|file| file.to_str())
                    .is_some_and(|file| matches(name, file))
            })
            .collect();
        found.sort();
        found
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1))).collect()
}

fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(plain_file::read(path, MOST_BYTES)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn includes(table: &[TomlMember]) -> Vec<(String, Range<usize>)> {
    let include = table.iter().find(|member| member.name == "include");
    let Some(TomlContent::Array(patterns)) = include.map(|member| &member.value.content) else {
        return Vec::new();
    };
    let texts = patterns.iter().filter_map(|pattern| match &pattern.content {
        TomlContent::Text(text) => Some((text.clone(), pattern.span.clone())),
        _ => None,
    });
    texts.collect()
}

/// Returns the files of `credentials_for`, with the place that names each.
fn credential_files((file, table): (u16, &[TomlMember])) -> Vec<(String, At)> {
    let tables = |members: &[TomlMember], name: &str| -> Vec<Vec<TomlMember>> {
        let found = members.iter().find(|member| member.name == name);
        let Some(TomlContent::Array(values)) = found.map(|member| &member.value.content) else {
            return Vec::new();
        };
        let tables = values.iter().filter_map(|value| match &value.content {
            TomlContent::Table(members) => Some(members.clone()),
            _ => None,
        });
        tables.collect()
    };
    let entries = tables(table, "key_managers")
        .into_iter()
        .flat_map(|key_manager| tables(&key_manager, "credentials_for"));
    let files = entries.flatten().filter(|member| member.name == "file");
    let named = files.filter_map(|member| match member.value.content {
        TomlContent::Text(text) => Some((text, At::Span { file, span: member.value.span })),
        _ => None,
    });
    named.collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            let Some(tail) = name.strip_prefix(start) else { return false };
            (0..=tail.len())
                .filter(|at| tail.is_char_boundary(*at))
                .any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }
    }
}
