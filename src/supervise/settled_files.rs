//! Reads a configuration whose files rest. If a file is being written, it is read again later, so
//! no half of it takes effect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::config::{
    ConfigFiles, EarlierReading, Loaded, Report, StoredApplications, StoredObjects,
};
use crate::model::identity::Identities;
use crate::store::{StoreError, StoreHead};
use crate::supervise::file_stamp::{FileStamp, SETTLE, look};
use crate::supervise::provisioning::{StoreReader, StoredTables};

/// The most readings of a file that keeps changing; then the last one counts.
const MOST_READINGS: usize = 20;

/// A configuration, and how its files looked when they were read.
#[derive(Debug)]
pub(super) struct SettledFiles {
    pub(super) loaded: Loaded,
    pub(super) seen: Vec<FileStamp>,
    /// The state of the store that was read with them.
    pub(super) stored: Option<StoredState>,
}

/// A revision of the store with its tables.
#[derive(Debug)]
pub(super) struct StoredState {
    pub(super) head: StoreHead,
    pub(super) tables: StoredTables,
}

/// Reads the files, and again while one of them changes or was written a moment ago. `known` are
/// the files of the last reading, because a file with errors does not name the others that belong
/// to it.
pub(super) fn load(
    path: &Path,
    known: &[PathBuf],
    identities: &Identities,
    beside: &ReadBeside,
) -> Result<SettledFiles, Report> {
    let mut reading = read(path, known, identities, beside, BrokenObjects::LeftOut);
    for _ in 1..MOST_READINGS {
        if reading.rest {
            break;
        }
        thread::sleep(SETTLE);
        reading = read(path, known, identities, beside, BrokenObjects::LeftOut);
    }
    reading.result
}

/// The sources of applications besides the files that are read.
#[derive(Debug, Default)]
pub(super) struct ReadBeside {
    pub(super) store: Option<StoreReader>,
    /// The reading in force, whose application files are perhaps the same.
    pub(super) earlier: Option<EarlierReading>,
}

/// The fate of broken objects that do not belong to the file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokenObjects {
    /// They are refused, with the whole configuration: a start has no other one to go on with.
    Refused,
    LeftOut,
}

/// Reads the files once, at a start.
pub(super) fn load_once(
    path: &Path,
    identities: &Identities,
    store: Option<StoreReader>,
) -> Result<SettledFiles, Report> {
    let beside = ReadBeside { store, earlier: None };
    read(path, &[], identities, &beside, BrokenObjects::Refused).result
}

struct SettledReading {
    result: Result<SettledFiles, Report>,
    /// True if no file changed while it was read.
    rest: bool,
}

fn read(
    path: &Path,
    known: &[PathBuf],
    identities: &Identities,
    beside: &ReadBeside,
    broken: BrokenObjects,
) -> SettledReading {
    let mut files = known.to_vec();
    files.push(path.to_owned());
    let before = look(&files);
    let read = Arc::new(ConfigFiles::read(path));
    let loaded = resolve(&read, identities, beside).or_else(|report| match broken {
        BrokenObjects::Refused => Err(report),
        // the report on the whole file has the errors of the rest
        BrokenObjects::LeftOut => without_broken(&read, identities, beside).ok_or(report),
    });
    let after = look(&files);
    let fresh = |stamps: &[FileStamp]| {
        stamps.iter().any(|stamp| stamp.age().is_some_and(|age| age < SETTLE))
    };
    let rest = before == after && !fresh(&after);
    match loaded {
        Ok((loaded, stored)) => {
            // their state before the reading, if those are all files: later changes are noticed
            let all = look(&loaded.watched);
            let rest = rest && !fresh(&all);
            let same =
                all.len() == before.len() && all.iter().zip(&before).all(FileStamp::same_file);
            let seen = if same { before } else { all };
            SettledReading { result: Ok(SettledFiles { loaded, seen, stored }), rest }
        }
        Err(report) => SettledReading { result: Err(report), rest },
    }
}

/// Resolves files without their broken objects.
fn without_broken(
    files: &ConfigFiles,
    identities: &Identities,
    beside: &ReadBeside,
) -> Option<(Loaded, Option<StoredState>)> {
    let mut tables = Vec::new();
    if let Some(store) = &beside.store {
        let reading = store.begin().ok()?;
        tables = reading.tables.to_vec();
        reading.finish().ok()?;
    }
    let left = files.without_broken(identities, &tables)?;
    resolve(&Arc::new(left), identities, beside).ok()
}

/// Resolves files with the store beside them. It may wait, so the calling thread must allow that.
pub(super) fn resolve(
    files: &Arc<ConfigFiles>,
    identities: &Identities,
    beside: &ReadBeside,
) -> Result<(Loaded, Option<StoredState>), Report> {
    let Some(store) = &beside.store else {
        let earlier = beside.earlier.clone();
        let applications = earlier.map_or(StoredApplications::None, StoredApplications::NoneSince);
        let stored = StoredObjects { tables: Vec::new(), applications };
        return Ok((files.resolve_gateway(identities, stored)?, None));
    };
    let unread = |error: StoreError| Report::of_store(&error.to_string());
    let mut reading = store.begin().map_err(unread)?;
    let tables = reading.tables.clone();
    let stored = StoredObjects {
        tables: tables.to_vec(),
        applications: StoredApplications::Each(&mut reading),
    };
    let loaded = files.resolve_gateway(identities, stored);
    let head = reading.finish().map_err(unread)?;
    Ok((loaded?, Some(StoredState { head, tables })))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LISTENER: &str = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n";
    const API: &str = "[[apis]]\nname = \"a\"\nversion = \"1\"\ncontext = \"/a\"\n\
                       production = { urls = [\"http://b\"] }\n";

    #[test]
    fn a_file_that_is_being_written_is_read_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, "").unwrap();
        let whole = path.clone();
        let (begun, begin) = mpsc::channel();
        let writer = thread::spawn(move || {
            begin.recv().unwrap();
            fs::write(&whole, LISTENER).unwrap();
            fs::write(&whole, format!("{LISTENER}{API}")).unwrap();
        });
        // the file was emptied a moment ago, so the first reading cannot count
        begun.send(()).unwrap();
        let loaded = load(&path, &[], &Identities::default(), &ReadBeside::default());
        writer.join().unwrap();
        assert_eq!(loaded.unwrap().loaded.model.apis.len(), 1);
    }

    #[test]
    fn what_rests_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, format!("{LISTENER}{API}")).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        let hour_ago = file.metadata().unwrap().modified().unwrap() - Duration::from_hours(1);
        file.set_modified(hour_ago).unwrap();
        let (identities, beside) = (Identities::default(), ReadBeside::default());
        let rest = || read(&path, &[], &identities, &beside, BrokenObjects::LeftOut).rest;
        assert!(rest());
        file.set_modified(hour_ago + Duration::from_hours(2)).unwrap();
        assert!(rest(), "a time in the future says nothing");
    }
}
