//! Notices that a configuration file changed.
//!
//! Looks at the files from time to time. The system's news of changes would come sooner, but not from every file system,
//! and would tell of each write to a log that lies beside the files. A convenience beside SIGHUP and `POST /reload`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;

use crate::supervise::settled::SETTLE;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Looking at many files, or over a network, takes longer: it has a hundredth of the time, and comes once a minute.
const SHARE: u32 = 100;
const SELDOM: Duration = Duration::from_mins(1);

/// So often that is waited for; a file that never rests keeps no other from being read.
const MOST_SETTLES: usize = 20;

/// The files of a configuration, watched.
#[derive(Debug)]
pub struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
    /// How long the last look took.
    took: Duration,
}

/// What a file looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    resolved: Option<PathBuf>,
    /// Device and inode: a file that was renamed over is another one.
    identity: Option<(u64, u64)>,
    length: u64,
    modified: Option<SystemTime>,
}

impl Watch {
    pub fn new(files: Vec<PathBuf>) -> Self {
        let mut watch = Self { files: Vec::new(), seen: Vec::new(), took: Duration::ZERO };
        watch.follow(files);
        watch
    }

    /// Watches these files from now on, as they are now.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        self.files = files;
        self.seen = self.look();
    }

    /// Returns when a file is different from when it was last looked at, and all have settled.
    pub async fn changed(&mut self) {
        loop {
            sleep(self.took.saturating_mul(SHARE).clamp(EVERY, SELDOM)).await;
            let mut now = self.look();
            if now == self.seen {
                continue;
            }
            for _ in 0..MOST_SETTLES {
                sleep(SETTLE).await;
                let later = self.look();
                if later == now {
                    break;
                }
                now = later;
            }
            // back to what it was: nothing to read
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// The files themselves, and what else lies beside them that an `include` may match.
    fn look(&mut self) -> Vec<Stamp> {
        let began = Instant::now();
        let mut paths: BTreeSet<PathBuf> = self.files.iter().cloned().collect();
        let folders: BTreeSet<PathBuf> =
            self.files.iter().filter_map(|file| file.parent()).map(folder).collect();
        for folder in folders {
            let entries =
                fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            paths.extend(
                entries
                    .filter(|path| path.extension().is_some_and(|extension| extension == "toml")),
            );
        }
        let stamps = paths.into_iter().map(Stamp::of).collect();
        self.took = began.elapsed();
        stamps
    }
}

impl Stamp {
    pub(super) fn of(path: PathBuf) -> Self {
        let metadata = fs::metadata(&path).ok();
        Self {
            resolved: fs::canonicalize(&path).ok(),
            identity: metadata.as_ref().map(|metadata| (metadata.dev(), metadata.ino())),
            length: metadata.as_ref().map_or(0, fs::Metadata::len),
            modified: metadata.and_then(|metadata| metadata.modified().ok()),
            path,
        }
    }

    /// How long ago it was written; `None` where nothing says so, or it says a time to come.
    pub(super) fn age(&self) -> Option<Duration> {
        self.modified?.elapsed().ok()
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
    fn a_file_that_never_rests_keeps_no_other_from_being_read() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gateway.toml");
            let mut watch = Watch::new(vec![file.clone()]);
            let restless = async {
                for count in 0.. {
                    fs::write(&file, "a".repeat(count % 7)).unwrap();
                    sleep(SETTLE / 5).await;
                }
            };
            let most = (EVERY + SETTLE * u32::try_from(MOST_SETTLES).unwrap()) * 2;
            tokio::select! {
                () = watch.changed() => {}
                () = restless => {}
                () = sleep(most) => panic!("not noticed"),
            }
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
