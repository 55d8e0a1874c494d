//! Keys that are fetched from their issuer, and kept while it cannot be asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use hairpin_config::HttpUrl;
use jsonwebtoken::Algorithm;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::keys::{Key, Keys};
use crate::clock::Clock;
use crate::fetch::{FetchBounds, FetchError, Fetcher};
use crate::metrics::Metrics;

const BOUNDS: FetchBounds =
    FetchBounds { timeout: Duration::from_secs(10), max_answer_bytes: 256 << 10 };

/// After how long the keys are fetched anew: somewhere in between, so that many servers do not ask at once.
const REFRESH: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));

/// The least time between two fetches, however many unknown keys tokens name.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// The longest time between two attempts that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a fetch that is on its way takes, as far as those who wait for it are told.
const SOON: Duration = Duration::from_secs(1);

/// How many keys are looked for at a time, or known not to be there. Strangers make up more.
const NAMES: usize = 64;

/// How long a key that was looked for in vain is not looked for again.
const IN_VAIN: Duration = Duration::from_secs(60);

/// The keys of an issuer.
pub(crate) struct KeySet {
    fetcher: Fetcher,
    inner: Mutex<Inner>,
    wanted: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Inner {
    keys: Option<Arc<Keys>>,
    /// When they were fetched.
    fetched: Option<Instant>,
    /// When the next fetch may be, and so when who waits for it is to ask again.
    next: Option<Instant>,
    /// Why the last attempt has failed, if it has.
    failure: Option<String>,
    /// Keys that tokens have named and nobody knows.
    names: BTreeMap<String, Name>,
}

/// What is known of a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Wanted,
    /// It was looked for then.
    NotThere(Instant),
}

/// The keys that may have signed a token.
pub(super) enum Found {
    These(Vec<Arc<Key>>),
    /// There is none, and was none when it was looked for.
    None,
    /// It is being looked for.
    NotYet {
        retry_after: Duration,
    },
}

/// How it is with the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There never were any; why, if it was tried.
    Never(Option<String>),
    /// There are some, of this age; why there are no newer ones, if it was tried.
    There { age: Duration, failure: Option<String> },
}

impl KeySet {
    /// Of this URL, which is not asked yet.
    ///
    /// # Errors
    /// It cannot be asked by this build, or on this system.
    pub(super) fn new(url: HttpUrl, metrics: Arc<Metrics>) -> Result<Self, FetchError> {
        let fetcher = Fetcher::to(url, BOUNDS)?;
        Ok(Self { fetcher, inner: Mutex::default(), wanted: Notify::new(), metrics })
    }

    /// How it is with the keys.
    pub(crate) fn state(&self) -> State {
        let inner = self.inner();
        match inner.fetched {
            None => State::Never(inner.failure.clone()),
            Some(at) => State::There { age: at.elapsed(), failure: inner.failure.clone() },
        }
    }

    /// The keys that may have signed a token. One that is unknown is looked for.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found {
        let mut inner = self.inner();
        let now = Instant::now();
        let retry_after =
            inner.next.map_or(SOON, |next| next.saturating_duration_since(now) + SOON);
        let Some(keys) = &inner.keys else { return Found::NotYet { retry_after } };
        let found = keys.find(kid, algorithm);
        if !found.is_empty() {
            return Found::These(found);
        }
        // Who names no key, or one that is for something else, is not helped by newer ones.
        let Some(kid) = kid.filter(|kid| !keys.has(kid)) else { return Found::None };
        match inner.names.get(kid) {
            Some(Name::NotThere(at)) if now < *at + IN_VAIN => return Found::None,
            Some(Name::Wanted) => {}
            _ => {
                if inner.names.len() >= NAMES {
                    inner.names.clear();
                }
                inner.names.insert(kid.to_owned(), Name::Wanted);
            }
        }
        self.wanted.notify_one();
        Found::NotYet { retry_after }
    }

    /// Fetches the keys, at once and again and again, until it is dropped.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut failures = 0u32;
        loop {
            let least = match self.refresh().await {
                true => {
                    failures = 0;
                    AT_MOST_EVERY
                }
                false => {
                    failures += 1;
                    let pause = Duration::from_secs(1 << failures.clamp(1, 7).saturating_sub(1));
                    pause.min(LONGEST_PAUSE).mul_f64(rand::random_range(0.75..1.0))
                }
            };
            self.inner().next = Some(Instant::now() + least);
            tokio::time::sleep(least).await;
            if failures == 0 {
                let rest = rand::random_range(REFRESH.0..REFRESH.1) - least;
                let _ = tokio::time::timeout(rest, self.wanted.notified()).await;
            }
        }
    }

    /// Fetches the keys once; whether that has brought any.
    async fn refresh(&self) -> bool {
        let begun: Vec<String> = self.inner().names.keys().cloned().collect();
        let keys = self.fetch().await;
        let mut inner = self.inner();
        match keys {
            Ok(keys) => {
                if inner.failure.take().is_some() || inner.fetched.is_none() {
                    tracing::info!(keys = keys.len(), "the keys of tokens have been fetched");
                }
                self.metrics.identity.keys_fetched(keys.len(), Clock::unix());
                let now = Instant::now();
                for name in begun {
                    if keys.has(&name) {
                        inner.names.remove(&name);
                    } else {
                        inner.names.insert(name, Name::NotThere(now));
                    }
                }
                inner.fetched = Some(now);
                inner.keys = Some(Arc::new(keys));
                true
            }
            Err(why) => {
                self.metrics.identity.fetch_failed();
                match &inner.fetched {
                    Some(at) => tracing::warn!(
                        "jwks-url: {why}; tokens are checked with the keys of {} s ago",
                        at.elapsed().as_secs()
                    ),
                    None => tracing::error!("jwks-url: {why}; nobody can come in without keys"),
                }
                inner.failure = Some(why);
                false
            }
        }
    }

    #[cfg(test)]
    pub(crate) async fn refresh_for_a_test(&self) -> bool {
        self.refresh().await
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
        let answer = self.fetcher.get(headers).await.and_then(|answer| answer.success());
        let answer = answer.map_err(|error| error.to_string())?;
        Keys::read(&answer.body).map_err(|why| format!("{}: {why}", self.fetcher.url().origin()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("fetcher", &self.fetcher).finish_non_exhaustive()
    }
}
