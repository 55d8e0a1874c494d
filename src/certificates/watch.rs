//! Looks at what certificates are read from, again and again, and says what has become of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::pair::{Age, Pair};
use super::resolver::Resolver;
use super::source::{Look, Source};
use super::status::Status;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How often it is looked. Names of files are followed anew each time, and contents compared: whoever replaces a
/// certificate swaps symbolic links (certbot, Kubernetes), renames, or writes in place, on file systems that tell nobody.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// How often it is said again that a certificate expires, or has.
const REMINDER: Duration = Duration::from_secs(24 * 3600);

/// Everything that certificates are read from.
pub(super) struct Watch {
    pub(super) sources: Vec<Source>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) status: Arc<Status>,
    pub(super) metrics: Arc<Metrics>,
    /// Somebody knows that something is new.
    pub(super) again: Arc<Notify>,
}

impl Watch {
    /// Looks for ever.
    pub(super) async fn run(mut self) {
        let mut said: Vec<(Age, Option<Instant>)> = Vec::new();
        loop {
            said = self.remind(said);
            let _ = tokio::time::timeout(INTERVAL, self.again.notified()).await;
            // A file system may be slow.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looked.await {
                Ok(this) => this,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime stops.
                Err(_) => return std::future::pending().await,
            };
        }
    }

    /// Reads everything once, and serves what is new.
    pub(super) fn look(&mut self) {
        for source in &mut self.sources {
            match source.look() {
                Look::Nothing => {}
                Look::New => {
                    let pair = source.pair().expect("it has just been read");
                    tracing::info!(names = ?pair.names, until = pair.until(), "new certificate");
                }
                Look::Refused => {
                    self.metrics.certificates.refused();
                    let trouble = source.trouble().expect("it has just been refused");
                    match source.pair() {
                        Some(pair) => tracing::error!(
                            "{trouble}; the certificate until {} is served on",
                            pair.until()
                        ),
                        None => tracing::error!("{trouble}"),
                    }
                }
            }
        }
        self.publish();
    }

    /// What is there now is what is served, counted and told.
    pub(super) fn publish(&self) {
        let pairs: Vec<Arc<Pair>> = self.sources.iter().filter_map(Source::pair).cloned().collect();
        let expiries = pairs.iter().map(|pair| (pair.name().to_owned(), pair.not_after));
        self.metrics.certificates.expiries(expiries.collect());
        self.status.refused(self.sources.iter().filter_map(Source::trouble).map(|t| t.to_string()));
        self.resolver.serve(pairs);
    }

    /// Says of each certificate, once a day, that it expires or has.
    fn remind(&self, mut said: Vec<(Age, Option<Instant>)>) -> Vec<(Age, Option<Instant>)> {
        let now = Instant::now();
        said.resize(self.sources.len(), (Age::Good, None));
        for (source, (before, at)) in self.sources.iter().zip(&mut said) {
            let Some(pair) = source.pair() else { continue };
            let age = pair.age(Clock::unix());
            let is_due = at.is_none_or(|at| now >= at + REMINDER);
            if age == *before && !is_due {
                continue;
            }
            (*before, *at) = (age, Some(now));
            match (age, pair.complaint(Clock::unix())) {
                (_, None) => {}
                (Age::Soon, Some(complaint)) => tracing::warn!("{complaint}"),
                (_, Some(complaint)) => tracing::error!("{complaint}"),
            }
        }
        said
    }
}
