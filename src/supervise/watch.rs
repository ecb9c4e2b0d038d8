//! Notices that a configuration file changed.
//!
//! Watches folders, not files: editors rename a new file over the old one, and Kubernetes swaps a `..data` link. What an
//! event says is not believed; after things have settled, the files are looked at, and only a difference counts. A
//! convenience beside SIGHUP and `POST /reload`: where a folder cannot be watched, that is logged and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Editors and deployments write several files: this long after the last event they are looked at.
const SETTLE: Duration = Duration::from_millis(250);

/// The files of a configuration, watched.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    folders: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
}

/// What a file looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    resolved: Option<PathBuf>,
    length: u64,
    modified: Option<SystemTime>,
}

impl Watch {
    pub fn new(files: Vec<PathBuf>) -> Self {
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |_| {
            // a full queue already says that something happened
            let _ = sender.try_send(());
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(target: "portcullis::supervise", %error, "files are not watched; reload with SIGHUP or POST /reload");
        });
        let mut watch = Self { watcher: watcher.ok(), events, folders: BTreeSet::new(), files: Vec::new(), seen: Vec::new() };
        watch.follow(files);
        watch
    }

    /// Watches these files from now on, as they are now.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        let mut folders = BTreeSet::new();
        for file in &files {
            folders.extend(file.parent().map(folder));
            // behind a link the file's own folder changes, not the link's
            if let Ok(resolved) = fs::canonicalize(file) {
                folders.extend(resolved.parent().map(folder));
            }
        }
        if let Some(watcher) = &mut self.watcher {
            for gone in self.folders.difference(&folders) {
                let _ = watcher.unwatch(gone);
            }
            for new in folders.difference(&self.folders) {
                if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                    tracing::warn!(target: "portcullis::supervise", folder = %new.display(), %error, "folder is not watched");
                }
            }
        }
        self.folders = folders;
        self.files = files;
        self.seen = self.look();
    }

    /// Returns when a file is different from when it was last looked at.
    pub async fn changed(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                // no watcher: this never happens, and nobody may spin on it
                return std::future::pending().await;
            }
            sleep(SETTLE).await;
            while self.events.try_recv().is_ok() {}
            let now = self.look();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// The files themselves, and what else lies beside them that an `include` may match.
    fn look(&self) -> Vec<Stamp> {
        let mut paths: BTreeSet<PathBuf> = self.files.iter().cloned().collect();
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            paths.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")));
        }
        paths.into_iter().map(Stamp::of).collect()
    }
}

impl Stamp {
    fn of(path: PathBuf) -> Self {
        let metadata = fs::metadata(&path).ok();
        Self {
            resolved: fs::canonicalize(&path).ok(),
            length: metadata.as_ref().map_or(0, fs::Metadata::len),
            modified: metadata.and_then(|metadata| metadata.modified().ok()),
            path,
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn noticed(watch: &mut Watch) -> bool {
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_write_and_a_rename_are_noticed() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gateway.toml");
            fs::write(&file, "a = 1").unwrap();
            let mut watch = Watch::new(vec![file.clone()]);
            fs::write(&file, "a = 22").unwrap();
            assert!(noticed(&mut watch).await, "written in place");
            let new = folder.path().join("new");
            fs::write(&new, "a = 333").unwrap();
            fs::rename(&new, &file).unwrap();
            assert!(noticed(&mut watch).await, "renamed over");
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_swapped_data_link_is_noticed() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            for version in ["..1", "..2"] {
                fs::create_dir(folder.path().join(version)).unwrap();
                fs::write(folder.path().join(version).join("gateway.toml"), "same length").unwrap();
            }
            let data = folder.path().join("..data");
            std::os::unix::fs::symlink("..1", &data).unwrap();
            let file = folder.path().join("gateway.toml");
            std::os::unix::fs::symlink("..data/gateway.toml", &file).unwrap();
            let mut watch = Watch::new(vec![file]);
            let next = folder.path().join("..data_tmp");
            std::os::unix::fs::symlink("..2", &next).unwrap();
            fs::rename(&next, &data).unwrap();
            assert!(noticed(&mut watch).await);
        });
    }

    #[test]
    fn other_files_do_not_count() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gateway.toml");
            fs::write(&file, "a = 1").unwrap();
            let mut watch = Watch::new(vec![file]);
            fs::write(folder.path().join("access.log"), "line").unwrap();
            let waited = tokio::time::timeout(Duration::from_millis(900), watch.changed()).await;
            assert!(waited.is_err());
        });
    }
}
