//! Telling an app's backend what happens, by signed requests that are repeated until they arrive.
//!
//! Each URL has a queue and a task of its own, so that one that stalls delays no other. The hub hands its records to
//! [`Webhooks::tell`], which never waits.

mod backlog;
#[cfg(test)]
mod backlog_tests;
mod endpoint;
mod event;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use hairpin_config::{HttpUrl, WebhookSecret};
use hairpin_signaling::Record;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::fetch::FetchError;
use crate::log_limit::LogLimit;
use crate::metrics::{Dropped, Metrics};
use crate::records::{Recorder, Restored};
use crate::supervisor::Supervisor;
use endpoint::Endpoint;
use event::Webhook;

/// What may wait to be made a webhook of.
const RECORDS: usize = 10_000;

/// How often a server that stops looks whether all have arrived.
const POLL: Duration = Duration::from_millis(20);

/// Where webhooks go, and what they are signed with.
pub(crate) struct WebhookSetup<'a> {
    pub(crate) urls: &'a [HttpUrl],
    pub(crate) secrets: &'a [WebhookSecret],
    /// Where those that have not arrived are kept.
    pub(crate) recorder: Option<Recorder>,
    /// What the last run left behind.
    pub(crate) restored: &'a Restored,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) supervisor: &'a Supervisor,
}

/// Tells receivers. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks {
    records: mpsc::Sender<(Duration, Record)>,
    endpoints: Arc<[Arc<Endpoint>]>,
    metrics: Arc<Metrics>,
}

impl Webhooks {
    /// Begins to deliver, on the current runtime; what the last run could not, too.
    ///
    /// # Errors
    /// A URL cannot be asked in this build or on this system.
    pub(crate) fn start(setup: WebhookSetup<'_>) -> Result<Self, FetchError> {
        let WebhookSetup { urls, metrics, supervisor, .. } = &setup;
        let endpoints = urls.iter().map(|url| Endpoint::new(url, &setup).map(Arc::new));
        let endpoints = endpoints.collect::<Result<Arc<[_]>, _>>()?;
        take_up(&setup, &endpoints);
        let (records, mut receiver) = mpsc::channel::<(Duration, Record)>(RECORDS);
        let webhooks = Self { records, endpoints: endpoints.clone(), metrics: metrics.clone() };
        for endpoint in endpoints.iter() {
            supervisor.task("webhooks", endpoint.clone().run());
        }
        supervisor.task("the maker of webhooks", async move {
            while let Some((at, record)) = receiver.recv().await {
                let Some(webhook) = Webhook::of(at, &record).map(Arc::new) else { continue };
                endpoints.iter().for_each(|endpoint| endpoint.push(&webhook));
            }
        });
        Ok(webhooks)
    }

    /// Has every receiver told of what happened at this time, since 1970.
    pub(crate) fn tell(&self, at: Duration, record: &Record) {
        static LIMIT: LogLimit = LogLimit::new();
        if self.records.try_send((at, record.clone())).is_err() {
            let count = self.endpoints.len();
            self.metrics.webhooks.never_queued(Dropped::Full, count);
            if let Some(left_out) = LIMIT.admit() {
                tracing::error!(left_out, "more happens than webhooks can be made of");
            }
        }
    }

    /// Waits until all have arrived at those who take them, at most until then, and says how many have not.
    pub(crate) async fn finish(&self, deadline: Instant) -> usize {
        let busy = |endpoint: &Arc<Endpoint>| endpoint.waiting() > 0 && endpoint.is_well();
        let made = || self.records.capacity() == self.records.max_capacity();
        while Instant::now() < deadline && (!made() || self.endpoints.iter().any(busy)) {
            tokio::time::sleep(POLL).await;
        }
        self.endpoints.iter().map(|endpoint| endpoint.waiting()).sum()
    }
}

/// Queues what the last run did not deliver, and tells of the sessions that it left open.
fn take_up(setup: &WebhookSetup<'_>, endpoints: &[Arc<Endpoint>]) {
    let mut orphans = 0;
    for saved in &setup.restored.webhooks {
        match endpoints.iter().find(|endpoint| *endpoint.name == *saved.endpoint) {
            Some(endpoint) => endpoint.take_up(Arc::new(Webhook::restored(saved))),
            None => {
                orphans += 1;
                endpoint::settled(setup.recorder.as_ref(), &saved.id, &saved.endpoint);
            }
        }
    }
    if orphans > 0 {
        tracing::warn!(orphans, "webhooks for URLs that are no longer set are dropped");
    }
    let now = Clock::since_1970();
    for lost in &setup.restored.lost {
        let webhook = Arc::new(Webhook::of_lost(now, lost));
        endpoints.iter().for_each(|endpoint| endpoint.push(&webhook));
    }
}
