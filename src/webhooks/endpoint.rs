//! One URL: its queue, and the task that empties it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64ct::{Base64UrlUnpadded, Encoding};
use hairpin_config::{HttpUrl, WebhookSecret};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::WebhookSetup;
use super::backlog::{Backlog, Failed, Pushed};
use super::event::Webhook;
use super::signature::signatures;
use crate::clock::Clock;
use crate::fetch::{Answer, FetchBounds, FetchError, Fetcher};
use crate::log_limit::LogLimit;
use crate::metrics::{Dropped, Metrics};
use crate::records::{Entry, Recorder, SavedWebhook};

/// What a receiver may take, and say. What it says is not looked at.
const BOUNDS: FetchBounds =
    FetchBounds { timeout: Duration::from_secs(10), max_answer_bytes: 1 << 20 };

/// One receiver.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// What it is called in the file of records: the URL without its query, and a digest of the whole.
    pub(super) name: Arc<str>,
    fetcher: Fetcher,
    secrets: Vec<WebhookSecret>,
    backlog: Mutex<Backlog>,
    changed: Notify,
    recorder: Option<Recorder>,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// From the clock's origin to 1970.
    since_1970: Duration,
}

impl Endpoint {
    pub(super) fn new(url: &HttpUrl, setup: &WebhookSetup<'_>) -> Result<Self, FetchError> {
        let digest = Sha256::digest(url.uri().to_string().as_bytes());
        let digest = Base64UrlUnpadded::encode_string(&digest[..6]);
        Ok(Self {
            name: format!("{url}#{digest}").into(),
            fetcher: Fetcher::to(url.clone(), BOUNDS)?,
            secrets: setup.secrets.to_vec(),
            backlog: Mutex::default(),
            changed: Notify::new(),
            recorder: setup.recorder.clone(),
            metrics: setup.metrics.clone(),
            clock: setup.clock,
            since_1970: Clock::since_1970().saturating_sub(setup.clock.monotonic()),
        })
    }

    /// Queues a new one, here and in the file.
    pub(super) fn push(&self, webhook: &Arc<Webhook>) {
        if let Some(recorder) = &self.recorder {
            recorder.record(Entry::Owed(Arc::new(SavedWebhook {
                id: webhook.id.clone(),
                endpoint: self.name.clone(),
                created: webhook.created,
                body: webhook.body.clone(),
            })));
        }
        self.take_up(webhook.clone());
    }

    /// Queues one that is in the file already.
    pub(super) fn take_up(&self, webhook: Arc<Webhook>) {
        static LIMIT: LogLimit = LogLimit::new();
        self.metrics.webhooks.queued();
        let id = webhook.id.clone();
        let pushed = self.backlog().push(webhook);
        match pushed {
            Pushed::Waits => {}
            Pushed::Gone => self.drop_one(&id, Dropped::Gone),
            Pushed::InPlaceOf(oldest) => {
                self.drop_one(&oldest.id, Dropped::Full);
                if let Some(left_out) = LIMIT.admit() {
                    let receiver = self.fetcher.url().origin();
                    tracing::error!(%receiver, left_out, "too many webhooks wait: the oldest is dropped");
                }
            }
        }
        self.changed.notify_one();
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.backlog().len()
    }

    /// Whether the last attempt went well.
    pub(super) fn is_well(&self) -> bool {
        self.backlog().failures() == 0
    }

    /// Delivers until it is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut flying = JoinSet::new();
        loop {
            let now = self.now();
            let due = {
                let mut backlog = self.backlog();
                while let Some((number, webhook)) = backlog.poll(now) {
                    let this = self.clone();
                    flying.spawn(async move {
                        let answer = this.deliver(&webhook).await;
                        this.judge(number, &webhook, answer);
                    });
                }
                backlog.poll_timeout()
            };
            let due = due.unwrap_or_default().saturating_sub(self.since_1970);
            tokio::select! {
                // Its end frees a place.
                Some(_) = flying.join_next(), if !flying.is_empty() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(self.clock.instant(due)), if !due.is_zero() => {}
            }
        }
    }

    async fn deliver(&self, webhook: &Webhook) -> Result<Answer, FetchError> {
        // That of the attempt: receivers refuse what is old.
        let timestamp = Clock::unix();
        let signed = signatures(&self.secrets, &webhook.id, timestamp, &webhook.body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let text = |text: &str| HeaderValue::from_str(text).expect("ids, digits and base64");
        headers.insert("webhook-id", text(&webhook.id));
        headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
        headers.insert("webhook-signature", text(&signed));
        self.fetcher.post(headers, Bytes::copy_from_slice(webhook.body.as_bytes())).await
    }

    fn judge(&self, number: u64, webhook: &Webhook, answer: Result<Answer, FetchError>) {
        let mut retry_after = None;
        let error = match answer {
            Ok(answer) if answer.status == StatusCode::GONE => return self.stop(),
            Ok(answer) => {
                retry_after = asked_for(&answer.headers);
                match answer.success() {
                    Ok(_) => return self.arrived(number),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        self.metrics.webhooks.failed();
        let (failed, failures) = {
            let mut backlog = self.backlog();
            let failed = backlog.failed(number, self.now(), retry_after, rand::random());
            (failed, backlog.failures())
        };
        let id = &webhook.id;
        if let Failed::GivenUp(webhook) = failed {
            tracing::error!(%error, %id, "a webhook did not arrive within a day: it is given up");
            self.drop_one(&webhook.id, Dropped::Expired);
        } else if failures.is_power_of_two() {
            // Each time that the number of failures in a row has doubled.
            tracing::warn!(%error, %id, failures, "a webhook does not arrive: it is tried again");
        }
    }

    fn arrived(&self, number: u64) {
        let mut backlog = self.backlog();
        let failures = backlog.failures();
        let arrived = backlog.arrived(number);
        drop(backlog);
        if failures > 1 {
            let receiver = self.fetcher.url().origin();
            tracing::info!(%receiver, "webhooks arrive again");
        }
        if let Some(webhook) = arrived {
            self.metrics.webhooks.delivered();
            settled(self.recorder.as_ref(), &webhook.id, &self.name);
        }
    }

    /// Nothing goes there until the next start.
    fn stop(&self) {
        let dropped = self.backlog().close();
        let receiver = self.fetcher.url().origin();
        let count = dropped.len();
        tracing::error!(%receiver, dropped = count, "the receiver answered 410: no more webhooks until the next start");
        dropped.iter().for_each(|webhook| self.drop_one(&webhook.id, Dropped::Gone));
    }

    fn drop_one(&self, id: &Arc<str>, why: Dropped) {
        self.metrics.webhooks.dropped(why);
        settled(self.recorder.as_ref(), id, &self.name);
    }

    /// Time since 1970, by a clock that never goes back.
    fn now(&self) -> Duration {
        self.clock.monotonic() + self.since_1970
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file need not keep it any more.
pub(super) fn settled(recorder: Option<&Recorder>, id: &Arc<str>, endpoint: &Arc<str>) {
    if let Some(recorder) = recorder {
        recorder.record(Entry::Settled { id: id.clone(), endpoint: endpoint.clone() });
    }
}

/// Seconds alone: a date is for those who share a clock.
fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
