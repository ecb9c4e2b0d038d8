//! Writes lines to a standard stream, or to a file that may be rotated under it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::AccessLogError;
use crate::model::gateway::AccessLogTarget;

/// An open target. It has no buffer, so a write is complete when it returns.
#[derive(Debug)]
pub(super) struct LogTarget {
    file: File,
    rotation: Option<Rotation>,
    /// The last write ended inside a line.
    torn: bool,
}

#[derive(Debug)]
struct Rotation {
    path: PathBuf,
    /// Device and inode of the open file.
    identity: (u64, u64),
    checked: Instant,
}

/// A write that ended early.
#[derive(Debug)]
pub(super) struct Interrupted {
    /// Bytes that were written before.
    pub(super) written: usize,
    pub(super) error: io::Error,
}

/// Access logs name people's doings: not for everyone on the machine.
const FILE_MODE: u32 = 0o640;

/// The longest time for which a rotated file is still written to.
const ROTATION_CHECK: Duration = Duration::from_secs(1);

/// The number of attempts on a stream that another program made non-blocking; then the lines are
/// lost.
const BUSY_RETRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

impl LogTarget {
    /// Returns `None` if the log is off.
    pub(super) fn open(target: &AccessLogTarget) -> Result<Option<Self>, AccessLogError> {
        match target {
            AccessLogTarget::Off => Ok(None),
            AccessLogTarget::Stdout => Self::stream(&io::stdout()).map(Some),
            AccessLogTarget::Stderr => Self::stream(&io::stderr()).map(Some),
            AccessLogTarget::File(path) => Self::path(path)
                .map(Some)
                .map_err(|source| AccessLogError::Open { path: path.clone(), source }),
        }
    }

    fn stream(stream: &impl AsFd) -> Result<Self, AccessLogError> {
        let descriptor = stream
            .as_fd()
            .try_clone_to_owned()
            .map_err(|source| AccessLogError::Stream { source })?;
        Ok(Self { file: File::from(descriptor), rotation: None, torn: false })
    }

    fn path(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self {
            file,
            rotation: Some(Rotation { path: path.to_owned(), identity, checked: Instant::now() }),
            torn: false,
        })
    }

    /// Writes whole lines, each ended by a line feed.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Interrupted> {
        if self.torn {
            // half a line stands there: the next one must not continue it
            self.write_bytes(b"\n")
                .map_err(|interrupted| Interrupted { written: 0, ..interrupted })?;
            self.torn = false;
        }
        self.write_bytes(lines).inspect_err(|interrupted| {
            self.torn = lines
                .get(..interrupted.written)
                .and_then(<[u8]>::last)
                .is_some_and(|byte| *byte != b'\n');
        })
    }

    fn write_bytes(&self, bytes: &[u8]) -> Result<(), Interrupted> {
        let mut written = 0;
        let mut busy = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match (&self.file).write(rest) {
                Ok(0) => return Err(Interrupted { written, error: ErrorKind::WriteZero.into() }),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && busy < BUSY_RETRIES => {
                    busy += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
                Err(error) => return Err(Interrupted { written, error }),
            }
        }
        Ok(())
    }

    /// Opens the path anew if something else stands there now; at most once in [`ROTATION_CHECK`].
    pub(super) fn follow_rotation(&mut self) -> io::Result<()> {
        match &self.rotation {
            Some(rotation) if rotation.checked.elapsed() >= ROTATION_CHECK => self.reopen(),
            _ => Ok(()),
        }
    }

    /// Opens the path anew if another file stands there now. If that fails, the old file stays in
    /// use.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        rotation.checked = Instant::now();
        if std::fs::metadata(&rotation.path)
            .is_ok_and(|found| identity(&found) == rotation.identity)
        {
            return Ok(());
        }
        let file = open(&rotation.path)?;
        rotation.identity = identity(&file.metadata()?);
        self.file = file;
        self.torn = false;
        Ok(())
    }

    /// A file that is open already, or an end of a pipe.
    #[cfg(test)]
    pub(super) fn of(file: impl Into<std::os::fd::OwnedFd>) -> Self {
        Self { file: File::from(file.into()), rotation: None, torn: false }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_write_that_ends_inside_a_line_says_how_far_it_came() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut target = LogTarget::of(writer);
        let lines = b"0123456789abcde\n".repeat(8 * 1024);
        let reading = std::thread::spawn(move || {
            let mut start = [0; 1000];
            reader.read_exact(&mut start).unwrap();
        });
        let interrupted = target.write(&lines).unwrap_err();
        reading.join().unwrap();
        assert_eq!(interrupted.error.kind(), ErrorKind::BrokenPipe);
        assert!(
            interrupted.written >= 1000 && interrupted.written < lines.len(),
            "{}",
            interrupted.written
        );
        assert_eq!(target.torn, !interrupted.written.is_multiple_of(16));
    }

    #[test]
    fn half_a_line_is_ended_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        std::fs::write(&path, "half").unwrap();
        let mut target = LogTarget::path(&path).unwrap();
        target.torn = true;
        target.write(b"whole\n").unwrap();
        target.write(b"next\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "half\nwhole\nnext\n");
    }
}
