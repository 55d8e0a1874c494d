//! What one relay worker counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::text::Text;

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

/// Writes the sums over all workers.
pub(super) fn write(workers: &[Arc<RelayMetrics>], out: &mut Text) {
    let sum = |count: &dyn Fn(&RelayMetrics) -> &Count| -> u64 {
        workers.iter().map(|worker| count(worker).get()).sum()
    };
    // The two sums are not read at one instant: what closes in between must not make a difference negative.
    let open = |opened: u64, closed: u64| opened.saturating_sub(closed);

    let released = sum(&|w| &w.released);
    let allocated = sum(&|w| &w.allocated);
    out.gauge("hairpin_allocations", "TURN allocations alive", open(allocated, released));
    out.counter("hairpin_allocations_total", "TURN allocations made", allocated);
    let closed = sum(&|w| &w.tcp_closed);
    let opened = sum(&|w| &w.tcp_opened);
    out.gauge("hairpin_tcp_connections", "TURN clients on TCP", open(opened, closed));
    out.counter(
        "hairpin_binding_requests_total",
        "STUN Binding requests answered",
        sum(&|w| &w.bindings),
    );

    let by_direction = |count: fn(&Traffic) -> &Count| {
        Direction::ALL
            .map(|d| ([("direction", d.name())], sum(&|w| count(&w.forwarded[d as usize]))))
    };
    out.counters(
        "hairpin_relayed_packets_total",
        "Packets relayed",
        by_direction(|traffic| &traffic.packets),
    );
    out.counters(
        "hairpin_relayed_bytes_total",
        "Bytes of payload relayed",
        by_direction(|traffic| &traffic.bytes),
    );
    out.counters(
        "hairpin_dropped_packets_total",
        "Packets dropped without an answer",
        DropReason::ALL.map(|r| ([("reason", r.name())], sum(&|w| &w.dropped[r as usize]))),
    );

    // Only the refusals that have happened: most pairs of a method and a code never do.
    let names = |known: &'static [(u16, &str)]| known.iter().map(|k| k.1).chain(["other"]);
    let refusals = names(&METHODS).enumerate().flat_map(|(m, method)| {
        names(&CODES).enumerate().map(move |(c, code)| (m, c, [("method", method), ("code", code)]))
    });
    out.counters(
        "hairpin_refusals_total",
        "Requests answered with an error",
        refusals
            .map(|(m, c, labels)| (labels, sum(&|w| &w.refused[m][c])))
            .filter(|(_, times)| *times > 0),
    );
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
