//! Packets between workers: from an allocation of one to a relayed address of another, in process.

use hairpin_turn::{HEADROOM, PacketBuf, RelayedAddr, TAILROOM};
use std::ops::Range;
use tokio::sync::mpsc;

/// Parcels a mailbox holds before packets are lost: a worker this far behind is past saving them.
const MAILBOX: usize = 256;

/// The packets of one batch for one worker, each in the buffer layout the state machine wants.
#[derive(Default)]
pub(super) struct Parcel {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

struct Item {
    to: RelayedAddr,
    from: RelayedAddr,
    range: Range<usize>,
}

impl Parcel {
    fn push(&mut self, to: RelayedAddr, from: RelayedAddr, payload: &[u8]) {
        let start = self.bytes.len() + HEADROOM;
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(payload);
        let range = start..self.bytes.len();
        self.bytes.resize(range.end + TAILROOM, 0);
        self.items.push(Item { to, from, range });
    }

    /// Calls `deliver` with each packet: to, from, the packet.
    pub(super) fn open(mut self, mut deliver: impl FnMut(RelayedAddr, RelayedAddr, PacketBuf<'_>)) {
        for Item { to, from, range } in self.items {
            // Each packet's surroundings are its own, so a header written here clobbers no other.
            let slot = range.start - HEADROOM..range.end + TAILROOM;
            let length = range.len();
            let packet = PacketBuf::new(&mut self.bytes[slot], HEADROOM..HEADROOM + length);
            deliver(to, from, packet.expect("push left the room there must be"));
        }
    }
}

pub(super) type Mailbox = mpsc::Receiver<Parcel>;

/// A mailbox for each worker, and the senders each worker gets a copy of.
pub(super) fn mailboxes(workers: usize) -> (Vec<mpsc::Sender<Parcel>>, Vec<Mailbox>) {
    (0..workers).map(|_| mpsc::channel(MAILBOX)).unzip()
}

/// Collects a batch's packets by worker.
pub(super) struct Outbox {
    mailboxes: Vec<mpsc::Sender<Parcel>>,
    parcels: Vec<Parcel>,
    filled: bool,
}

impl Outbox {
    pub(super) fn new(mailboxes: Vec<mpsc::Sender<Parcel>>) -> Self {
        let parcels = mailboxes.iter().map(|_| Parcel::default()).collect();
        Self { mailboxes, parcels, filled: false }
    }

    pub(super) fn push(&mut self, worker: usize, to: RelayedAddr, from: RelayedAddr, bytes: &[u8]) {
        self.parcels[worker].push(to, from, bytes);
        self.filled = true;
    }

    /// Sends what was collected and returns how many packets were lost to full mailboxes.
    pub(super) fn flush(&mut self) -> usize {
        if !std::mem::take(&mut self.filled) {
            return 0;
        }
        let mut lost = 0;
        for (mailbox, parcel) in self.mailboxes.iter().zip(&mut self.parcels) {
            if !parcel.items.is_empty()
                && let Err(
                    mpsc::error::TrySendError::Full(refused)
                    | mpsc::error::TrySendError::Closed(refused),
                ) = mailbox.try_send(std::mem::take(parcel))
            {
                lost += refused.items.len();
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use hairpin_stun::{ChannelNumber, Head};

    use super::*;

    fn relayed(port: u16) -> RelayedAddr {
        RelayedAddr(([203, 0, 113, 5], port).into())
    }

    #[test]
    fn a_parcel_arrives_with_room_around_each_packet() {
        let (senders, mut mailboxes) = mailboxes(2);
        let mut outbox = Outbox::new(senders);
        outbox.push(1, relayed(1), relayed(2), b"first");
        outbox.push(1, relayed(3), relayed(4), b"");
        assert_eq!(outbox.flush(), 0);
        assert!(mailboxes[0].try_recv().is_err());
        let number = ChannelNumber::new(0x4000).expect("the first channel");
        let head = Head::padded_channel_data(number, 5).expect("it is short");
        let mut seen = Vec::new();
        mailboxes[1].try_recv().expect("a parcel was sent").open(|to, from, packet| {
            seen.push((to, from, packet.payload().to_vec()));
            packet.enclose(&head);
        });
        assert_eq!(
            seen,
            [(relayed(1), relayed(2), b"first".to_vec()), (relayed(3), relayed(4), b"".to_vec())]
        );
    }

    #[test]
    fn a_full_mailbox_loses_packets_and_says_how_many() {
        let (senders, _mailboxes) = mailboxes(1);
        let mut outbox = Outbox::new(senders);
        for _ in 0..MAILBOX {
            outbox.push(0, relayed(1), relayed(2), b"x");
            assert_eq!(outbox.flush(), 0);
        }
        outbox.push(0, relayed(1), relayed(2), b"x");
        outbox.push(0, relayed(1), relayed(2), b"y");
        assert_eq!(outbox.flush(), 2);
    }
}
