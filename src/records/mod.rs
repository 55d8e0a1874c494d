//! What happened, kept in a file: sessions, reports, blocks, bars, and webhooks that have not yet arrived.
//!
//! The hub hands its records over and goes on: a thread of their own writes them, every [`INTERVAL`] or [`BATCH`] of
//! them in one transaction. What it cannot write waits; when too much waits, what comes is left out, counted, and a row
//! says so later. Nothing here stops a call.
#![cfg_attr(not(feature = "records"), allow(dead_code, unused_imports))]

mod entry;
mod inbox;
#[cfg(feature = "records")]
mod open;
#[cfg(feature = "records")]
mod restore;
#[cfg(feature = "records")]
mod schema;
#[cfg(feature = "records")]
mod store;
#[cfg(all(test, feature = "records"))]
mod tests;
#[cfg(feature = "records")]
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use entry::{Entry, Lost, Restored, SavedReport, SavedWebhook};
use inbox::Inbox;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// How long what happened may wait to be written: this much is lost when the process is killed.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);

/// How many entries are written without waiting for that.
const BATCH: usize = 500;

/// How many entries may wait while nothing can be written: tens of megabytes.
const CAPACITY: usize = 100_000;

/// Why there can be no records, in words for whoever set them up.
#[derive(Debug)]
pub(crate) struct CannotOpen {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
    pub(crate) fix: String,
}

/// Takes what is to be written. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// Has this written soon. Never waits.
    pub(crate) fn record(&self, entry: Entry) {
        if self.inbox.push(entry, Clock::since_1970()) {
            self.metrics.records.taken();
        } else {
            self.metrics.records.lost(1);
        }
    }
}

/// The thread that writes. Dropped, it writes what there is and ends.
#[derive(Debug)]
pub(crate) struct Records {
    recorder: Recorder,
    thread: Option<JoinHandle<()>>,
}

impl Records {
    /// Opens the file and starts to write.
    ///
    /// # Errors
    /// What is wrong with the file or its folder.
    #[cfg(feature = "records")]
    pub(crate) fn start(
        path: &Path,
        keep: Duration,
        metrics: Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<(Self, Restored), CannotOpen> {
        let (file, store) = open::open(path)?;
        let (writer, restored) = writer::Writer::new(file, store, keep, metrics.clone())?;
        let inbox = Arc::new(Inbox::new(CAPACITY));
        let work = {
            let inbox = inbox.clone();
            move || writer.run(&inbox)
        };
        let thread = supervisor.thread("records".to_owned(), work).map_err(|error| CannotOpen {
            path: path.to_owned(),
            problem: format!("no thread can be started to write it: {error}"),
            fix: "raise the limit on threads".to_owned(),
        })?;
        let recorder = Recorder { inbox, metrics };
        Ok((Self { recorder, thread: Some(thread) }, restored))
    }

    #[cfg(not(feature = "records"))]
    pub(crate) fn start(
        path: &Path,
        _keep: Duration,
        _metrics: Arc<Metrics>,
        _supervisor: &Supervisor,
    ) -> Result<(Self, Restored), CannotOpen> {
        Err(CannotOpen {
            path: path.to_owned(),
            problem: "this build keeps no records".to_owned(),
            fix: "leave it out, or build hairpin with the feature `records`".to_owned(),
        })
    }

    /// Where entries go.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Writes what there is, and ends. Takes as long as that takes; with a file that cannot be written, one attempt.
    pub(crate) fn finish(&mut self) {
        self.recorder.inbox.close();
        if let Some(thread) = self.thread.take() {
            // Its panics are the supervisor's.
            let _ = thread.join();
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(all(test, not(feature = "records")))]
#[test]
fn a_build_without_records_refuses_them_clearly() {
    let (metrics, supervisor) = (Arc::new(Metrics::new(0)), Supervisor::default());
    let refused = Records::start(Path::new("records.db"), Duration::ZERO, metrics, &supervisor);
    let refused = refused.expect_err("there are none");
    assert!(refused.fix.contains("feature `records`"), "{refused:?}");
}
