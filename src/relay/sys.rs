//! The system calls that have no safe form: batched UDP (`recvmmsg` into buffers with headroom, `sendmmsg`
//! with UDP GSO for runs of one flow), and an epoll set as one descriptor of the runtime.
//!
//! All `unsafe` of the crate is in this file. The message headers the kernel reads and writes hold raw
//! pointers; they point into boxed slices owned by the same struct (receiving), which never move or
//! resize, or into arrays filled anew for each call (sending), which outlive it.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use hairpin_turn::{HEADROOM, TAILROOM};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Datagrams received and sent by one system call.
pub(super) const BATCH: usize = 32;

/// The largest UDP payload is 65,507 bytes (IPv4) or 65,527 (IPv6); none is cut off.
const MAX_DATAGRAM: usize = 65_535;
const SLOT: usize = HEADROOM + MAX_DATAGRAM + TAILROOM;

/// Room for one `IPV6_PKTINFO` (20 bytes) and one `UDP_SEGMENT` (2 bytes), each in an aligned header.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 72]);

/// A received datagram in its buffer.
pub(super) struct Datagram<'b> {
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// The local address it was sent to; known when the socket was told so by [`report_destination`].
    pub(super) destination: Option<IpAddr>,
    /// The whole slot: headroom, datagram, tailroom.
    pub(super) buffer: &'b mut [u8],
    /// Where in `buffer` the datagram is.
    pub(super) range: Range<usize>,
}

/// Buffers and headers for one `recvmmsg`.
pub(super) struct RecvBatch {
    memory: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    // Referenced by `headers`, never read again.
    _vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl RecvBatch {
    pub(super) fn new() -> Self {
        // A page is only touched when a datagram reaches it, so the size is no cost.
        let mut memory = vec![0; SLOT * BATCH].into_boxed_slice();
        // SAFETY: all-zero bytes are a valid value of these plain C structs.
        let (mut names, mut headers): (Box<[libc::sockaddr_storage]>, Box<[libc::mmsghdr]>) =
            unsafe { (vec![zeroed(); BATCH].into(), vec![zeroed(); BATCH].into()) };
        let mut controls = vec![Control([0; 72]); BATCH].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = memory
            .chunks_exact_mut(SLOT)
            .map(|slot| libc::iovec {
                iov_base: slot[HEADROOM..].as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            })
            .collect();
        for (i, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = (&raw mut names[i]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut vectors[i];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = controls[i].0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
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
                let destination = destination(&control.0[..header.msg_hdr.msg_controllen.min(72)]);
                // The kernel wrote how much it used; the next call must offer everything again.
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
                header.msg_hdr.msg_controllen = size_of::<Control>();
                Datagram {
                    source: read_address(name),
                    destination,
                    buffer,
                    range: HEADROOM..HEADROOM + length,
                }
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
    names: Box<[libc::sockaddr_storage; BATCH]>,
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
                names: Box::new(zeroed()),
                controls: Box::new([Control([0; 72]); BATCH]),
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
        let length = write_address(&mut self.names[index], run[0].to);
        let segment = (run.len() > 1).then(|| run[0].bytes.len() as u16);
        let control = write_control(&mut self.controls[index].0, run[0].from, segment);
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = length;
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

fn read_address(storage: &libc::sockaddr_storage) -> SocketAddr {
    match i32::from(storage.ss_family) {
        libc::AF_INET6 => {
            // SAFETY: the kernel says that it wrote a `sockaddr_in6`, which is smaller than the storage and no stricter in alignment.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
            // The scope is part of a link-local address only.
            let scope = if ip.is_unicast_link_local() { a.sin6_scope_id } else { 0 };
            SocketAddrV6::new(ip, u16::from_be(a.sin6_port), 0, scope).into()
        }
        _ => {
            // SAFETY: as above; an IPv4 socket writes nothing but `sockaddr_in`, and zeroed storage reads as 0.0.0.0:0.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            SocketAddrV4::new(
                Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)),
                u16::from_be(a.sin_port),
            )
            .into()
        }
    }
}

fn write_address(storage: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    match address {
        SocketAddr::V4(a) => {
            // SAFETY: `sockaddr_storage` is made to hold a `sockaddr_in`, in size and alignment.
            let out = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in>() };
            out.sin_family = libc::AF_INET as libc::sa_family_t;
            out.sin_port = a.port().to_be();
            out.sin_addr.s_addr = a.ip().to_bits().to_be();
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(a) => {
            // SAFETY: `sockaddr_storage` is made to hold a `sockaddr_in6`, in size and alignment.
            let out = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in6>() };
            out.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            out.sin6_port = a.port().to_be();
            out.sin6_flowinfo = 0;
            out.sin6_addr.s6_addr = a.ip().octets();
            out.sin6_scope_id = a.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

// Control messages are laid out by hand, as cmsg(3) describes them, so that no pointer arithmetic is needed:
// a header { len: usize, level: i32, type: i32 }, the data, and padding to a multiple of eight.
const CMSG_HEADER: usize = size_of::<libc::cmsghdr>();

fn put_control(control: &mut [u8], at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
    let length = CMSG_HEADER + data.len();
    let (size, rest) = control[at..].split_at_mut(size_of::<usize>());
    size.copy_from_slice(&length.to_ne_bytes());
    rest[..4].copy_from_slice(&level.to_ne_bytes());
    rest[4..8].copy_from_slice(&kind.to_ne_bytes());
    rest[8..8 + data.len()].copy_from_slice(data);
    at + length.next_multiple_of(size_of::<usize>())
}

/// Writes the source address and the segment size, and returns the bytes used.
fn write_control(control: &mut [u8], from: Option<IpAddr>, segment: Option<u16>) -> usize {
    let mut used = 0;
    match from {
        // in_pktinfo { ifindex: 0, spec_dst: the source, addr: ignored }
        Some(IpAddr::V4(ip)) => {
            let mut data = [0; 12];
            data[4..8].copy_from_slice(&ip.octets());
            used = put_control(control, used, libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
        }
        // in6_pktinfo { addr: the source, ifindex: 0 }
        Some(IpAddr::V6(ip)) => {
            let mut data = [0; 20];
            data[..16].copy_from_slice(&ip.octets());
            used = put_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
        }
        None => {}
    }
    if let Some(segment) = segment {
        let data = segment.to_ne_bytes();
        used = put_control(control, used, libc::SOL_UDP, libc::UDP_SEGMENT, &data);
    }
    used
}

/// Reads a datagram's destination out of its control messages.
fn destination(mut control: &[u8]) -> Option<IpAddr> {
    while control.len() >= CMSG_HEADER {
        let (size, rest) = control.split_first_chunk::<{ size_of::<usize>() }>()?;
        let length = usize::from_ne_bytes(*size);
        let level = i32::from_ne_bytes(*rest.first_chunk()?);
        let kind = i32::from_ne_bytes(*rest[4..].first_chunk()?);
        let data = control.get(CMSG_HEADER..length)?;
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                return Some(Ipv4Addr::from(*data.get(8..)?.first_chunk::<4>()?).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                return Some(Ipv6Addr::from(*data.first_chunk::<16>()?).into());
            }
            _ => control = control.get(length.next_multiple_of(size_of::<usize>())..)?,
        }
    }
    None
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
