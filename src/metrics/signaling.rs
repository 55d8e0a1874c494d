//! What the hub's task counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Upper bounds of the latency histogram in milliseconds; the queue ends at two minutes.
const LATENCY_MS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 30e3, 60e3, 120e3];

/// Signaling and matching.
#[derive(Debug)]
pub(crate) struct SignalingMetrics {
    registry: Registry,
    queue_length: IntGauge,
    sessions: IntGauge,
    connections: IntGauge,
    latency: Histogram,
    ended: IntCounterVec,
    refused: IntCounterVec,
    closed: IntCounterVec,
    /// What a crowd that joins an idle server waits, as the server sees it. It says nothing about a server that is
    /// never idle: the latency does.
    burst: Gauge,
    /// When the first of them was read, in nanoseconds of the server's clock.
    burst_began: AtomicU64,
    /// When the last `match_found` was written, likewise.
    last_match_written: AtomicU64,
}

impl SignalingMetrics {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let gauge = |name, help| {
            let gauge = IntGauge::new(name, help).expect(VALID);
            registry.register(Box::new(gauge.clone())).expect(VALID);
            gauge
        };
        let counters = |name, help, label| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID);
            registry.register(Box::new(counters.clone())).expect(VALID);
            counters
        };
        let latency = HistogramOpts::new(
            "matchmaking_latency_ms",
            "Milliseconds a user waited for a partner",
        );
        let latency = Histogram::with_opts(latency.buckets(LATENCY_MS.into())).expect(VALID);
        registry.register(Box::new(latency.clone())).expect(VALID);
        let burst = Gauge::new(
            "matchmaking_burst_ms",
            "Milliseconds from the join_queue that ended a quiet time, nobody waiting and nobody paired, to the last match_found written since",
        )
        .expect(VALID);
        registry.register(Box::new(burst.clone())).expect(VALID);
        Self {
            queue_length: gauge("matchmaking_queue_length", "Users waiting for a partner"),
            sessions: gauge("active_sessions_count", "Pairs alive"),
            connections: gauge("websocket_connections", "WebSockets open"),
            latency,
            ended: counters("hairpin_sessions_ended_total", "Pairs ended", "reason"),
            refused: counters(
                "hairpin_signaling_errors_total",
                "Error messages sent to WebSocket clients",
                "code",
            ),
            closed: counters(
                "hairpin_websocket_closes_total",
                "WebSockets closed by the server, by status code",
                "code",
            ),
            burst,
            burst_began: AtomicU64::new(0),
            last_match_written: AtomicU64::new(0),
            registry,
        }
    }

    /// Somebody waits, and before nobody waited or was paired; its `join_queue` was read at this time.
    pub(crate) fn burst_began(&self, at: Duration) {
        self.burst_began.store(nanoseconds(at), Ordering::Relaxed);
    }

    /// A socket has taken a `match_found` at this time.
    pub(crate) fn match_written(&self, at: Duration) {
        self.last_match_written.fetch_max(nanoseconds(at), Ordering::Relaxed);
    }

    /// How many users wait, how many pairs and how many WebSockets there are.
    pub(crate) fn now(&self, queue_length: usize, sessions: usize, connections: usize) {
        self.queue_length.set(queue_length as i64);
        self.sessions.set(sessions as i64);
        self.connections.set(connections as i64);
    }

    /// Users waiting for a partner.
    pub(super) fn queue_length(&self) -> u64 {
        self.queue_length.get() as u64
    }

    /// Pairs alive.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions.get() as u64
    }

    /// WebSockets open.
    pub(super) fn connections(&self) -> u64 {
        self.connections.get() as u64
    }

    /// A user got a partner after waiting this long.
    pub(crate) fn matched(&self, waited: Duration) {
        self.latency.observe(waited.as_secs_f64() * 1e3);
    }

    /// A pair ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.ended.with_label_values(&[reason]).inc();
    }

    /// A client was told an error.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// We closed a WebSocket with this status code.
    pub(crate) fn closed(&self, code: u16) {
        self.closed.with_label_values(&[code.to_string().as_str()]).inc();
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let [began, written] =
            [&self.burst_began, &self.last_match_written].map(|at| at.load(Ordering::Relaxed));
        self.burst.set(written.saturating_sub(began) as f64 / 1e6);
        self.registry.gather()
    }
}

/// Five centuries of them fit.
fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

/// The names here are constants of ours, and each is registered once.
const VALID: &str = "the metric's name, help and labels are valid";
