//! What the process may have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's soft limit on open files to its hard limit, and returns what it is then; `None` is no limit.
///
/// Every allocation and every connection takes a descriptor, and the soft limit is often 1,024. The `hairpin` command
/// does this when it starts. A [`Server`](crate::Server) does not: limits are its host's.
///
/// # Errors
/// What the system says.
pub fn raise_open_files_limit() -> io::Result<Option<u64>> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}

/// How many files this process may have open now; `None` is no limit.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
