//! What one relay worker counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

/// The counters of one worker, and of that worker alone: adding is a load and a store, without the bus
/// lock of `fetch_add`, so two writers would lose counts. Anyone may read.
///
/// Aligned to two cache lines, because processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct RelayMetrics {
    forwarded: [Traffic; Direction::ALL.len()],
    dropped: [Count; DropReason::ALL.len()],
    refused: [[Count; 15]; 6],
    bindings: Count,
    allocated: Count,
    released: Count,
    tcp_opened: Count,
    tcp_closed: Count,
}

impl RelayMetrics {
    /// A packet with this many bytes of payload was passed on.
    #[inline]
    pub(crate) fn forwarded(&self, direction: Direction, bytes: usize) {
        let traffic = &self.forwarded[direction as usize];
        traffic.packets.add(1);
        traffic.bytes.add(bytes as u64);
    }

    /// Packets were dropped without an answer.
    #[inline]
    pub(crate) fn dropped(&self, reason: DropReason, packets: usize) {
        if packets > 0 {
            self.dropped[reason as usize].add(packets as u64);
        }
    }

    /// A request was answered with an error. Unknown methods and codes share a series each.
    pub(crate) fn refused(&self, method: u16, code: u16) {
        self.refused[place(&METHODS, method)][place(&CODES, code)].add(1);
    }

    /// A Binding request was answered.
    #[inline]
    pub(crate) fn bound(&self) {
        self.bindings.add(1);
    }

    /// An allocation came to be.
    pub(crate) fn allocated(&self) {
        self.allocated.add(1);
    }

    /// An allocation went.
    pub(crate) fn released(&self) {
        self.released.add(1);
    }

    /// Allocations held now.
    pub(crate) fn allocations(&self) -> u64 {
        // Two relaxed loads: a release between them must not make the difference negative.
        self.allocated.get().saturating_sub(self.released.get())
    }

    /// A TURN client connected over TCP.
    pub(crate) fn tcp_opened(&self) {
        self.tcp_opened.add(1);
    }

    /// A TURN client's TCP connection closed.
    pub(crate) fn tcp_closed(&self) {
        self.tcp_closed.add(1);
    }
}

/// A number with one writer.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    #[inline]
    fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and their bytes.
#[derive(Debug, Default)]
struct Traffic {
    packets: Count,
    bytes: Count,
}

/// Which way a relayed packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a client through a relay socket.
    ToPeer,
    /// From a relay socket to a client.
    ToClient,
    /// From a client to another allocation's client, without a socket in between.
    Hairpin,
}

impl Direction {
    pub(super) const ALL: [Self; 3] = [Self::ToPeer, Self::ToClient, Self::Hairpin];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ToPeer => "to_peer",
            Self::ToClient => "to_client",
            Self::Hairpin => "hairpin",
        }
    }
}

/// Why a packet was dropped: the relay core's reasons, then the worker's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// [`hairpin_turn::Drop::Malformed`]
    Malformed,
    /// [`hairpin_turn::Drop::Unexpected`]
    Unexpected,
    /// [`hairpin_turn::Drop::NoAllocation`]
    NoAllocation,
    /// [`hairpin_turn::Drop::NoChannel`]
    NoChannel,
    /// [`hairpin_turn::Drop::NoPermission`]
    NoPermission,
    /// [`hairpin_turn::Drop::PeerDenied`]
    PeerDenied,
    /// [`hairpin_turn::Drop::TooLong`]
    TooLong,
    /// The kernel did not take the packet.
    SendFailed,
    /// The client's TCP connection has no room.
    SlowReader,
    /// The queue to the worker that owns the other allocation is full.
    HairpinQueueFull,
    /// The address is one of ours, and no allocation has it.
    NobodyThere,
}

impl DropReason {
    pub(super) const ALL: [Self; 11] = [
        Self::Malformed,
        Self::Unexpected,
        Self::NoAllocation,
        Self::NoChannel,
        Self::NoPermission,
        Self::PeerDenied,
        Self::TooLong,
        Self::SendFailed,
        Self::SlowReader,
        Self::HairpinQueueFull,
        Self::NobodyThere,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unexpected => "unexpected",
            Self::NoAllocation => "no_allocation",
            Self::NoChannel => "no_channel",
            Self::NoPermission => "no_permission",
            Self::PeerDenied => "peer_denied",
            Self::TooLong => "too_long",
            Self::SendFailed => "send_failed",
            Self::SlowReader => "slow_reader",
            Self::HairpinQueueFull => "hairpin_queue_full",
            Self::NobodyThere => "nobody_there",
        }
    }
}

impl From<hairpin_turn::Drop> for DropReason {
    fn from(drop: hairpin_turn::Drop) -> Self {
        match drop {
            hairpin_turn::Drop::Malformed => Self::Malformed,
            hairpin_turn::Drop::Unexpected => Self::Unexpected,
            hairpin_turn::Drop::NoAllocation => Self::NoAllocation,
            hairpin_turn::Drop::NoChannel => Self::NoChannel,
            hairpin_turn::Drop::NoPermission => Self::NoPermission,
            hairpin_turn::Drop::PeerDenied => Self::PeerDenied,
            hairpin_turn::Drop::TooLong => Self::TooLong,
        }
    }
}

/// Where a method or a code is counted: its own place, or the one after all of them.
fn place(known: &[(u16, &str)], number: u16) -> usize {
    known.iter().position(|(n, _)| *n == number).unwrap_or(known.len())
}

/// The sums over all workers, as families of the Prometheus data model.
pub(super) fn gather(workers: &[Arc<RelayMetrics>]) -> Vec<MetricFamily> {
    let sum = |count: &dyn Fn(&RelayMetrics) -> &Count| -> u64 {
        workers.iter().map(|worker| count(worker).get()).sum()
    };
    // The two sums are not read at one instant: what closes in between must not make a difference negative.
    let open = |opened: u64, closed: u64| opened.saturating_sub(closed);

    let (allocated, released) = (sum(&|w| &w.allocated), sum(&|w| &w.released));
    let (opened, closed) = (sum(&|w| &w.tcp_opened), sum(&|w| &w.tcp_closed));
    let bindings = sum(&|w| &w.bindings);
    let by_direction = |count: fn(&Traffic) -> &Count| {
        Direction::ALL.map(|d| ([d.name()], sum(&|w| count(&w.forwarded[d as usize]))))
    };
    let dropped = DropReason::ALL.map(|r| ([r.name()], sum(&|w| &w.dropped[r as usize])));
    // Only the refusals that have happened: most pairs of a method and a code never do.
    let names = |known: &'static [(u16, &str)]| known.iter().map(|k| k.1).chain(["other"]);
    let refused = names(&METHODS).enumerate().flat_map(|(m, method)| {
        names(&CODES).enumerate().map(move |(c, code)| ([method, code], (m, c)))
    });
    let refused = refused
        .map(|(labels, (m, c))| (labels, sum(&|w| &w.refused[m][c])))
        .filter(|(_, times)| *times > 0);

    let packets = by_direction(|traffic| &traffic.packets);
    let bytes = by_direction(|traffic| &traffic.bytes);
    [
        gauge("hairpin_allocations", "TURN allocations alive", open(allocated, released)),
        counter("hairpin_allocations_total", "TURN allocations made", allocated),
        gauge("hairpin_tcp_connections", "TURN clients on TCP", open(opened, closed)),
        counter("hairpin_binding_requests_total", "STUN Binding requests answered", bindings),
        counters("hairpin_relayed_packets_total", "Packets relayed", ["direction"], packets),
        counters("hairpin_relayed_bytes_total", "Bytes relayed", ["direction"], bytes),
        counters(
            "hairpin_dropped_packets_total",
            "Packets dropped without an answer",
            ["reason"],
            dropped,
        ),
        counters(
            "hairpin_refusals_total",
            "Requests answered with an error",
            ["method", "code"],
            refused,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names here are constants of ours, which is all that the library checks.
const VALID: &str = "the metric's name, help and labels are valid";

fn gauge(name: &str, help: &str, value: u64) -> Vec<MetricFamily> {
    let gauge = IntGauge::new(name, help).expect(VALID);
    gauge.set(value as i64);
    gauge.collect()
}

fn counter(name: &str, help: &str, value: u64) -> Vec<MetricFamily> {
    let counter = IntCounter::new(name, help).expect(VALID);
    counter.inc_by(value);
    counter.collect()
}

/// A family with a series for each set of label values; without a series it is left out.
fn counters<const N: usize>(
    name: &str,
    help: &str,
    labels: [&str; N],
    series: impl IntoIterator<Item = ([&'static str; N], u64)>,
) -> Vec<MetricFamily> {
    let counters = IntCounterVec::new(Opts::new(name, help), &labels).expect(VALID);
    for (values, value) in series {
        counters.with_label_values(&values).inc_by(value);
    }
    counters.collect().into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

/// STUN methods with a series of their own, and its label.
static METHODS: [(u16, &str); 5] = [
    (0x001, "binding"),
    (0x003, "allocate"),
    (0x004, "refresh"),
    (0x008, "create_permission"),
    (0x009, "channel_bind"),
];

/// Error codes with a series of their own.
static CODES: [(u16, &str); 14] = [
    (300, "300"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (420, "420"),
    (437, "437"),
    (438, "438"),
    (440, "440"),
    (441, "441"),
    (442, "442"),
    (443, "443"),
    (486, "486"),
    (500, "500"),
    (508, "508"),
];
