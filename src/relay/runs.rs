//! Which packets can leave as one segmented send (UDP GSO): the kernel takes them as one and cuts them up again.

use std::net::{IpAddr, SocketAddr};

use hairpin_turn::Fragmentation;

/// Packets in one segmented send; the kernel's own bound (`UDP_MAX_SEGMENTS`, 64 before Linux 6.10).
pub(super) const MAX_RUN: usize = 64;

/// Bytes of one segmented send: together the segments must fit one IP packet's length field.
const MAX_RUN_BYTES: usize = 65_000;

/// A datagram to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'b> {
    /// The source address, where the socket is bound to a wildcard; `None` leaves it to the socket.
    pub(super) from: Option<IpAddr>,
    pub(super) to: SocketAddr,
    pub(super) fragmentation: Fragmentation,
    /// DSCP and ECN: IPv4's TOS, IPv6's traffic class.
    pub(super) traffic_class: u8,
    pub(super) bytes: &'b [u8],
}

/// How many packets at the front can leave as one: one flow, one size, only the last may be shorter.
///
/// At least 1 if there is a packet at all.
pub(super) fn run_length(packets: &[Packet<'_>]) -> usize {
    let Some((first, others)) = packets.split_first() else { return 0 };
    let size = first.bytes.len();
    let (mut run, mut total) = (1, size);
    // A packet that is shorter than the first ends a run, and an empty one cannot be told from no segment.
    let mut last = size;
    for next in others.iter().take(MAX_RUN - 1) {
        let len = next.bytes.len();
        total += len;
        let same_flow = next.to == first.to
            && next.from == first.from
            && next.fragmentation == first.fragmentation
            && next.traffic_class == first.traffic_class;
        if last < size || len == 0 || len > size || total > MAX_RUN_BYTES || !same_flow {
            break;
        }
        run += 1;
        last = len;
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(sizes: &[usize]) -> Vec<Packet<'static>> {
        static BYTES: [u8; 65_507] = [0; 65_507];
        let to = "192.0.2.1:9".parse().expect("literal");
        let packet = |&size| Packet {
            from: None,
            to,
            fragmentation: Fragmentation::Allowed,
            traffic_class: 0,
            bytes: &BYTES[..size],
        };
        sizes.iter().map(packet).collect()
    }

    #[test]
    fn a_run_has_one_size_and_a_shorter_end() {
        for (sizes, run) in [
            (&[][..], 0),
            (&[160], 1),
            (&[160, 160, 160], 3),
            (&[160, 160, 100, 100], 3),
            (&[160, 161], 1),
            (&[160, 0], 1),
            (&[0, 0], 1),
            (&[40_000, 20_000], 2),
            (&[40_000, 30_000], 1),
        ] {
            assert_eq!(run_length(&packets(sizes)), run, "{sizes:?}");
        }
        assert_eq!(run_length(&packets(&[160; 100])), MAX_RUN);
    }

    #[test]
    fn a_run_is_of_one_flow() {
        let mut other = packets(&[160; 4]);
        other[2].to.set_port(10);
        assert_eq!(run_length(&other), 2);
        let mut other = packets(&[160; 4]);
        other[1].from = Some("192.0.2.2".parse().expect("literal"));
        assert_eq!(run_length(&other), 1);
        let mut other = packets(&[160; 4]);
        other[3].fragmentation = Fragmentation::Forbidden;
        assert_eq!(run_length(&other), 3);
        let mut other = packets(&[160; 4]);
        other[2].traffic_class = 1;
        assert_eq!(run_length(&other), 2, "ECN is each packet's own");
    }
}
