//! The thread that writes, and goes on trying when it cannot.

use std::time::{Duration, Instant};

use std::sync::Arc;

use super::inbox::{Inbox, LeftOut, More};
use super::open::{OurFile, describe};
use super::schema::Unfit;
use super::store::Store;
use super::{CannotOpen, Entry, Restored};
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How long to wait before what could not be written is tried again: from, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

/// How often the file says that the server lives, when nothing happens.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// How often it is looked for what is too old.
const PRUNE: Duration = Duration::from_secs(600);

pub(super) struct Writer {
    file: OurFile,
    /// Opened anew after a failure: what was mended is seen.
    store: Option<Store>,
    run: i64,
    keep: Duration,
    metrics: Arc<Metrics>,
    /// What has been taken and is not yet written.
    batch: Vec<Entry>,
    left_out: LeftOut,
    /// Failures in a row.
    failures: u32,
    prune_at: Instant,
}

impl Writer {
    /// Reads what there is, and begins a run.
    pub(super) fn new(
        file: OurFile,
        mut store: Store,
        keep: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Restored), CannotOpen> {
        let now = Clock::since_1970();
        let begun = store.restore(now, keep).and_then(|left| Ok((left, store.begin_run(now)?)));
        let (restored, run) = begun.map_err(|error| {
            let (problem, fix) = describe(Unfit::Sqlite(error));
            CannotOpen { path: file.path.clone(), problem, fix }
        })?;
        let prune_at = Instant::now();
        let (store, batch, left_out) = (Some(store), Vec::new(), LeftOut::default());
        Ok((
            Self { file, store, run, keep, metrics, batch, left_out, failures: 0, prune_at },
            restored,
        ))
    }

    /// Until nothing more comes, and all of it is written.
    pub(super) fn run(mut self, inbox: &Inbox) {
        let mut more = More::Comes;
        loop {
            if self.batch.is_empty() {
                let idle = self.idle();
                let (left_out, comes) = inbox.take(&mut self.batch, idle);
                self.leave_out(left_out);
                more = comes;
            }
            match (self.write(), more) {
                (Ok(()), More::Comes) => self.written(inbox),
                (Ok(()), More::Never) => {
                    self.written(inbox);
                    // What came while the last batch could not be written.
                    if inbox.len() == 0 {
                        return self.end();
                    }
                }
                (Err(error), More::Comes) => {
                    self.failed(inbox, &error);
                    more = inbox.pause(self.pause());
                }
                (Err(error), More::Never) => {
                    self.failed(inbox, &error);
                    return self.give_up(inbox);
                }
            }
        }
    }

    fn idle(&self) -> Duration {
        let least = if self.failures > 0 { self.pause() } else { SIGN_OF_LIFE };
        self.prune_at.saturating_duration_since(Instant::now()).min(least)
    }

    fn leave_out(&mut self, more: LeftOut) {
        if self.left_out.count == 0 {
            self.left_out.since = more.since;
        }
        self.left_out.count += more.count;
    }

    fn write(&mut self) -> Result<(), String> {
        self.file.is_there().inspect_err(|_| self.store = None)?;
        let now = Clock::since_1970();
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(&self.file.path).map_err(|unfit| describe(unfit).0)?),
        };
        let written = store.write(self.run, now, &self.batch, self.left_out);
        let written = written.and_then(|()| {
            if self.prune_at <= Instant::now() {
                let more = store.prune(now.saturating_sub(self.keep))?;
                self.prune_at = Instant::now() + if more { Duration::ZERO } else { PRUNE };
            }
            Ok(())
        });
        written.map_err(|error| {
            self.store = None;
            error.to_string()
        })
    }

    fn written(&mut self, inbox: &Inbox) {
        if self.left_out.count > 0 {
            let lost = self.left_out.count;
            tracing::error!(lost, "records were left out while they could not be written");
        }
        if self.failures > 0 {
            tracing::info!(file = %self.file.path.display(), "records are written again");
        }
        self.metrics.records.written(self.batch.len());
        self.metrics.records.waiting(inbox.len());
        self.batch.clear();
        self.left_out = LeftOut::default();
        self.failures = 0;
    }

    fn failed(&mut self, inbox: &Inbox, error: &str) {
        self.metrics.records.failed(error);
        self.metrics.records.waiting(inbox.len() + self.batch.len());
        // Once, and then each time the number of failures has doubled.
        self.failures += 1;
        if self.failures.is_power_of_two() {
            let (file, waiting) = (self.file.path.display(), inbox.len() + self.batch.len());
            tracing::error!(%file, %error, waiting, "records cannot be written; calls go on");
        }
    }

    fn pause(&self) -> Duration {
        let [least, most] = PAUSES;
        (least * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(10))).min(most)
    }

    fn end(self) {
        let ended = self.store.map(|store| store.end_run(self.run, Clock::since_1970()));
        if let Some(Err(error)) = ended {
            tracing::warn!(%error, "the records do not say that the server was stopped");
        }
    }

    fn give_up(self, inbox: &Inbox) {
        let lost = inbox.len() + self.batch.len();
        let file = self.file.path.display();
        tracing::error!(%file, lost, "the server ends, and what could not be written is lost");
    }
}
