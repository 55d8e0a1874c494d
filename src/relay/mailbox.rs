//! What workers are sent by other threads, and by one another.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hairpin_turn::{FiveTuple, OwnAddresses};
use rustix::event::{EventfdFlags, eventfd};

use super::dtls::Identity;
use super::parcel::Parcel;
use super::streams::MovedStream;
use crate::net::Connection;

/// Parcels a mailbox holds before packets are lost: a worker this far behind is past saving them.
const MAX_PARCELS: usize = 1024;

/// Bytes of memory that the parcels in a mailbox take at most.
const MAX_BYTES: usize = 4 << 20;

/// Something for a worker.
#[derive(Debug)]
pub(super) enum ToWorker {
    /// Packets for its allocations.
    Parcel(Parcel),
    /// A TURN client's connection to serve.
    Stream(Connection),
    /// A client whose datagrams another worker takes now.
    Guest { client: FiveTuple, home: usize },
    /// That one no longer does.
    GuestGone { client: FiveTuple, home: usize },
    /// A stream that another worker has begun to serve.
    Moved(Box<MovedStream>),
    /// The machine's addresses have changed.
    OwnAddresses(Arc<OwnAddresses>),
    /// DTLS has another certificate.
    Identity(Identity),
    /// End.
    Stop,
    /// Break, as a defect would.
    #[cfg(test)]
    Panic,
}

/// Where others leave what they have for a worker.
#[derive(Clone, Debug)]
pub(super) struct Postbox(Arc<Shared>);

/// The worker's end: what was left, and a descriptor that says so.
#[derive(Debug)]
pub(super) struct Mailbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Written to when something comes while the worker sleeps. Watched by edge, so that nobody needs to read it.
    bell: OwnedFd,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<ToWorker>,
    parcels: usize,
    bytes: usize,
    asleep: bool,
}

/// An empty mailbox.
///
/// # Errors
/// When the process is out of descriptors.
pub(super) fn mailbox() -> io::Result<(Postbox, Mailbox)> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared { queue: Mutex::default(), bell });
    Ok((Postbox(shared.clone()), Mailbox(shared)))
}

impl Postbox {
    /// Leaves packets.
    ///
    /// # Errors
    /// The parcel, when as much is waiting as may.
    pub(super) fn send_parcel(&self, parcel: Parcel) -> Result<(), Parcel> {
        let mut queue = self.0.queue();
        let bytes = queue.bytes + parcel.memory();
        if queue.parcels == MAX_PARCELS || bytes > MAX_BYTES {
            return Err(parcel);
        }
        queue.bytes = bytes;
        queue.parcels += 1;
        self.push(queue, ToWorker::Parcel(parcel));
        Ok(())
    }

    /// Leaves a connection. Each takes a descriptor, which bounds their number.
    pub(super) fn send_stream(&self, connection: Connection) {
        self.push(self.0.queue(), ToWorker::Stream(connection));
    }

    /// Leaves a stream, which has a descriptor, too.
    pub(super) fn send_moved(&self, stream: MovedStream) {
        self.push(self.0.queue(), ToWorker::Moved(stream.into()));
    }

    /// Says that a worker takes the datagrams of a client. Each has an allocation, which bounds their number.
    pub(super) fn send_guest(&self, client: FiveTuple, home: usize) {
        self.push(self.0.queue(), ToWorker::Guest { client, home });
    }

    /// Says that it no longer does.
    pub(super) fn send_guest_gone(&self, client: FiveTuple, home: usize) {
        self.push(self.0.queue(), ToWorker::GuestGone { client, home });
    }

    /// Tells of our addresses.
    pub(super) fn send_own_addresses(&self, own: Arc<OwnAddresses>) {
        self.push(self.0.queue(), ToWorker::OwnAddresses(own));
    }

    /// Tells of another certificate.
    pub(super) fn send_identity(&self, identity: Identity) {
        self.push(self.0.queue(), ToWorker::Identity(identity));
    }

    /// Asks the worker to end.
    pub(super) fn send_stop(&self) {
        self.push(self.0.queue(), ToWorker::Stop);
    }

    /// Has the worker panic.
    #[cfg(test)]
    pub(super) fn send_panic(&self) {
        self.push(self.0.queue(), ToWorker::Panic);
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue>, item: ToWorker) {
        queue.items.push_back(item);
        let asleep = std::mem::take(&mut queue.asleep);
        drop(queue);
        if asleep {
            // It can only fail when nobody has read 2^64 - 2 rings, and then the bell has been heard.
            let _ = rustix::io::write(&self.0.bell, &1_u64.to_ne_bytes());
        }
    }
}

impl Mailbox {
    /// Moves what is waiting to `into`, but not much more than `packets` packets at a time.
    pub(super) fn take(&self, into: &mut Vec<ToWorker>, packets: usize) {
        let mut queue = self.0.queue();
        queue.asleep = false;
        let mut taken = 0;
        while taken < packets
            && let Some(item) = queue.items.pop_front()
        {
            if let ToWorker::Parcel(parcel) = &item {
                taken += parcel.len();
                queue.parcels -= 1;
                queue.bytes -= parcel.memory();
            }
            into.push(item);
        }
    }

    /// Has the bell rung by what comes from now on, until the next [`take`](Self::take). `false` says that something is
    /// waiting already: do not sleep.
    pub(super) fn sleep(&self) -> bool {
        let mut queue = self.0.queue();
        queue.asleep = queue.items.is_empty();
        queue.asleep
    }
}

/// The bell, to be watched by edge.
impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing above leaves it half changed, even if its holder panics afterwards.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parcel::Way;
    use super::*;
    use hairpin_turn::RelayedAddr;

    fn parcel(bytes: usize) -> Parcel {
        let anyone = RelayedAddr(([203, 0, 113, 5], 50_000).into());
        let mut parcel = Parcel::default();
        parcel.push(Way::Hairpin { to: anyone, from: anyone }, 0, &vec![0; bytes]);
        parcel
    }

    fn rung(mailbox: &Mailbox) -> bool {
        rustix::io::read(mailbox, &mut [0; 8]).is_ok()
    }

    fn take(mailbox: &Mailbox, packets: usize) -> usize {
        let mut taken = Vec::new();
        mailbox.take(&mut taken, packets);
        taken.len()
    }

    #[test]
    fn parcels_are_bounded_in_number() {
        let (postbox, mailbox) = mailbox().expect("a descriptor is free");
        for _ in 0..MAX_PARCELS {
            postbox.send_parcel(parcel(1)).expect("there is room");
        }
        assert_eq!(postbox.send_parcel(parcel(1)).expect_err("it is full").len(), 1);
        assert_eq!(take(&mailbox, 10), 10);
        postbox.send_parcel(parcel(1)).expect("there is room again");
    }

    #[test]
    fn parcels_are_bounded_in_bytes_and_nothing_else_is() {
        let (postbox, mailbox) = mailbox().expect("a descriptor is free");
        let mut sent = 0;
        while postbox.send_parcel(parcel(60_000)).is_ok() {
            sent += 1;
        }
        assert!((50..70).contains(&sent), "{sent} parcels of 60 kB in 4 MiB");
        postbox.send_stop();
        assert_eq!(take(&mailbox, usize::MAX), sent + 1);
        assert!(postbox.send_parcel(parcel(60_000)).is_ok());
    }

    #[test]
    fn the_bell_rings_for_a_sleeper_only_and_once() {
        let (postbox, mailbox) = mailbox().expect("a descriptor is free");
        postbox.send_stop();
        assert!(!rung(&mailbox), "it is awake");
        assert!(!mailbox.sleep(), "something is waiting");
        assert_eq!(take(&mailbox, 1), 1);
        assert!(mailbox.sleep());
        postbox.send_stop();
        assert!(rung(&mailbox));
        postbox.send_stop();
        assert!(!rung(&mailbox), "it has been rung");
        assert_eq!(take(&mailbox, 1), 2, "what is no packet is not counted");
        postbox.send_stop();
        assert!(!rung(&mailbox), "it is awake");
    }
}
