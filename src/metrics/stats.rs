//! The numbers a program that embeds a server may want.

use super::Metrics;

/// What a server holds now, and what it has done since it started. `/metrics` says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// TURN allocations held now.
    pub allocations: u64,
    /// TURN clients connected over TCP now.
    pub turn_tcp_connections: u64,
    /// WebSockets open now.
    pub websockets: u64,
    /// Users waiting for a partner now.
    pub waiting: u64,
    /// Pairs in session now.
    pub sessions: u64,
    /// Packets relayed since the start, in either direction.
    pub relayed_packets: u64,
    /// Bytes of payload in them.
    pub relayed_bytes: u64,
    /// Packets dropped since the start, whatever the reason.
    pub dropped_packets: u64,
}

impl Metrics {
    /// Reads the counters. They go on while it does, so two of them may be of different moments.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            websockets: self.signaling.connections(),
            waiting: self.signaling.queue_length(),
            sessions: self.signaling.sessions(),
            ..Stats::default()
        };
        for worker in &self.relay {
            let (packets, bytes) = worker.relayed();
            stats.allocations += worker.allocations();
            stats.turn_tcp_connections += worker.tcp_connections();
            stats.relayed_packets += packets;
            stats.relayed_bytes += bytes;
            stats.dropped_packets += worker.dropped_packets();
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use hairpin_turn::Transport;

    use super::super::{Direction, DropReason};
    use super::*;

    #[test]
    fn they_are_summed_over_the_workers() {
        let metrics = Metrics::new(2);
        metrics.signaling.now(1, 2, 5, 0);
        for (worker, bytes) in [(0, 160), (1, 1200)] {
            let relay = metrics.relay(worker);
            relay.allocated();
            relay.stream_opened(Transport::Tcp);
            relay.forwarded(Direction::ToPeer, bytes);
            relay.forwarded(Direction::Hairpin, bytes);
            relay.dropped(DropReason::NobodyThere, 3);
        }
        metrics.relay(1).released();
        metrics.relay(0).stream_closed(Transport::Tcp);
        let expected = Stats {
            allocations: 1,
            turn_tcp_connections: 1,
            websockets: 5,
            waiting: 1,
            sessions: 2,
            relayed_packets: 4,
            relayed_bytes: 2720,
            dropped_packets: 6,
        };
        assert_eq!(metrics.stats(), expected);
    }
}
