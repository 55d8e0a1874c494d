//! What the hub's task counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Upper bounds of the latency histogram in milliseconds; the queue ends at two minutes.
const LATENCY_MS: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 30e3, 60e3, 120e3];

/// Signaling and matching.
#[derive(Debug)]
pub(crate) struct SignalingMetrics {
    registry: Registry,
    /// Each under the name it was asked for by, and under one that follows Prometheus's conventions.
    queue_length: [IntGauge; 2],
    sessions: [IntGauge; 2],
    connections: [IntGauge; 2],
    away: IntGauge,
    returned: IntCounterVec,
    latency_ms: Histogram,
    latency: Histogram,
    queue_timeouts: IntCounter,
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
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect(VALID);
            registry.register(Box::new(gauge.clone())).expect(VALID);
            gauge
        };
        let gauges = |names: [&str; 2], help: &str| names.map(|name| gauge(name, help));
        let histogram = |name, help, buckets: Vec<f64>| {
            let options = HistogramOpts::new(name, help).buckets(buckets);
            let histogram = Histogram::with_opts(options).expect(VALID);
            registry.register(Box::new(histogram.clone())).expect(VALID);
            histogram
        };
        let counters = |name, help, label| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID);
            registry.register(Box::new(counters.clone())).expect(VALID);
            counters
        };
        let queue_timeouts = IntCounter::new(
            "hairpin_queue_timeouts_total",
            "Users who waited for a partner in vain",
        )
        .expect(VALID);
        registry.register(Box::new(queue_timeouts.clone())).expect(VALID);
        let burst = Gauge::new(
            "hairpin_matchmaking_burst_seconds",
            "Seconds from the join_queue that ended a quiet time, nobody waiting and nobody paired, to the last match_found written since",
        )
        .expect(VALID);
        registry.register(Box::new(burst.clone())).expect(VALID);
        Self {
            queue_length: gauges(
                ["matchmaking_queue_length", "hairpin_matchmaking_queue_length"],
                "Users waiting for a partner now",
            ),
            sessions: gauges(
                ["active_sessions_count", "hairpin_active_sessions"],
                "Pairs in session now",
            ),
            connections: gauges(
                ["websocket_connections", "hairpin_websocket_connections"],
                "WebSockets open now",
            ),
            away: gauge(
                "hairpin_seats_away",
                "Users in the queue or in a session now who have lost their WebSocket and may come back",
            ),
            returned: counters(
                "hairpin_returns_total",
                "Users who came back by a new WebSocket, by how they were received",
                "how",
            ),
            latency_ms: histogram(
                "matchmaking_latency_ms",
                "Milliseconds a user who got a partner had waited for it",
                LATENCY_MS.into(),
            ),
            latency: histogram(
                "hairpin_matchmaking_latency_seconds",
                "Seconds a user who got a partner had waited for it",
                LATENCY_MS.map(|milliseconds| milliseconds / 1e3).into(),
            ),
            queue_timeouts,
            ended: counters("hairpin_sessions_ended_total", "Pairs ended, by why", "reason"),
            refused: counters(
                "hairpin_signaling_errors_total",
                "Error messages sent to WebSocket clients, by their code",
                "code",
            ),
            closed: counters(
                "hairpin_websocket_closes_total",
                "WebSockets closed by the server, by the status code of its close frame",
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

    /// How many users wait, how many pairs and how many WebSockets there are, and how many users are away.
    pub(crate) fn now(
        &self,
        queue_length: usize,
        sessions: usize,
        connections: usize,
        away: usize,
    ) {
        for (gauges, value) in [
            (&self.queue_length[..], queue_length),
            (&self.sessions, sessions),
            (&self.connections, connections),
            (std::slice::from_ref(&self.away), away),
        ] {
            gauges.iter().for_each(|gauge| gauge.set(value as i64));
        }
    }

    /// Users waiting for a partner.
    pub(super) fn queue_length(&self) -> u64 {
        self.queue_length[0].get() as u64
    }

    /// Pairs alive.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions[0].get() as u64
    }

    /// WebSockets open.
    pub(super) fn connections(&self) -> u64 {
        self.connections[0].get() as u64
    }

    /// A user got a partner after waiting this long.
    pub(crate) fn matched(&self, waited: Duration) {
        self.latency_ms.observe(waited.as_secs_f64() * 1e3);
        self.latency.observe(waited.as_secs_f64());
    }

    /// A user waited in vain.
    pub(crate) fn queue_timeout(&self) {
        self.queue_timeouts.inc();
    }

    /// A pair ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.ended.with_label_values(&[reason]).inc();
    }

    /// Somebody came back, and was received in this way.
    pub(crate) fn returned(&self, how: &'static str) {
        self.returned.with_label_values(&[how]).inc();
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
        self.burst.set(written.saturating_sub(began) as f64 / 1e9);
        self.registry.gather()
    }
}

/// Five centuries of them fit.
fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

/// The names here are constants of ours, and each is registered once.
const VALID: &str = "the metric's name, help and labels are valid";
