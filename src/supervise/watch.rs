//! Notices that a configuration file changed. Looks at the files from time to time.
//!
//! Notices of the system would come sooner, but not from every file system, and also for each write
//! to a log that lies beside the files. It is a convenience beside SIGHUP and `POST /reload`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::supervise::file_stamp::{FileStamp, SETTLE, look};

/// The time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// The share of time for looking, one hundredth: many files, or files on a network, take longer,
/// and are looked at once a minute.
const SHARE: u32 = 100;
const SELDOM: Duration = Duration::from_mins(1);

/// The most waits for files to rest, so that a file that never rests keeps no other from being
/// read.
const MOST_SETTLES: usize = 20;

/// The files of a configuration, watched by a thread of their own: a file system that hangs holds
/// nothing else up.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<WatchState>,
}

#[derive(Debug)]
struct WatchState {
    followed: Mutex<Followed>,
    changed: Notify,
}

#[derive(Debug, Default, Clone)]
struct Followed {
    files: Vec<PathBuf>,
    /// The state of the files when they were read.
    seen: Vec<FileStamp>,
    /// Grows whenever others are followed.
    version: u64,
}

impl Watch {
    /// Watches these files, with their state when they were read. Without a thread no change is
    /// noticed; SIGHUP and `POST /reload` work all the same.
    pub(super) fn new(files: Vec<PathBuf>, seen: Vec<FileStamp>) -> Self {
        let followed = Mutex::new(Followed { files, seen, version: 0 });
        let shared = Arc::new(WatchState { followed, changed: Notify::new() });
        let watched = Arc::downgrade(&shared);
        let begun = thread::Builder::new().name("watch".to_owned()).spawn(move || watch(&watched));
        if let Err(error) = begun {
            tracing::warn!(
                target: "portcullis::supervise",
                %error,
                "no thread watches the files; reload with SIGHUP",
            );
        }
        Self { shared }
    }

    /// Watches these files from now on.
    pub(super) fn follow(&mut self, files: Vec<PathBuf>, seen: Vec<FileStamp>) {
        let mut followed = self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let version = followed.version.saturating_add(1);
        *followed = Followed { files, seen, version };
    }

    /// The files as they were when they were read.
    pub(super) fn seen(&self) -> Vec<FileStamp> {
        let followed = self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.seen.clone()
    }

    /// Returns when a file differs from the one that was read, and all have settled.
    pub async fn changed(&mut self) {
        self.shared.changed.notified().await;
    }
}

/// Looks until the last receiver is dropped.
fn watch(shared: &Weak<WatchState>) {
    let mut pause = EVERY;
    loop {
        thread::sleep(pause);
        let Some(shared) = shared.upgrade() else { return };
        let followed = shared.followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let began = Instant::now();
        let now = look(&followed.files);
        pause = began.elapsed().saturating_mul(SHARE).clamp(EVERY, SELDOM);
        if now == followed.seen {
            continue;
        }
        let now = settle(&followed.files, now);
        let mut current = shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
        // back to its former content, or read by another task in the meantime: nothing to read
        if now != followed.seen && current.version == followed.version {
            current.seen = now;
            shared.changed.notify_one();
        }
    }
}

/// Editors and deployments write several files: they are done when nothing has changed for a
/// moment.
fn settle(files: &[PathBuf], mut now: Vec<FileStamp>) -> Vec<FileStamp> {
    for _ in 0..MOST_SETTLES {
        thread::sleep(SETTLE);
        let later = look(files);
        if later == now {
            break;
        }
        now = later;
    }
    now
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tokio::time::sleep;

    use super::*;

    fn watched(file: &Path) -> Watch {
        let files = vec![file.to_owned()];
        let seen = look(&files);
        Watch::new(files, seen)
    }

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
            let mut watch = watched(&file);
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
            let mut watch = watched(&file);
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
            let mut watch = watched(&file);
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
            let mut watch = watched(&file);
            fs::write(folder.path().join("access.log"), "line").unwrap();
            let waited = tokio::time::timeout(Duration::from_millis(900), watch.changed()).await;
            assert!(waited.is_err());
        });
    }
}
