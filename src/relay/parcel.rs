//! Packets between workers: for an allocation of another, from a relayed address of one's own, from a shared socket or
//! from a client that has moved.

use std::net::SocketAddr;

use hairpin_turn::{AllocationId, FiveTuple, HEADROOM, PacketBuf, RelayedAddr, TAILROOM};

use super::mailbox::Postbox;
use super::streams::MovedStream;

/// The packets of one turn for one worker, each with the room around it that the state machine wants.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    way: Way,
    /// DSCP and ECN.
    traffic_class: u8,
    len: usize,
}

/// For whom a packet is, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From one relayed address to another.
    Hairpin { to: RelayedAddr, from: RelayedAddr },
    /// From a peer to the allocation that it is for, of those that share their address.
    Peer { id: AllocationId, peer: SocketAddr },
    /// From another allocation at the address that both share.
    Partner { id: AllocationId, shared: SocketAddr },
    /// From a client whose allocation it is that has it, or that says so.
    Client { tuple: FiveTuple },
}

/// A packet out of a parcel.
pub(super) struct Delivery<'p> {
    pub(super) way: Way,
    /// DSCP and ECN, which it keeps as if it had gone over the network.
    pub(super) traffic_class: u8,
    pub(super) packet: PacketBuf<'p>,
}

impl Parcel {
    /// Adds a packet.
    pub(super) fn push(&mut self, way: Way, traffic_class: u8, payload: &[u8]) {
        self.bytes.reserve(HEADROOM + payload.len() + TAILROOM);
        self.bytes.resize(self.bytes.len() + HEADROOM, 0);
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(self.bytes.len() + TAILROOM, 0);
        self.items.push(Item { way, traffic_class, len: payload.len() });
    }

    /// Packets in it.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes it takes, room to spare included.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// The packets, in their order. Each has surroundings of its own, so that a header written there clobbers no other.
    pub(super) fn open(&mut self) -> impl Iterator<Item = Delivery<'_>> {
        let mut rest = self.bytes.as_mut_slice();
        self.items.iter().map(move |&Item { way, traffic_class, len }| {
            let (slot, behind) = std::mem::take(&mut rest).split_at_mut(HEADROOM + len + TAILROOM);
            rest = behind;
            let packet = PacketBuf::new(slot, HEADROOM..HEADROOM + len);
            Delivery { way, traffic_class, packet: packet.expect("`push` made this room") }
        })
    }
}

/// Collects packets by worker until the end of a turn.
pub(super) struct Outbox {
    postboxes: Vec<Postbox>,
    parcels: Vec<Parcel>,
    filled: bool,
    /// Parcels that were received and emptied, to be filled again.
    spare: Vec<Parcel>,
}

/// Emptied parcels kept for later, and the largest that is.
const SPARE: usize = 8;
const SPARE_MEMORY: usize = 16 << 10;

impl Outbox {
    pub(super) fn new(postboxes: Vec<Postbox>) -> Self {
        let parcels = postboxes.iter().map(|_| Parcel::default()).collect();
        Self { postboxes, parcels, filled: false, spare: Vec::new() }
    }

    pub(super) fn push(&mut self, worker: usize, way: Way, traffic_class: u8, bytes: &[u8]) {
        self.parcels[worker].push(way, traffic_class, bytes);
        self.filled = true;
    }

    /// Gives a stream to another worker.
    pub(super) fn hand_over(&self, worker: usize, stream: MovedStream) {
        self.postboxes[worker].send_moved(stream);
    }

    /// Tells all workers but one.
    pub(super) fn tell_others(&self, but: usize, tell: impl Fn(&Postbox)) {
        let others = self.postboxes.iter().enumerate().filter(|(index, _)| *index != but);
        others.for_each(|(_, postbox)| tell(postbox));
    }

    /// Sends what was collected and returns how many packets were lost to full mailboxes.
    pub(super) fn flush(&mut self) -> usize {
        if !std::mem::take(&mut self.filled) {
            return 0;
        }
        let mut lost = 0;
        for (postbox, slot) in self.postboxes.iter().zip(&mut self.parcels) {
            if slot.items.is_empty() {
                continue;
            }
            let parcel = std::mem::replace(slot, self.spare.pop().unwrap_or_default());
            if let Err(refused) = postbox.send_parcel(parcel) {
                lost += refused.len();
            }
        }
        lost
    }

    /// Takes an emptied parcel's memory for later.
    pub(super) fn recycle(&mut self, mut parcel: Parcel) {
        if self.spare.len() < SPARE && parcel.memory() <= SPARE_MEMORY {
            parcel.bytes.clear();
            parcel.items.clear();
            self.spare.push(parcel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mailbox::{Mailbox, ToWorker, mailbox};
    use super::*;

    fn way(to: u16, from: u16) -> Way {
        let [to, from] = [to, from].map(|port| RelayedAddr(([203, 0, 113, 5], port).into()));
        Way::Hairpin { to, from }
    }

    fn outbox(workers: usize) -> (Outbox, Vec<Mailbox>) {
        let pairs = (0..workers).map(|_| mailbox().expect("a descriptor is free"));
        let (postboxes, mailboxes) = pairs.unzip();
        (Outbox::new(postboxes), mailboxes)
    }

    fn parcels(mailbox: &Mailbox) -> Vec<Parcel> {
        let mut taken = Vec::new();
        mailbox.take(&mut taken, usize::MAX);
        let parcel = |item| match item {
            ToWorker::Parcel(parcel) => parcel,
            other => panic!("{other:?} is no parcel"),
        };
        taken.into_iter().map(parcel).collect()
    }

    #[test]
    fn a_parcel_arrives_with_room_around_each_packet() {
        let (mut outbox, mailboxes) = outbox(2);
        outbox.push(1, way(1, 2), 0xB9, b"first");
        outbox.push(1, way(3, 4), 0, b"");
        assert_eq!(outbox.flush(), 0);
        assert!(parcels(&mailboxes[0]).is_empty());
        let mut received = parcels(&mailboxes[1]).remove(0);
        let seen: Vec<_> = received
            .open()
            .map(|d| (d.way, d.traffic_class, d.packet.payload().to_vec()))
            .collect();
        let first = (way(1, 2), 0xB9, b"first".to_vec());
        assert_eq!(seen, [first, (way(3, 4), 0, b"".to_vec())]);
        assert_eq!(outbox.flush(), 0);
        assert!(parcels(&mailboxes[1]).is_empty());
    }

    #[test]
    fn a_recycled_parcel_holds_nothing_of_what_it_held() {
        let (mut outbox, mailboxes) = outbox(1);
        outbox.push(0, way(1, 2), 0, b"first");
        outbox.flush();
        outbox.recycle(parcels(&mailboxes[0]).remove(0));
        for payload in [&b"second"[..], b"third"] {
            outbox.push(0, way(1, 2), 0, payload);
            outbox.flush();
            let mut received = parcels(&mailboxes[0]).remove(0);
            let payloads: Vec<_> = received.open().map(|d| d.packet.payload().to_vec()).collect();
            assert_eq!(payloads, [payload]);
        }
    }

    #[test]
    fn a_full_mailbox_loses_packets_and_says_how_many() {
        let (mut outbox, _mailboxes) = outbox(1);
        let large = vec![0; 60_000];
        let lost = std::iter::repeat_with(|| {
            outbox.push(0, way(1, 2), 0, &large);
            outbox.push(0, way(1, 2), 0, b"small");
            outbox.flush()
        });
        assert_eq!(lost.take(1000).find(|lost| *lost > 0), Some(2));
    }
}
