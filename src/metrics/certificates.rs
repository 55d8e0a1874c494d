//! What is counted of certificates.
#![cfg_attr(not(feature = "tls"), allow(dead_code))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use super::family::{counter, seconds_by};
use crate::clock::Clock;

/// Certificates that TLS is served with.
#[derive(Debug, Default)]
pub(crate) struct CertificateMetrics {
    /// When the one of each name expires, in seconds since 1970.
    expiries: Mutex<BTreeMap<String, u64>>,
    refused: AtomicU64,
    issued: AtomicU64,
    not_issued: AtomicU64,
}

impl CertificateMetrics {
    /// These are served, by a name of each, until then; of two of one name the one that expires first counts.
    pub(crate) fn expiries(&self, served: Vec<(String, u64)>) {
        let mut expiries = BTreeMap::new();
        for (name, until) in served {
            let first = expiries.entry(name).or_insert(until);
            *first = until.min(*first);
        }
        *self.expiries.lock().unwrap_or_else(PoisonError::into_inner) = expiries;
    }

    /// A file has changed and cannot be used.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// One was got by ACME.
    pub(crate) fn issued(&self) {
        self.issued.fetch_add(1, Ordering::Relaxed);
    }

    /// One was asked for and not got.
    pub(crate) fn not_issued(&self) {
        self.not_issued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Clock::unix() as f64;
        let left = expiries.iter().map(|(name, until)| (name.as_str(), *until as f64 - now));
        [
            seconds_by(
                "hairpin_certificate_expiry_seconds",
                "Seconds until a certificate expires, by its first name; 86400 are a day, and below 0 it has expired",
                "name",
                left,
            ),
            counter(
                "hairpin_certificate_files_refused_total",
                "Times that a file with a certificate or a key has changed and could not be used; the old one is served on",
                self.refused.load(Ordering::Relaxed),
            ),
            counter(
                "hairpin_certificates_issued_total",
                "Certificates that this server got by ACME",
                self.issued.load(Ordering::Relaxed),
            ),
            counter(
                "hairpin_certificate_order_failures_total",
                "Times that this server asked for a certificate by ACME in vain",
                self.not_issued.load(Ordering::Relaxed),
            ),
        ]
        .concat()
    }
}
