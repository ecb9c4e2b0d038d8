//! Keeps two gateways from using one `state_dir`: a lock that ends with its process, however that
//! ends.
//!
//! The lock belongs to the open file (flock), so a `lock` file without a process means nothing. The
//! file names the holder of the lock, and the process to which it is being handed over: between two
//! processes of one takeover, no third one gets it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::state_dir;

const FILE: &str = "lock";
const OWNER: &str = "pid ";
const HEIR: &str = "handed over to pid ";

/// The right to write to a `state_dir`. Dropping it gives the right back.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// The reason why this process may not use the folder.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "{} is used by another gateway{}; two gateways on one folder would lose each other's \
         revocations: stop the \
         other one, or give this one a `state_dir` of its own", path.display(), process(*.pid)
    )]
    Held { path: PathBuf, pid: Option<u32> },
    #[error("its lock cannot be taken")]
    Unusable(#[source] io::Error),
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Lock {
    /// Takes the lock of this folder, or returns its holder.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        Self::acquire(folder, true)
    }

    /// Takes a lock back that was handed over to a process that has ended.
    pub fn take_back(folder: &Path) -> Result<Self, LockError> {
        Self::acquire(folder, false)
    }

    fn acquire(folder: &Path, respects_heir: bool) -> Result<Self, LockError> {
        let file = state_dir::open_or_create(&folder.join(FILE)).map_err(LockError::Unusable)?;
        let held = |pid| LockError::Held { path: folder.to_owned(), pid };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(pid_of(&text(&file)))),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    target: "portcullis::supervise",
                    folder = %folder.display(),
                    "this file system has no locks: nothing keeps a second gateway from using \
                     state_dir",
                );
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Unusable(error)),
        }
        let mut lock = Self { file };
        let heir = text(&lock.file).strip_prefix(HEIR).and_then(|pid| pid.trim().parse().ok());
        match heir {
            Some(heir) if respects_heir && heir != std::process::id() && lives(heir) => {
                return Err(held(Some(heir)));
            }
            Some(_) | None => {}
        }
        lock.say(OWNER, std::process::id()).map_err(LockError::Unusable)?;
        Ok(lock)
    }

    /// Gives the lock to this process, and to no other.
    pub fn hand_over(mut self, heir: u32) -> io::Result<()> {
        self.say(HEIR, heir)
    }

    fn say(&mut self, role: &str, pid: u32) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(format!("{role}{pid}\n").as_bytes())
    }
}

fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // a process of another user lives too
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn text(file: &File) -> String {
    const MOST: u64 = 100;
    let mut text = String::new();
    let mut file = file;
    let _ = file.rewind().and_then(|()| file.take(MOST).read_to_string(&mut text));
    text
}

fn pid_of(text: &str) -> Option<u32> {
    text.strip_prefix(OWNER).or_else(|| text.strip_prefix(HEIR))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_heir_alone() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let refused = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id()))
                && refused.contains(&folder.path().display().to_string()),
            "{refused}"
        );
        drop(lock);
        let lock = Lock::take(folder.path()).expect("it ends with its owner");
        // process 1 lives, and is not this one
        lock.hand_over(1).unwrap();
        assert!(Lock::take(folder.path()).is_err(), "meant for another process");
        drop(Lock::take_back(folder.path()).expect("whoever gave it may have it back"));
        let lock = Lock::take(folder.path()).unwrap();
        lock.hand_over(u32::try_from(i32::MAX).unwrap()).unwrap();
        assert!(Lock::take(folder.path()).is_ok(), "the heir is dead");
    }
}
