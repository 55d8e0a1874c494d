//! The folder where certificates of our own are kept, with the account they were asked for by. Servers may share it:
//! whoever writes holds its lock, and files are replaced as a whole, so that nobody reads half of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hairpin_config::HttpUrl;
use rustix::fs::FlockOperation;

use super::source::Refused;

/// More than any of our files has.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Its part for one authority: `state-dir`, then the name and path of the authority's directory.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
}

/// For as long as it is held, nobody else writes.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl StateDir {
    /// Makes it, unless it is there, for our user alone.
    ///
    /// # Errors
    /// It cannot be made, or not be written to.
    pub(super) fn open(root: &Path, directory: &HttpUrl) -> Result<Self, Refused> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        let authority = directory.to_string();
        let name = authority.trim_start_matches("https://").trim_end_matches('/');
        let path = root.join(name.chars().map(plain).collect::<String>());
        let refused = |error: io::Error| {
            Refused {
            setting: "state-dir",
            path: root.to_owned(),
            problem: format!("cannot be written ({error})"),
            fix: "give a folder that lasts and that hairpin's user may write to, such as systemd's StateDirectory=hairpin or a volume"
                .to_owned(),
        }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(refused)?;
        let this = Self { path };
        this.open_lock().map_err(refused)?;
        Ok(this)
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Leave to write; `None`: somebody else has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        let file = self.open_lock()?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.path("lock"))
    }

    /// What is in a file, if there is one.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<String>> {
        let mut text = String::new();
        match File::open(self.path(name)) {
            Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text).map(|_| Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file, or leaves it as it was: whatever happens meanwhile, it is never half of it.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let new = self.path(&format!("{name}.new"));
        // A leftover of a run that was cut off; its mode need not be ours.
        self.remove(&format!("{name}.new"))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path(name))?;
        File::open(&self.path)?.sync_all()
    }

    /// Puts a file aside, under a name that is not looked for.
    pub(super) fn put_aside(&self, name: &str) -> io::Result<()> {
        fs::rename(self.path(name), self.path(&format!("{name}.old")))
    }

    /// Takes a file away, if it is there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes all files away whose names begin so.
    pub(super) fn sweep(&self, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) {
                self.remove(name)?;
            }
        }
        Ok(())
    }
}
