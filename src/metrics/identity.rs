//! What is counted of tokens, and of the keys they are signed with.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;

use super::family::{counter, counters, gauge};

/// Tokens and keys. Read by the hub's task and by those of HTTP.
#[derive(Debug, Default)]
pub(crate) struct IdentityMetrics {
    tokens: [AtomicU64; TokenVerdict::ALL.len()],
    keys: AtomicU64,
    fetched: AtomicU64,
    failures: AtomicU64,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenVerdict {
    Accepted,
    Malformed,
    Algorithm,
    UnknownKey,
    Unverified,
    Signature,
    Expired,
    NotYet,
    Issuer,
    Audience,
    Subject,
}

impl TokenVerdict {
    /// Every one of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Unverified,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
        Self::Subject,
    ];

    /// What it is called in labels.
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Unverified => "unverified",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Subject => "subject",
        }
    }
}

impl IdentityMetrics {
    /// A token was read.
    pub(crate) fn token(&self, verdict: TokenVerdict) {
        self.tokens[verdict as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many keys were fetched, at this time.
    pub(crate) fn keys_fetched(&self, keys: usize, unix: u64) {
        self.keys.store(keys as u64, Ordering::Relaxed);
        self.fetched.store(unix, Ordering::Relaxed);
    }

    /// They could not be.
    pub(crate) fn fetch_failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let [keys, fetched, failures] =
            [&self.keys, &self.fetched, &self.failures].map(|it| it.load(Ordering::Relaxed));
        let tokens = TokenVerdict::ALL.into_iter().zip(&self.tokens);
        let tokens = tokens.map(|(verdict, n)| ([verdict.name()], n.load(Ordering::Relaxed)));
        let tokens = tokens.filter(|(_, n)| *n > 0);
        [
            counters(
                "hairpin_tokens_total",
                "Tokens read, by what became of them",
                ["verdict"],
                tokens,
            ),
            gauge("hairpin_token_keys", "Public keys known that tokens are signed with", keys),
            gauge(
                "hairpin_token_keys_fetched_timestamp_seconds",
                "When they were fetched last with success, in seconds since 1970; 0 is never",
                fetched,
            ),
            counter(
                "hairpin_token_key_fetch_failures_total",
                "Times that they could not be fetched, or not be used",
                failures,
            ),
        ]
        .concat()
    }
}
