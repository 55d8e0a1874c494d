//! What is counted of records, webhooks and the admin API.
#![cfg_attr(not(feature = "records"), allow(dead_code, unused_imports))]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use super::family::{counter, counters, gauge};

/// The file of records.
#[derive(Debug, Default)]
pub(crate) struct RecordsMetrics {
    written: AtomicU64,
    lost: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
    /// What is wrong now.
    wrong: Mutex<Option<String>>,
}

impl RecordsMetrics {
    /// An entry waits to be written.
    pub(crate) fn taken(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no room for so many.
    pub(crate) fn lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// So many wait.
    pub(crate) fn waiting(&self, count: usize) {
        self.waiting.store(count as u64, Ordering::Relaxed);
    }

    /// So many are in the file, which is well.
    pub(crate) fn written(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The file could not be written.
    pub(crate) fn failed(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    /// What is wrong with the file, if it cannot be written now.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
        [
            counter(
                "hairpin_records_written_total",
                "Entries written to the file of records",
                get(&self.written),
            ),
            counter(
                "hairpin_records_lost_total",
                "Entries left out of the file of records because too many waited",
                get(&self.lost),
            ),
            counter(
                "hairpin_records_failures_total",
                "Attempts to write records that failed",
                get(&self.failures),
            ),
            gauge(
                "hairpin_records_failing",
                "1 while records cannot be written",
                u64::from(self.wrong().is_some()),
            ),
            gauge("hairpin_records_waiting", "Entries that wait to be written", get(&self.waiting)),
        ]
        .concat()
    }
}

/// Why a webhook was not delivered, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Too many waited.
    Full,
    /// It was tried for as long as any is.
    Expired,
    /// The receiver wants no more.
    Gone,
}

impl Dropped {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Full, "full"), (Self::Expired, "expired"), (Self::Gone, "gone")];
}

/// Webhooks.
#[derive(Debug, Default)]
pub(crate) struct WebhookMetrics {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    waiting: AtomicU64,
}

impl WebhookMetrics {
    /// One more waits for one more URL.
    pub(crate) fn queued(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// One has arrived.
    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// One that waited never arrives.
    pub(crate) fn dropped(&self, why: Dropped) {
        self.never_queued(why, 1);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// So many that did not even wait never arrive.
    pub(crate) fn never_queued(&self, why: Dropped, count: usize) {
        self.dropped[why as usize].fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let dropped =
            Dropped::ALL.iter().map(|(why, name)| ([*name], get(&self.dropped[*why as usize])));
        [
            counter(
                "hairpin_webhooks_delivered_total",
                "Webhooks that a receiver has taken; one for two URLs counts twice",
                get(&self.delivered),
            ),
            counter(
                "hairpin_webhook_failures_total",
                "Attempts to deliver a webhook that failed",
                get(&self.failed),
            ),
            counters(
                "hairpin_webhooks_dropped_total",
                "Webhooks that will never arrive, by why",
                ["reason"],
                dropped,
            ),
            gauge("hairpin_webhooks_waiting", "Webhooks that wait to arrive", get(&self.waiting)),
        ]
        .concat()
    }
}
