//! The system calls that have no safe form: batched UDP, `recvmmsg` into slots with room around each datagram and
//! `sendmmsg` with UDP GSO for runs of one flow.
//!
//! All `unsafe` of the crate is in this file. The message headers the kernel reads and writes hold raw pointers;
//! they point into allocations owned by the same struct (receiving), which never move or resize, or into arrays
//! filled anew for each call (sending), which outlive it. The calls are made by their numbers: musl's `sendmmsg`
//! is a loop of single sends.

use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use hairpin_turn::{Fragmentation, HEADROOM, PacketBuf, TAILROOM};
use rustix::net::SendFlags;

use super::errors::is_about_something_else;
use super::layout::{Arrived, Control, Message, Name, SocketError};
use super::options;
use super::runs::{MAX_RUN, Packet, run_length};

/// Datagrams a worker receives before it sends what came of them.
pub(super) const SLOTS: usize = 256;

/// The largest UDP payload is 65,507 bytes (IPv4) or 65,527 (IPv6); none is cut off.
const MAX_DATAGRAM: usize = 65_535;
const SLOT: usize = HEADROOM + MAX_DATAGRAM + TAILROOM;

/// Buffers and headers for the datagrams of one batch.
pub(super) struct Slots {
    memory: Fixed<u8>,
    names: Fixed<Name>,
    controls: Fixed<Control>,
    // Referenced by `messages`, never read again.
    _vectors: Fixed<libc::iovec>,
    messages: Box<[Message]>,
}

/// A received datagram.
pub(super) struct Datagram<'b> {
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// How it came.
    pub(super) arrived: Arrived,
    /// What it carries, in its slot.
    pub(super) packet: PacketBuf<'b>,
}

impl Slots {
    pub(super) fn new() -> Self {
        // A page is only touched when a datagram reaches it, so the size is no cost.
        let memory = Fixed::new(vec![0_u8; SLOT * SLOTS]);
        let names = Fixed::new(vec![Name::EMPTY; SLOTS]);
        let controls = Fixed::new(vec![Control::EMPTY; SLOTS]);
        let vector = |slot| libc::iovec {
            iov_base: memory.at(slot * SLOT + HEADROOM).cast(),
            iov_len: MAX_DATAGRAM,
        };
        let vectors = Fixed::new((0..SLOTS).map(vector).collect());
        let messages = (0..SLOTS)
            .map(|i| {
                let mut message = Message::EMPTY;
                message.header.name = names.at(i);
                message.header.name_len = Name::LEN as i32;
                message.header.vectors = vectors.at(i);
                message.header.vector_count = 1;
                message.header.control = controls.at(i);
                message.header.control_len = Control::LEN;
                message
            })
            .collect();
        Self { memory, names, controls, _vectors: vectors, messages }
    }

    /// Begins a batch, for which all slots are free.
    pub(super) fn batch(&mut self) -> Batch<'_> {
        Batch { slots: self, used: 0, lends: PhantomData }
    }
}

/// Values that stay where they are, referred to by pointer alone: a reference to all of them, or moving their `Box`, would deny
/// what the kernel and the packets handed out do with parts of them.
struct Fixed<T>(*mut [T]);

impl<T> Fixed<T> {
    fn new(values: Vec<T>) -> Self {
        Self(Box::into_raw(values.into_boxed_slice()))
    }

    fn at(&self, index: usize) -> *mut T {
        self.0.cast::<T>().wrapping_add(index)
    }
}

impl<T> Drop for Fixed<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` and is freed here alone. No packet can have survived: a batch borrows
        // the slots.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Receives datagrams until every slot holds one; they last as long as the batch's borrow of the slots.
pub(super) struct Batch<'b> {
    slots: &'b mut Slots,
    /// Slots handed out.
    used: usize,
    lends: PhantomData<&'b mut [u8]>,
}

impl<'b> Batch<'b> {
    /// How many datagrams can still be received.
    pub(super) fn left(&self) -> usize {
        SLOTS - self.used
    }

    /// Receives what is waiting on a non-blocking socket, at most `most` datagrams and as many as there are slots left.
    /// Nothing waiting is an empty result.
    ///
    /// # Errors
    /// What `recvmmsg` says, other than "try again".
    pub(super) fn receive<'s>(
        &'s mut self,
        socket: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<impl ExactSizeIterator<Item = Datagram<'b>> + use<'s, 'b>> {
        let first = self.used;
        let offered = most.min(self.left());
        let messages = &mut self.slots.messages[first..first + offered];
        // SAFETY: the headers' pointers refer to `memory`, `names`, `controls` and `_vectors` of the slots, borrowed mutably
        // for the call. The parts of `memory` they refer to are not handed out: those are the slots below `used`.
        let received = match unsafe { recvmmsg(socket, messages, 0) } {
            Ok(received) => received,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        self.used += received;
        let Slots { memory, names, controls, messages, .. } = &mut *self.slots;
        let messages = messages[first..].iter_mut().take(received);
        Ok(messages.enumerate().map(move |(i, message)| {
            let slot = first + i;
            let len = (message.len as usize).min(MAX_DATAGRAM);
            // SAFETY: `slot` is one of `SLOTS`, and the kernel writes to its name and its control messages in a call of
            // `receive` alone, which borrows the batch mutably as this closure does.
            let (name, control) = unsafe { (&*names.at(slot), &*controls.at(slot)) };
            let arrived = control.arrived(message.header.control_len);
            // The kernel wrote how much it used; the next call must offer everything again.
            message.header.name_len = Name::LEN as i32;
            message.header.control_len = Control::LEN;
            // SAFETY: it is initialised since `new`. Because `used` only grows in the life of a batch, it is handed out once in
            // it and the kernel writes to it no more, and `'b` ends before the next batch begins.
            let slot = unsafe { std::slice::from_raw_parts_mut(memory.at(slot * SLOT), SLOT) };
            let packet = PacketBuf::new(slot, HEADROOM..HEADROOM + len);
            let packet = packet.expect("a slot has room around the longest datagram");
            Datagram { source: name.read(), arrived, packet }
        }))
    }
}

/// Errors taken at once.
const ERRORS: usize = 16;

/// Takes entries out of a socket's error queue, [`ERRORS`] at most: where what they are about was sent to.
///
/// # Errors
/// What `recvmmsg` says, other than "try again".
pub(super) fn receive_errors(
    socket: BorrowedFd<'_>,
) -> io::Result<arrayvec::ArrayVec<(SocketAddr, SocketError), ERRORS>> {
    let mut names = [Name::EMPTY; ERRORS];
    let mut controls = [Control::EMPTY; ERRORS];
    let mut messages = [const { Message::EMPTY }; ERRORS];
    for (i, Message { header, .. }) in messages.iter_mut().enumerate() {
        (header.name, header.name_len) = (&raw mut names[i], Name::LEN as i32);
        (header.control, header.control_len) = (&raw mut controls[i], Control::LEN);
    }
    // SAFETY: the headers' pointers refer to `names` and `controls`, which nobody else uses before they are read below. What
    // the datagrams carried is not asked for.
    let received = match unsafe { recvmmsg(socket, &mut messages, libc::MSG_ERRQUEUE) } {
        Ok(received) => received,
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        Err(e) => return Err(e),
    };
    let read =
        |i: usize| Some((names[i].read(), controls[i].error(messages[i].header.control_len)?));
    Ok((0..received).filter_map(read).collect())
}

/// Packets tried by one `sendmmsg`.
const BATCH: usize = 64;

/// How often a packet is tried again when it was another one's error that kept it from being sent.
const TRIES: usize = 3;

/// Packets remembered at once that were too long to be sent whole.
const MAX_TOO_LONG: usize = 16;

/// Sends packets in batches; runs of one flow leave as a single segmented send (UDP GSO).
pub(super) struct Sender {
    messages: Box<[Message; BATCH]>,
    names: Box<[Name; BATCH]>,
    controls: Box<[Control; BATCH]>,
    vectors: Vec<libc::iovec>,
    segmentation: bool,
    /// What DONT-FRAGMENT kept from being sent: by which socket, and to whom.
    too_long: Vec<(RawFd, SocketAddr)>,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self {
            messages: Box::new([const { Message::EMPTY }; BATCH]),
            names: Box::new([Name::EMPTY; BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
            vectors: Vec::with_capacity(BATCH + MAX_RUN),
            segmentation: true,
            too_long: Vec::new(),
        }
    }

    /// Sends packets in their order by one socket, and returns how many the kernel refused. A relay has no use for a packet
    /// that cannot leave at once: it is lost, as it would be on any full link.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, packets: &[Packet<'_>]) -> usize {
        // The plain call is the cheaper one for a single packet, which is what most relay sockets send.
        if let [Packet { from: None, to, fragmentation, traffic_class: 0, bytes }] = packets
            && *fragmentation == Fragmentation::Allowed
            && rustix::net::sendto(socket, bytes, SendFlags::DONTWAIT, to).is_ok()
        {
            return 0;
        }
        let (mut lost, mut tries) = (0, 0);
        let mut rest = packets;
        while !rest.is_empty() {
            let runs = self.prepare(rest);
            let messages = &mut self.messages[..runs.len()];
            let whole = rest[0].fragmentation == Fragmentation::Forbidden && rest[0].to.is_ipv4();
            // SAFETY: these messages were just prepared: their names, vectors and controls are allocations of this struct
            // which `prepare` has finished with, and the vectors point at packets' bytes, which `packets` borrows until this
            // function returns and which the kernel only reads.
            let mut send = || unsafe { sendmmsg(socket, messages) };
            let error = match if whole { options::unfragmented(socket, send) } else { send() } {
                Ok(sent) => {
                    tries = 0;
                    rest = &rest[runs[..sent].iter().sum()..];
                    continue;
                }
                Err(error) => error,
            };
            // The first message was refused; those behind it have not been tried.
            let (refused, behind) = rest.split_at(runs[0]);
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                // No GSO in this kernel or device, or segments over the MTU, which only go out one by one, in fragments.
                Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if refused.len() > 1 => {
                    if error.raw_os_error() == Some(libc::EIO) {
                        self.segmentation = false;
                    }
                    lost += refused.chunks(1).map(|one| self.send(socket, one)).sum::<usize>();
                }
                _ if is_about_something_else(&error) && tries < TRIES => {
                    tries += 1;
                    continue;
                }
                Some(libc::EMSGSIZE) if refused[0].fragmentation == Fragmentation::Forbidden => {
                    lost += 1;
                    if self.too_long.len() < MAX_TOO_LONG {
                        self.too_long.push((socket.as_raw_fd(), refused[0].to));
                    }
                }
                _ => lost += refused.len(),
            }
            tries = 0;
            rest = behind;
        }
        lost
    }

    /// What was too long to be sent whole since this was last asked, or a part of it.
    pub(super) fn take_too_long(&mut self) -> Vec<(RawFd, SocketAddr)> {
        std::mem::take(&mut self.too_long)
    }

    /// Fills messages with the first of the packets, a run in each, and returns the runs' lengths.
    fn prepare(&mut self, packets: &[Packet<'_>]) -> arrayvec::ArrayVec<usize, BATCH> {
        let mut runs = arrayvec::ArrayVec::new();
        // Its capacity is never exceeded, so that it never moves.
        self.vectors.clear();
        let mut rest = packets;
        while !rest.is_empty() && self.vectors.len() < BATCH && !runs.is_full() {
            // Over IPv4 it is the socket that has the DF bit set, for all it sends.
            if rest[0].fragmentation != packets[0].fragmentation {
                break;
            }
            let length = if self.segmentation { run_length(rest) } else { 1 };
            let (run, behind) = rest.split_at(length);
            let index = runs.len();
            let first = self.vectors.len();
            self.vectors.extend(run.iter().map(|packet| libc::iovec {
                // The kernel only reads through this pointer.
                iov_base: packet.bytes.as_ptr().cast_mut().cast(),
                iov_len: packet.bytes.len(),
            }));
            let segment = (run.len() > 1).then(|| run[0].bytes.len() as u16);
            let header = &mut self.messages[index].header;
            header.name_len = self.names[index].write(run[0].to) as i32;
            header.name = &raw mut self.names[index];
            header.control_len = self.controls[index].write(&run[0], segment);
            header.control = &raw mut self.controls[index];
            header.vectors = self.vectors.as_mut_ptr().wrapping_add(first);
            header.vector_count = run.len();
            runs.push(length);
            rest = behind;
        }
        runs
    }
}

/// `recvmmsg(2)` without waiting: how many datagrams were received.
///
/// # Safety
/// The headers' pointers are valid for writing as many bytes as the headers say, and nobody else uses those during the call.
#[cfg(not(miri))]
unsafe fn recvmmsg(
    socket: BorrowedFd<'_>,
    messages: &mut [Message],
    flags: libc::c_int,
) -> io::Result<usize> {
    // SAFETY: these are that many headers; the caller vouches for what they point at.
    let received = unsafe {
        libc::syscall(
            libc::SYS_recvmmsg,
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_DONTWAIT | flags,
            std::ptr::null_mut::<libc::timespec>(),
        )
    };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// `sendmmsg(2)` without waiting: how many messages the kernel took.
///
/// # Safety
/// The headers' pointers are valid for reading as many bytes as the headers say, and nobody writes to those during the call.
#[cfg(not(miri))]
unsafe fn sendmmsg(socket: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    // SAFETY: these are that many headers; the caller vouches for what they point at.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_sendmmsg,
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Sets an option whose value is a C `int`.
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    // SAFETY: the option's value is the `i32` at this address, whose size is passed with it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(miri)]
mod in_memory;
#[cfg(miri)]
use in_memory::{recvmmsg, sendmmsg};
#[cfg(test)]
mod tests;
