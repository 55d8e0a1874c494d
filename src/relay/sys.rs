//! The system calls that have no safe form: batched UDP (`recvmmsg` into buffers with headroom, `sendmmsg`
//! with UDP GSO for runs of one flow), and an epoll set as one descriptor of the runtime.
//!
//! All `unsafe` of the crate is in this file. The message headers the kernel reads and writes hold raw
//! pointers; they point into boxed slices owned by the same struct (receiving), which never move or
//! resize, or into arrays filled anew for each call (sending), which outlive it.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use hairpin_turn::{HEADROOM, PacketBuf, TAILROOM};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::layout::{Control, Name};

/// Datagrams received and sent by one system call.
pub(super) const BATCH: usize = 32;

/// The largest UDP payload is 65,507 bytes (IPv4) or 65,527 (IPv6); none is cut off.
const MAX_DATAGRAM: usize = 65_535;
const SLOT: usize = HEADROOM + MAX_DATAGRAM + TAILROOM;

/// A received datagram in its buffer.
pub(super) struct Datagram<'b> {
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// The local address it was sent to; known when the socket was told so by [`report_destination`].
    pub(super) destination: Option<IpAddr>,
    /// What it carries, in its slot of the batch's memory.
    pub(super) packet: PacketBuf<'b>,
}

/// Buffers and headers for one `recvmmsg`.
pub(super) struct RecvBatch {
    memory: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    // Referenced by `headers`, never read again.
    _vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl RecvBatch {
    pub(super) fn new() -> Self {
        // A page is only touched when a datagram reaches it, so the size is no cost.
        let mut memory = vec![0; SLOT * BATCH].into_boxed_slice();
        let mut names = vec![Name::EMPTY; BATCH].into_boxed_slice();
        let mut controls = vec![Control::EMPTY; BATCH].into_boxed_slice();
        // SAFETY: all-zero bytes are a valid value of this plain C struct.
        let mut headers: Box<[libc::mmsghdr]> = unsafe { vec![zeroed(); BATCH].into() };
        let mut vectors: Box<[libc::iovec]> = memory
            .chunks_exact_mut(SLOT)
            .map(|slot| libc::iovec {
                iov_base: slot[HEADROOM..].as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            })
            .collect();
        for (i, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = (&raw mut names[i]).cast();
            header.msg_hdr.msg_namelen = Name::LEN as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut vectors[i];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = controls[i].0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = Control::LEN;
        }
        Self { memory, names, controls, _vectors: vectors, headers }
    }

    /// Receives what is waiting on a non-blocking socket, at most [`BATCH`] datagrams, and hands each out
    /// with its buffer. Nothing waiting is an empty batch.
    ///
    /// # Errors
    /// What `recvmmsg` says, other than "try again".
    pub(super) fn recv(
        &mut self,
        socket: BorrowedFd<'_>,
    ) -> io::Result<impl ExactSizeIterator<Item = Datagram<'_>>> {
        // SAFETY: `headers` holds BATCH valid headers whose pointers refer to `memory`, `names`, `controls` and
        // `_vectors`: boxed slices of this struct, borrowed mutably for the call and as long as the result lives.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let received = match received {
            -1 => match io::Error::last_os_error() {
                e if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    0
                }
                e => return Err(e),
            },
            n => n as usize,
        };
        let Self { memory, names, controls, headers, .. } = self;
        Ok(memory
            .chunks_exact_mut(SLOT)
            .zip(headers.iter_mut())
            .zip(names.iter().zip(controls.iter()))
            .take(received)
            .map(|((buffer, header), (name, control))| {
                let length = (header.msg_len as usize).min(MAX_DATAGRAM);
                let destination = control.destination(header.msg_hdr.msg_controllen);
                // The kernel wrote how much it used; the next call must offer everything again.
                header.msg_hdr.msg_namelen = Name::LEN as libc::socklen_t;
                header.msg_hdr.msg_controllen = Control::LEN;
                let packet = PacketBuf::new(buffer, HEADROOM..HEADROOM + length)
                    .expect("a slot has room around what fits into it");
                Datagram { source: name.read(), destination, packet }
            }))
    }
}

/// A packet to send. Borrowing the bytes, it cannot outlive the batch they were received in.
#[derive(Clone, Copy)]
pub(super) struct Packet<'b> {
    pub(super) socket: BorrowedFd<'b>,
    /// The source address, where the socket is bound to a wildcard; `None` leaves it to the socket.
    pub(super) from: Option<IpAddr>,
    pub(super) to: SocketAddr,
    pub(super) bytes: &'b [u8],
}

impl Packet<'_> {
    fn same_flow(&self, other: &Self) -> bool {
        self.to == other.to
            && self.from == other.from
            && self.socket.as_raw_fd() == other.socket.as_raw_fd()
    }
}

/// Sends packets in batches; runs of one flow leave as a single segmented send (UDP GSO).
pub(super) struct Sender {
    headers: Box<[libc::mmsghdr; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    names: Box<[Name; BATCH]>,
    controls: Box<[Control; BATCH]>,
    segmentation: bool,
}

/// GSO's own bounds: the segments together must fit one IP packet's length field.
const MAX_RUN_BYTES: usize = 65_000;

impl Sender {
    pub(super) fn new() -> Self {
        // SAFETY: all-zero bytes are a valid value of these plain C structs; null pointers are replaced before use.
        unsafe {
            Self {
                headers: Box::new(zeroed()),
                vectors: Box::new(zeroed()),
                names: Box::new([Name::EMPTY; BATCH]),
                controls: Box::new([Control::EMPTY; BATCH]),
                segmentation: true,
            }
        }
    }

    /// Sends all packets, at most [`BATCH`], and returns how many the kernel refused. A relay has no use for a
    /// packet that cannot leave at once: it is lost, as it would be on any full link.
    pub(super) fn send(&mut self, packets: &mut [Packet<'_>]) -> usize {
        if packets.len() > 2 {
            // Stable: packets of one flow keep their order.
            packets.sort_by_key(sort_key);
        }
        let mut lost = 0;
        for group in packets.chunk_by(|a, b| a.socket.as_raw_fd() == b.socket.as_raw_fd()) {
            lost += self.send_group(group);
        }
        lost
    }

    /// Sends packets that leave by one socket.
    fn send_group(&mut self, packets: &[Packet<'_>]) -> usize {
        let mut lost = 0;
        let mut rest = packets;
        while !rest.is_empty() {
            let mut runs = arrayvec::ArrayVec::<usize, BATCH>::new();
            let mut planned = 0;
            while planned < rest.len() {
                let run = run_length(&rest[planned..], self.segmentation);
                self.prepare(runs.len(), planned, &rest[planned..planned + run]);
                runs.push(run);
                planned += run;
            }
            // SAFETY: the first `runs.len()` headers were just prepared: their names, vectors and controls are boxed arrays of
            // this struct, and the vectors point at packets' bytes, which `packets` borrows until this function returns.
            let sent = unsafe {
                libc::sendmmsg(
                    rest[0].socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    runs.len() as u32,
                    libc::MSG_DONTWAIT as _,
                )
            };
            if sent >= 0 {
                rest = &rest[runs[..sent as usize].iter().sum()..];
                continue;
            }
            // The first message was refused; those behind it have not been tried.
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // No GSO in this kernel or device, or segments over the MTU, which only go out one by one, in fragments.
                Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if runs[0] > 1 => {
                    if error.raw_os_error() == Some(libc::EIO) {
                        self.segmentation = false;
                    }
                    for single in rest[..runs[0]].chunks(1) {
                        lost += self.send_group(single);
                    }
                    rest = &rest[runs[0]..];
                }
                _ => {
                    lost += runs[0];
                    rest = &rest[runs[0]..];
                }
            }
        }
        lost
    }

    /// Fills header number `index` for a run of packets whose vectors start at `first`.
    fn prepare(&mut self, index: usize, first: usize, run: &[Packet<'_>]) {
        for (vector, packet) in self.vectors[first..].iter_mut().zip(run) {
            // The kernel only reads through this pointer.
            vector.iov_base = packet.bytes.as_ptr().cast_mut().cast();
            vector.iov_len = packet.bytes.len();
        }
        let length = self.names[index].write(run[0].to);
        let segment = (run.len() > 1).then(|| run[0].bytes.len() as u16);
        let control = self.controls[index].write(run[0].from, segment);
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = length as libc::socklen_t;
        header.msg_iov = &raw mut self.vectors[first];
        header.msg_iovlen = run.len() as _;
        header.msg_control = self.controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = control as _;
    }
}

/// How many packets at the front can leave as one segmented send: one flow, one size, only the last may be shorter.
fn run_length(packets: &[Packet<'_>], segmentation: bool) -> usize {
    let first = &packets[0];
    let size = first.bytes.len();
    if !segmentation || size == 0 {
        return 1;
    }
    let mut run = 1;
    let mut total = size;
    for next in &packets[1..] {
        let length = next.bytes.len();
        if length == 0 || length > size || total + length > MAX_RUN_BYTES || !first.same_flow(next)
        {
            break;
        }
        run += 1;
        total += length;
        if length < size {
            break;
        }
    }
    run
}

/// Brings packets of one socket, and then of one flow, together. Not an identity: flows may share a key.
fn sort_key(packet: &Packet<'_>) -> (i32, u16, u64) {
    let ip = match packet.to.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() as u64,
    };
    (packet.socket.as_raw_fd(), packet.to.port(), ip)
}

/// Asks the kernel to report each datagram's destination, for answers to leave from the address asked
/// (RFC 8489 s6.3.1).
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn report_destination(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Lets the kernel fragment what is larger than the path's MTU: without DONT-FRAGMENT the relay sends with
/// DF clear (RFC 8656 s14).
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn allow_fragments(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    }
}

fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
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

/// An epoll set. Owning it, the runtime's registration below cannot outlive it.
pub(super) struct EpollSet(pub(super) Rc<OwnedFd>);

impl AsRawFd for EpollSet {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Has the runtime tell when a socket of the set is readable.
///
/// # Errors
/// What the runtime's own epoll says.
pub(super) fn watch_set(epoll: Rc<OwnedFd>) -> io::Result<AsyncFd<EpollSet>> {
    // SAFETY: the set is held by an `Rc` inside the `AsyncFd`, so it is open, and the same, as long as that lives.
    unsafe { Ok(AsyncFd::register_with_interest(EpollSet(epoll), Interest::READABLE)?) }
}

#[cfg(test)]
mod tests;
