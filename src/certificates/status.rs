//! What is wrong with certificates now, in words for `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the last looks and attempts have come to.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<Words>);

#[derive(Debug, Default)]
struct Words {
    /// Files that are there and cannot be used.
    refused: Vec<String>,
    /// Names for which no certificate can be got, and why.
    failing: BTreeMap<String, String>,
}

/// What is wrong, a sentence for each thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It needs somebody, but some are served well, or will be once this server is reached.
    Degraded(String),
    /// All there are come from files and have expired: nobody who comes here by TLS gets in.
    Expired(String),
}

impl Status {
    /// These files cannot be used, and no others.
    pub(super) fn refused(&self, words: impl Iterator<Item = String>) {
        self.words().refused = words.collect();
    }

    /// There is no certificate for this name, or no newer one, because of this.
    #[cfg(feature = "tls")]
    pub(super) fn failing(&self, domain: &str, why: String) {
        self.words().failing.insert(domain.to_owned(), why);
    }

    /// There is one for this name.
    #[cfg(feature = "tls")]
    pub(super) fn works(&self, domain: &str) {
        self.words().failing.remove(domain);
    }

    /// All of it.
    pub(super) fn all(&self) -> Vec<String> {
        let words = self.words();
        let failing = words.failing.iter();
        let failing = failing.map(|(name, why)| format!("no new certificate for {name}: {why}"));
        words.refused.iter().cloned().chain(failing).collect()
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
