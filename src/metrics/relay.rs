//! What one relay worker counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hairpin_turn::{BindError, Refusal, RequestMethod, Transport};
use prometheus::proto::MetricFamily;

use super::family::{counter, counters, gauge};

use crate::net::REFUSED;

/// The counters of one worker, and of that worker alone: adding is a load and a store, without the bus
/// lock of `fetch_add`, so two writers would lose counts. Anyone may read.
///
/// Aligned to two cache lines, because processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct RelayMetrics {
    forwarded: [Traffic; Direction::ALL.len()],
    dropped: [Count; DropReason::COUNT],
    refused: [[Count; Refusal::ALL.len()]; RequestMethod::ALL.len()],
    challenged: [Count; RequestMethod::ALL.len()],
    refused_allocations: [Count; BindError::ALL.len()],
    bindings: Count,
    allocated: Count,
    released: Count,
    tcp_opened: Count,
    tcp_closed: Count,
    tls_opened: Count,
    tls_closed: Count,
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
            self.dropped[reason.place()].add(packets as u64);
        }
    }

    /// A request was answered with an error.
    pub(crate) fn refused(&self, method: RequestMethod, refusal: Refusal) {
        self.refused[method as usize][refusal as usize].add(1);
    }

    /// An allocation could not be had.
    pub(crate) fn allocation_refused(&self, error: BindError) {
        self.refused_allocations[error as usize].add(1);
    }

    /// A request without proof was answered with what a proof takes.
    pub(crate) fn challenged(&self, method: RequestMethod) {
        self.challenged[method as usize].add(1);
    }

    /// A Binding request was answered.
    #[inline]
    pub(crate) fn binding_answered(&self) {
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

    /// Packets passed on, and their bytes.
    pub(super) fn relayed(&self) -> (u64, u64) {
        let sum =
            |count: fn(&Traffic) -> &Count| self.forwarded.iter().map(|t| count(t).get()).sum();
        (sum(|traffic| &traffic.packets), sum(|traffic| &traffic.bytes))
    }

    /// Packets dropped, whatever the reason.
    pub(super) fn dropped_packets(&self) -> u64 {
        self.dropped.iter().map(Count::get).sum()
    }

    /// TURN clients connected over TCP now, with TLS or without.
    pub(super) fn tcp_connections(&self) -> u64 {
        self.tcp_opened.get().saturating_sub(self.tcp_closed.get())
    }

    /// A TURN client connected over a stream.
    pub(crate) fn stream_opened(&self, transport: Transport) {
        self.tcp_opened.add(1);
        if transport == Transport::Tls {
            self.tls_opened.add(1);
        }
    }

    /// A TURN client's stream closed.
    pub(crate) fn stream_closed(&self, transport: Transport) {
        self.tcp_closed.add(1);
        if transport == Transport::Tls {
            self.tls_closed.add(1);
        }
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

/// Why a packet was dropped: a reason of the relay core's, or one of the worker's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// The core did not pass it on.
    Core(hairpin_turn::DropReason),
    /// The kernel did not take the packet.
    SendFailed,
    /// The client's TCP connection has no room.
    SlowReader,
    /// The queue to the worker that owns the other allocation is full.
    HairpinQueueFull,
    /// The address is one of ours, and no allocation has it.
    NobodyThere,
    /// An allocation at the shared address sends to where no check of its own has succeeded.
    NotTied,
    /// An allocation at the shared address sends more checks than an ICE agent does.
    TooOften,
}

impl DropReason {
    const OF_CORE: usize = hairpin_turn::DropReason::ALL.len();
    const OF_WORKER: [Self; 6] = [
        Self::SendFailed,
        Self::SlowReader,
        Self::HairpinQueueFull,
        Self::NobodyThere,
        Self::NotTied,
        Self::TooOften,
    ];
    const COUNT: usize = Self::OF_CORE + Self::OF_WORKER.len();

    pub(super) fn all() -> impl Iterator<Item = Self> {
        hairpin_turn::DropReason::ALL.into_iter().map(Self::Core).chain(Self::OF_WORKER)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Core(reason) => reason.name(),
            Self::SendFailed => "send_failed",
            Self::SlowReader => "slow_reader",
            Self::HairpinQueueFull => "hairpin_queue_full",
            Self::NobodyThere => "nobody_there",
            Self::NotTied => "not_tied",
            Self::TooOften => "too_often",
        }
    }

    /// Where it is counted, in the order of [`DropReason::all`].
    fn place(self) -> usize {
        match self {
            Self::Core(reason) => reason as usize,
            Self::SendFailed => Self::OF_CORE,
            Self::SlowReader => Self::OF_CORE + 1,
            Self::HairpinQueueFull => Self::OF_CORE + 2,
            Self::NobodyThere => Self::OF_CORE + 3,
            Self::NotTied => Self::OF_CORE + 4,
            Self::TooOften => Self::OF_CORE + 5,
        }
    }
}

impl From<hairpin_turn::DropReason> for DropReason {
    fn from(reason: hairpin_turn::DropReason) -> Self {
        Self::Core(reason)
    }
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
    let (tls_opened, tls_closed) = (sum(&|w| &w.tls_opened), sum(&|w| &w.tls_closed));
    let bindings = sum(&|w| &w.bindings);
    let by_direction = |count: fn(&Traffic) -> &Count| {
        Direction::ALL.map(|d| ([d.name()], sum(&|w| count(&w.forwarded[d as usize]))))
    };
    let dropped = DropReason::all().map(|r| ([r.name()], sum(&|w| &w.dropped[r.place()])));
    // Only the refusals that have happened: most pairs of a method and a code never do.
    let refused = RequestMethod::ALL
        .into_iter()
        .flat_map(|method| Refusal::ALL.map(|refusal| (method, refusal)))
        .map(|(method, refusal)| {
            let times = sum(&|w| &w.refused[method as usize][refusal as usize]);
            ([method.name(), refusal.name()], times)
        })
        .filter(|(_, times)| *times > 0);

    let challenged = RequestMethod::ALL
        .map(|method| ([method.name()], sum(&|w| &w.challenged[method as usize])))
        .into_iter()
        .filter(|(_, times)| *times > 0);

    let refused_allocations =
        BindError::ALL.map(|e| ([e.name()], sum(&|w| &w.refused_allocations[e as usize])));

    let packets = by_direction(|traffic| &traffic.packets);
    let bytes = by_direction(|traffic| &traffic.bytes);
    [
        gauge("hairpin_allocations", "TURN allocations held now", open(allocated, released)),
        counter("hairpin_allocations_total", "TURN allocations made", allocated),
        gauge(
            "hairpin_tcp_connections",
            "TURN clients connected over TCP now, with TLS or without",
            open(opened, closed),
        ),
        gauge(
            "hairpin_tls_connections",
            "TURN clients connected over TLS now",
            open(tls_opened, tls_closed),
        ),
        counter("hairpin_binding_requests_total", "STUN Binding requests answered", bindings),
        counters(
            "hairpin_relayed_packets_total",
            "Packets relayed, each counted once; `hairpin` is from one client of this server to another",
            ["direction"],
            packets,
        ),
        counters(
            "hairpin_relayed_bytes_total",
            "Bytes of payload in relayed packets, without headers of TURN, UDP or IP",
            ["direction"],
            bytes,
        ),
        counters(
            "hairpin_dropped_packets_total",
            "Packets dropped without an answer",
            ["reason"],
            dropped,
        ),
        counters(
            "hairpin_refusals_total",
            "TURN and STUN requests answered with an error, by its code; 401 is a wrong proof",
            ["method", "code"],
            refused,
        ),
        counters(
            "hairpin_refused_allocations_total",
            "Allocations refused because a user, an IPv4 address or IPv6 /64, or all hold as many as they may (486), or there is no port or descriptor (508)",
            ["limit"],
            refused_allocations,
        ),
        counters(
            "hairpin_challenges_total",
            "Requests without proof of who asks, answered with 401 and what a proof takes: every client's first",
            ["method"],
            challenged,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Connections refused, as a family.
pub(super) fn refused_connections(refused: &[Arc<AtomicU64>]) -> Vec<MetricFamily> {
    let series = REFUSED.iter().zip(refused);
    counters(
        "hairpin_refused_connections_total",
        "TCP connections and WebSockets refused because all, or too many of one address, are open",
        ["limit"],
        series.map(|(limit, times)| ([*limit], times.load(Ordering::Relaxed))),
    )
}
