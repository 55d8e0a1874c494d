//! What the hub's task counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::text::{Histogram, Text};

/// Upper bounds of the latency histogram in milliseconds; the queue ends at two minutes.
const LATENCY_MS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 30e3, 60e3, 120e3];

/// Signaling and matching.
#[derive(Debug)]
pub(crate) struct SignalingMetrics {
    queue_length: AtomicU64,
    sessions: AtomicU64,
    connections: AtomicU64,
    latency: Histogram,
    ended: ByLabel<&'static str>,
    refused: ByLabel<&'static str>,
    closed: ByLabel<u16>,
}

impl SignalingMetrics {
    pub(super) fn new() -> Self {
        Self {
            queue_length: AtomicU64::default(),
            sessions: AtomicU64::default(),
            connections: AtomicU64::default(),
            latency: Histogram::new(LATENCY_MS),
            ended: ByLabel::default(),
            refused: ByLabel::default(),
            closed: ByLabel::default(),
        }
    }

    /// How many users wait, how many pairs and how many WebSockets there are.
    pub(crate) fn now(&self, queue_length: usize, sessions: usize, connections: usize) {
        self.queue_length.store(queue_length as u64, Ordering::Relaxed);
        self.sessions.store(sessions as u64, Ordering::Relaxed);
        self.connections.store(connections as u64, Ordering::Relaxed);
    }

    /// A user got a partner after waiting this long.
    pub(crate) fn matched(&self, waited: Duration) {
        self.latency.observe(waited.as_secs_f64() * 1e3);
    }

    /// A pair ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.ended.add(reason);
    }

    /// A client was told an error.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.add(code);
    }

    /// We closed a WebSocket with this status code.
    pub(crate) fn closed(&self, code: u16) {
        self.closed.add(code);
    }

    pub(super) fn write(&self, out: &mut Text) {
        let gauges = [
            ("matchmaking_queue_length", "Users waiting for a partner", &self.queue_length),
            ("active_sessions_count", "Pairs alive", &self.sessions),
            ("websocket_connections", "WebSockets open", &self.connections),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help, value.load(Ordering::Relaxed));
        }
        out.histogram(
            "matchmaking_latency_ms",
            "Milliseconds a user waited for a partner",
            &self.latency,
        );
        self.ended.write(out, "hairpin_sessions_ended_total", "Pairs ended", "reason");
        self.refused.write(
            out,
            "hairpin_signaling_errors_total",
            "Error messages sent to WebSocket clients",
            "code",
        );
        self.closed.write(
            out,
            "hairpin_websocket_closes_total",
            "WebSockets closed by the server, by status code",
            "code",
        );
    }
}

/// Counters told apart by a label that the code chooses, never a client.
#[derive(Debug)]
struct ByLabel<L>(Mutex<BTreeMap<L, u64>>);

impl<L> Default for ByLabel<L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<L: Ord + Copy + ToString> ByLabel<L> {
    fn add(&self, label: L) {
        *self.lock().entry(label).or_default() += 1;
    }

    fn write(&self, out: &mut Text, name: &str, help: &str, label: &str) {
        let counts: Vec<_> = self.lock().iter().map(|(of, n)| (of.to_string(), *n)).collect();
        out.counters(name, help, counts.iter().map(|(of, n)| ([(label, of.as_str())], *n)));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<L, u64>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}
