//! Counters and gauges, and their text for Prometheus.
//!
//! The cores only return events; the drivers in this crate count them here. What is counted per packet
//! lives in one [`RelayMetrics`] per worker, which that worker alone writes; a scrape sums them up.

mod backend;
mod certificates;
#[cfg(test)]
mod documentation;
mod family;
mod identity;
mod process;
mod relay;
mod signaling;
mod stats;
mod tls;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::net::REFUSED;

use prometheus::proto::MetricFamily;

pub(crate) use backend::{Dropped, RecordsMetrics, WebhookMetrics};
pub(crate) use certificates::CertificateMetrics;
pub(crate) use identity::{IdentityMetrics, TokenVerdict};
/// The media type of [`Metrics::text`].
pub(crate) use prometheus::TEXT_FORMAT as CONTENT_TYPE;
pub(crate) use relay::{Direction, DropReason, RelayMetrics};
pub(crate) use signaling::SignalingMetrics;
pub use stats::Stats;
pub(crate) use tls::{Handshake, TlsMetrics};

/// Everything the process counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    relay: Box<[Arc<RelayMetrics>]>,
    /// What the hub's task counts.
    pub(crate) signaling: SignalingMetrics,
    /// What is counted of tokens.
    pub(crate) identity: IdentityMetrics,
    /// What is counted of TLS.
    pub(crate) tls: Arc<TlsMetrics>,
    /// What the file of records does.
    pub(crate) records: RecordsMetrics,
    /// And webhooks.
    pub(crate) webhooks: WebhookMetrics,
    /// Certificates that TLS is served with.
    pub(crate) certificates: CertificateMetrics,
    /// Connections refused, by what for.
    refused_connections: [Arc<AtomicU64>; REFUSED.len()],
}

impl Metrics {
    /// Counters for a process with this many relay workers, all at zero.
    pub(crate) fn new(workers: usize) -> Self {
        let relay = (0..workers).map(|_| Arc::default()).collect();
        let refused_connections = Default::default();
        let (records, webhooks, identity, tls, certificates) = Default::default();
        let signaling = SignalingMetrics::new();
        Self {
            relay,
            signaling,
            identity,
            tls,
            records,
            webhooks,
            certificates,
            refused_connections,
        }
    }

    /// The counters of one worker; `worker` is below the number given to [`Metrics::new`].
    pub(crate) fn relay(&self, worker: usize) -> Arc<RelayMetrics> {
        self.relay[worker].clone()
    }

    /// Counters of refused connections, in the order of [`REFUSED`].
    pub(crate) fn refused_connections(&self) -> [Arc<AtomicU64>; REFUSED.len()] {
        self.refused_connections.clone()
    }

    fn families(&self) -> Vec<MetricFamily> {
        let mut families = self.signaling.gather();
        families.extend(self.identity.gather());
        families.extend(relay::gather(&self.relay));
        families.extend(relay::refused_connections(&self.refused_connections));
        families.extend(self.tls.gather());
        families.extend(self.records.gather());
        families.extend(self.webhooks.gather());
        families.extend(self.certificates.gather());
        families.extend(process::gather());
        families
    }

    /// Everything in the Prometheus text format.
    pub(crate) fn text(&self) -> String {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.families());
        text.expect("a family without series, the one thing the encoder refuses, is left out above")
    }
}

#[cfg(test)]
mod tests {
    use hairpin_turn::{Refusal, RequestMethod};

    use super::*;

    fn value(text: &str, series: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn a_scrape_sums_over_the_workers() {
        let metrics = Metrics::new(2);
        for (worker, bytes) in [(0, 160), (1, 1200)] {
            let relay = metrics.relay(worker);
            relay.forwarded(Direction::ToPeer, bytes);
            relay.allocated();
            relay.binding_answered();
        }
        metrics.relay(1).released();

        let text = metrics.text();
        let get = |series| value(&text, series);
        assert_eq!(get("hairpin_relayed_packets_total{direction=\"to_peer\"}"), Some(2.0));
        assert_eq!(get("hairpin_relayed_bytes_total{direction=\"to_peer\"}"), Some(1360.0));
        assert_eq!(get("hairpin_relayed_packets_total{direction=\"hairpin\"}"), Some(0.0));
        assert_eq!(get("hairpin_allocations"), Some(1.0));
        assert_eq!(get("hairpin_allocations_total"), Some(2.0));
        assert_eq!(get("hairpin_binding_requests_total"), Some(2.0));
    }

    #[test]
    fn refusals_are_told_apart() {
        let metrics = Metrics::new(1);
        let relay = metrics.relay(0);
        relay.refused(RequestMethod::Allocate, Refusal::Unauthenticated);
        relay.refused(RequestMethod::Allocate, Refusal::Unauthenticated);
        relay.refused(RequestMethod::ChannelBind, Refusal::InsufficientCapacity);

        let text = metrics.text();
        let get = |series| value(&text, series);
        assert_eq!(get("hairpin_refusals_total{code=\"401\",method=\"allocate\"}"), Some(2.0));
        assert_eq!(get("hairpin_refusals_total{code=\"508\",method=\"channel_bind\"}"), Some(1.0));
        assert_eq!(get("hairpin_refusals_total{code=\"437\",method=\"refresh\"}"), None);
    }

    #[test]
    fn every_drop_reason_has_a_series_of_its_own() {
        let metrics = Metrics::new(1);
        for (times, reason) in DropReason::all().enumerate() {
            for _ in 0..=times {
                metrics.relay(0).dropped(reason, 1);
            }
        }
        let text = metrics.text();
        for (times, reason) in DropReason::all().enumerate() {
            let series = format!("hairpin_dropped_packets_total{{reason=\"{}\"}}", reason.name());
            assert_eq!(value(&text, &series), Some((times + 1) as f64), "{series}");
        }
    }

    #[test]
    fn the_documented_signaling_series_exist() {
        let metrics = Metrics::new(0);
        metrics.signaling.matched(std::time::Duration::from_millis(40));
        let text = metrics.text();
        for series in ["matchmaking_queue_length", "active_sessions_count", "websocket_connections"]
        {
            assert_eq!(value(&text, series), Some(0.0), "{series}");
        }
        assert_eq!(value(&text, "matchmaking_latency_ms_sum"), Some(40.0));
        assert_eq!(value(&text, "matchmaking_latency_ms_bucket{le=\"20\"}"), Some(0.0));
        assert_eq!(value(&text, "matchmaking_latency_ms_bucket{le=\"50\"}"), Some(1.0));
        assert_eq!(value(&text, "matchmaking_latency_ms_bucket{le=\"+Inf\"}"), Some(1.0));
        let twin = "hairpin_matchmaking_latency_seconds_bucket{le=\"0.05\"}";
        assert_eq!(value(&text, twin), Some(1.0));
    }
}
