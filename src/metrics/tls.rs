//! What is counted of TLS.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;

use super::family::counters;

/// Handshakes of clients, of HTTP and of TURN.
#[derive(Debug, Default)]
pub(crate) struct TlsMetrics {
    handshakes: [AtomicU64; Handshake::ALL.len()],
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// With new keys and a certificate.
    Full,
    /// With a ticket of an earlier one.
    Resumed,
    /// Not well.
    Failed,
}

impl Handshake {
    pub(super) const ALL: [Self; 3] = [Self::Full, Self::Resumed, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
        }
    }
}

impl TlsMetrics {
    /// A handshake has ended.
    pub(crate) fn handshake(&self, end: Handshake) {
        self.handshakes[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let series = Handshake::ALL.into_iter().zip(&self.handshakes);
        let series = series.map(|(end, n)| ([end.name()], n.load(Ordering::Relaxed)));
        counters(
            "hairpin_tls_handshakes_total",
            "TLS handshakes of clients, by how they ended",
            ["end"],
            series,
        )
    }
}
