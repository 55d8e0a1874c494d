//! Both calls for Miri, which has no sockets: a queue that reads and writes through the headers' pointers as the kernel does,
//! so that Miri sees whether they still may be used.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::slice::from_raw_parts;

use super::*;

struct Sent {
    name: Name,
    control: Vec<u8>,
    bytes: Vec<u8>,
}

thread_local! {
    static WIRE: RefCell<VecDeque<Sent>> = const { RefCell::new(VecDeque::new()) };
}

/// Takes everything, a run as one datagram.
///
/// # Safety
/// As for the kernel's.
pub(super) unsafe fn sendmmsg(_: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    for Message { header, len } in messages.iter_mut() {
        let mut bytes = Vec::new();
        // SAFETY: the caller vouches for what the header points at.
        let (name, control) = unsafe {
            for vector in from_raw_parts(header.vectors, header.vector_count) {
                bytes.extend_from_slice(from_raw_parts(vector.iov_base.cast(), vector.iov_len));
            }
            let control = from_raw_parts(header.control.cast::<u8>(), header.control_len);
            (*header.name, control.to_vec())
        };
        *len = bytes.len() as u32;
        WIRE.with_borrow_mut(|wire| wire.push_back(Sent { name, control, bytes }));
    }
    Ok(messages.len())
}

/// Gives back what was sent, names and control messages as they were.
///
/// # Safety
/// As for the kernel's.
pub(super) unsafe fn recvmmsg(
    _: BorrowedFd<'_>,
    messages: &mut [Message],
    _: libc::c_int,
) -> io::Result<usize> {
    let mut received = 0;
    for Message { header, len } in messages {
        let Some(sent) = WIRE.with_borrow_mut(VecDeque::pop_front) else { break };
        // SAFETY: the caller vouches for what the header points at; the test sends no more than there is room for.
        unsafe {
            header.name.write(sent.name);
            let control = header.control.cast::<u8>();
            sent.control.as_ptr().copy_to_nonoverlapping(control, sent.control.len());
            let into = (*header.vectors).iov_base.cast::<u8>();
            sent.bytes.as_ptr().copy_to_nonoverlapping(into, sent.bytes.len());
        }
        header.control_len = sent.control.len();
        *len = sent.bytes.len() as u32;
        received += 1;
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// Packets of one batch are written to while the next ones are received, and slots and headers are used again.
    #[test]
    fn what_the_kernel_writes_to_is_nobody_elses() {
        let from: std::net::IpAddr = "2001:db8::1".parse().expect("literal");
        let to = |port| SocketAddr::new("2001:db8::2".parse().expect("literal"), port);
        let sizes: [(usize, u16); 6] = [(70, 1), (70, 1), (30, 1), (70, 2), (0, 3), (1, 3)];
        let buffers: Vec<Vec<u8>> =
            sizes.iter().map(|&(size, port)| vec![port as u8; size]).collect();
        let packets = sizes.iter().zip(&buffers).map(|(&(_, port), bytes)| Packet {
            from: Some(from),
            to: to(port),
            fragmentation: Fragmentation::Allowed,
            traffic_class: 0xB9,
            bytes,
        });
        let packets: Vec<_> = packets.collect();
        let (mut sender, mut slots) = (Sender::new(), Slots::new());
        let (stdin, head) = (io::stdin(), hairpin_stun::Head::EMPTY);
        for _ in 0..2 {
            assert_eq!(sender.send(stdin.as_fd(), &packets), 0);
            let mut batch = slots.batch();
            let mut received: Vec<Datagram<'_>> = Vec::new();
            for most in [1, 2, SLOTS, SLOTS] {
                let datagrams = batch.receive(stdin.as_fd(), most).expect("memory refuses nothing");
                received.extend(datagrams);
            }
            assert_eq!(batch.left(), SLOTS - received.len());
            let seen = received.into_iter().map(|Datagram { source, arrived, packet }| {
                assert_eq!(arrived, Arrived { destination: Some(from), traffic_class: 0xB9 });
                (source.port(), packet.enclose(&head).len())
            });
            assert_eq!(seen.collect::<Vec<_>>(), [(1, 170), (2, 70), (3, 0), (3, 1)]);
        }
    }
}
