//! Reads a configuration whose files rest: one that is being written is read again, and not put into effect by half.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::config::{self, Loaded, Report};
use crate::supervise::watch::Stamp;

/// A file rests when it was written at least this long ago.
pub(super) const SETTLE: Duration = Duration::from_millis(250);

/// So often is a file read again that does not rest; then what was read last counts.
const MOST_READINGS: usize = 20;

/// Reads the files, and again while one of them changes or was written a moment ago. `known` are the files of the last
/// reading: a file with errors does not say which others belong to it.
pub(super) fn load(path: &Path, known: &[PathBuf]) -> Result<Loaded, Report> {
    let mut loaded = read(path, known);
    for _ in 1..MOST_READINGS {
        if loaded.rest {
            break;
        }
        thread::sleep(SETTLE);
        loaded = read(path, known);
    }
    loaded.result
}

struct Reading {
    result: Result<Loaded, Report>,
    /// Whether every file rested while it was read.
    rest: bool,
}

fn read(path: &Path, known: &[PathBuf]) -> Reading {
    let stamps = || -> Vec<Stamp> {
        let files = std::iter::once(path).chain(known.iter().map(PathBuf::as_path));
        files.map(|file| Stamp::of(file.to_owned())).collect()
    };
    let before = stamps();
    let result = config::load_gateway(path);
    let after = stamps();
    let more = result.as_ref().map(|loaded| loaded.watched.as_slice()).unwrap_or_default();
    let fresh = |stamp: &Stamp| stamp.age().is_some_and(|age| age < SETTLE);
    let rest = before == after
        && !after.iter().any(fresh)
        && !more.iter().any(|file| fresh(&Stamp::of(file.clone())));
    Reading { result, rest }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;

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
        // it was emptied a moment ago: the first reading cannot count
        begun.send(()).unwrap();
        let loaded = load(&path, &[]);
        writer.join().unwrap();
        assert_eq!(loaded.unwrap().model.apis.len(), 1);
    }

    #[test]
    fn what_rests_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, format!("{LISTENER}{API}")).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        let hour_ago = file.metadata().unwrap().modified().unwrap() - Duration::from_hours(1);
        file.set_modified(hour_ago).unwrap();
        assert!(read(&path, &[]).rest);
        file.set_modified(hour_ago + Duration::from_hours(2)).unwrap();
        assert!(read(&path, &[]).rest, "a time in the future says nothing");
    }
}
