//! Opens, creates and replaces files of `state_dir`, for its owner alone and without following
//! symbolic links.
//!
//! The files of this folder decide which callers are admitted (key sets, revocations), so no other
//! user may read, write or redirect them.

pub mod lock;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// Beginnings of the names that the gateway gives to files here.
const OWN_NAMES: [&str; 10] = [
    "revocations",
    "counters",
    "keys-",
    "organizations",
    "lock",
    "format",
    "portcullis.",
    "takeover-",
    "control",
    ".writable",
];

/// The reason why a folder cannot hold the gateway's state.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    #[error("it cannot be made or written; create it, or set gateway.state_dir")]
    Unusable(#[source] io::Error),
    #[error(
        "it belongs to user {owner}, and the gateway runs as user {user}: whoever owns it decides \
         which tokens are \
         good; run `chown {user}`, or choose another folder"
    )]
    Foreign { owner: u32, user: u32 },
    #[error("it is not a folder")]
    NotAFolder,
    #[error("it is shared by all users, as /tmp is; choose a folder of its own (mode 0700)")]
    Shared,
}

/// A fact about the folder that an operator should know.
#[derive(Debug, PartialEq, Eq)]
pub enum FolderNote {
    /// Other users could use it before; now only its owner can.
    Tightened(u32),
    /// Other users can use it, and the gateway cannot or should not change that.
    Open(u32),
}

/// Makes the folder if it is missing (mode 0700), and checks that it is the gateway's own.
///
/// The folder itself may be reached through a symbolic link, because systemd's `DynamicUser=` makes
/// one of `StateDirectory=`. Its owner is checked behind the link.
pub fn prepare(folder: &Path) -> Result<Option<FolderNote>, FolderFault> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    let facts = match (fs::metadata(folder), made) {
        (Ok(facts), _) => facts,
        (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(FolderFault::Unusable(error)),
    };
    if !facts.is_dir() {
        return Err(FolderFault::NotAFolder);
    }
    let (owner, user) = (facts.uid(), rustix::process::geteuid().as_raw());
    // volumes of containers belong to root and to a group of the gateway
    if owner != user && owner != ROOT {
        return Err(FolderFault::Foreign { owner, user });
    }
    let mode = facts.mode() & 0o7777;
    if mode & STICKY != 0 {
        return Err(FolderFault::Shared);
    }
    let note = tighten(folder, mode, owner == user);
    probe(folder).map_err(FolderFault::Unusable)?;
    Ok(note)
}

/// Takes the folder from other users, unless it holds foreign files too.
fn tighten(folder: &Path, mode: u32, owned: bool) -> Option<FolderNote> {
    if mode & OTHERS == 0 {
        return None;
    }
    let holds_only_ours = fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                OWN_NAMES.iter().any(|own| name.as_encoded_bytes().starts_with(own.as_bytes()))
            })
        })
    });
    let tightened = owned
        && holds_only_ours
        && fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)).is_ok();
    Some(if tightened { FolderNote::Tightened(mode) } else { FolderNote::Open(mode) })
}

fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(".writable");
    create(&path)?;
    fs::remove_file(&path)
}

/// Opens a file for reading. A symbolic link, a FIFO or a device in its place is an error.
pub fn read(path: &Path) -> io::Result<File> {
    plain(OpenOptions::new().read(true), path)
}

/// Opens a file that exists for reading and writing, and takes it from other users.
pub fn write(path: &Path) -> io::Result<File> {
    let file = plain(OpenOptions::new().read(true).write(true), path)?;
    if file.metadata()?.mode() & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    Ok(file)
}

/// Opens a file for reading and writing, and makes it if it is missing.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    plain(options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE), path)
}

/// Makes a new, empty file. A former holder of the name is removed, even a symbolic link.
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    plain(options.read(true).write(true).create_new(true).mode(FILE_MODE), path)
}

/// Gives a finished file its name, down to the disk.
pub fn replace(new: &Path, path: &Path) -> io::Result<()> {
    fs::rename(new, path)?;
    match path.parent() {
        // the new name must be on the disk too
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Returns a free name for a file that is kept aside: `NAME.damaged-SECONDS`.
pub fn aside(path: &Path, seconds: i64) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = path.with_file_name(format!("{name}.damaged-{seconds}"));
    if fs::symlink_metadata(&plain).is_err() {
        return plain;
    }
    let numbered =
        (2_u32..).map(|number| path.with_file_name(format!("{name}.damaged-{seconds}-{number}")));
    numbered
        .take(10_000)
        .find(|candidate| fs::symlink_metadata(candidate).is_err())
        .unwrap_or(plain)
}

fn plain(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // a FIFO must not hold the opening up
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(|error| {
        if fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_symlink()) {
            not_plain(path, "a symbolic link")
        } else {
            error
        }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_plain(path, "no plain file")) }
}

fn not_plain(path: &Path, what: &str) -> io::Error {
    let text = format!("{} is {what}, which is never followed or read; remove it", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone_and_tightened_where_it_was_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/state");
        assert_eq!(prepare(&folder).unwrap(), None);
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(prepare(&folder).unwrap(), Some(FolderNote::Tightened(0o755)));
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("gateway.toml"), "").unwrap();
        assert_eq!(prepare(&folder).unwrap(), Some(FolderNote::Open(0o755)), "others read it");
        fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(prepare(&folder), Err(FolderFault::Shared)));
    }

    #[test]
    fn links_and_pipes_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for opened in [read(&link), write(&link), open_or_create(&link)] {
            assert!(opened.unwrap_err().to_string().contains("symbolic link"));
        }
        create(&link).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"kept", "the link was replaced, not followed");
        assert_eq!(mode(&link), 0o600);
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(read(&pipe).unwrap_err().to_string().contains("no plain file"));
    }

    #[test]
    fn what_is_kept_aside_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revocations");
        let first = aside(&path, 7);
        assert!(first.ends_with("revocations.damaged-7"));
        fs::write(&first, "").unwrap();
        assert!(aside(&path, 7).ends_with("revocations.damaged-7-2"));
    }
}
