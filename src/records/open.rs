//! Opening the file, and what an operator is told when that does not go.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::fs::{FlockOperation, flock};

use super::CannotOpen;
use super::schema::Unfit;
use super::store::Store;

/// The file is this server's for as long as this lives.
#[derive(Debug)]
pub(super) struct OurFile {
    pub(super) path: PathBuf,
    /// Which file that was: SQLite goes on writing to one that has been deleted.
    inode: u64,
    /// A file beside it: closing any descriptor of the file itself would end SQLite's own locks on it.
    _lock: File,
}

impl OurFile {
    /// # Errors
    /// Somebody has deleted it or put another in its place.
    pub(super) fn is_there(&self) -> Result<(), String> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.ino() == self.inode => Ok(()),
            Ok(_) => Err("another file is in its place; restart to write to that".to_owned()),
            Err(error) => Err(format!("it is gone ({error}); restart to make a new one")),
        }
    }
}

pub(super) fn open(path: &Path) -> Result<(OurFile, Store), CannotOpen> {
    let cannot =
        |(problem, fix): (String, String)| CannotOpen { path: path.to_owned(), problem, fix };
    let mut lock = path.as_os_str().to_owned();
    lock.push("-lock");
    let lock = create(Path::new(&lock)).map_err(|error| cannot(unopened(path, &error)))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let fix = "give each server a file of its own, or stop the other one first".to_owned();
            return Err(cannot(("another hairpin writes it".to_owned(), fix)));
        }
        Err(error) => return Err(cannot(unopened(path, &error.into()))),
    }
    // Whose sessions they are is nobody else's business; the files beside it get the same mode.
    let created = create(path).and_then(|file| file.metadata());
    let inode = created.map_err(|error| cannot(unopened(path, &error)))?.ino();
    let file = OurFile { path: path.to_owned(), inode, _lock: lock };
    let store = Store::open(path).map_err(|unfit| cannot(describe(unfit)))?;
    Ok((file, store))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn unopened(path: &Path, error: &io::Error) -> (String, String) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let fix = match error.kind() {
        ErrorKind::NotFound => {
            format!("make the folder {}, writable by hairpin's user", folder.display())
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!("let hairpin's user write the file and the folder {}", folder.display())
        }
        ErrorKind::IsADirectory => "name a file in that folder".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk".to_owned(),
        _ => "give a file on a local disk that can be written".to_owned(),
    };
    (format!("cannot be opened to be written ({error})"), fix)
}

pub(super) fn describe(unfit: Unfit) -> (String, String) {
    let (problem, fix) = match unfit {
        Unfit::Foreign => {
            ("is another program's database".to_owned(), "name a file that does not exist yet")
        }
        Unfit::Newer(version) => (
            format!("has version {version} of the tables, which a later hairpin made"),
            "start that one, or give another file",
        ),
        Unfit::Sqlite(error) => {
            let fix = match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    "move it away, and `sqlite3 FILE .recover` gets out of it what can be; a new one is made"
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "end the program that holds a transaction open on it"
                }
                Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
                    "make room on the disk, or see whether it is well"
                }
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    "let hairpin's user write the file, those beside it and their folder"
                }
                _ => "give a file on a local disk that can be written",
            };
            (format!("cannot be used ({error})"), fix)
        }
    };
    (problem, fix.to_owned())
}
