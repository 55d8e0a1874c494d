//! What a turn sends in datagrams, gathered so that it leaves in as few system calls as there are sockets.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use hairpin_turn::Fragmentation;

use super::runs::Packet;
use super::sys::Sender;

/// How a datagram leaves. While one waits to be sent, its socket cannot be closed.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) socket: Rc<UdpSocket>,
    /// The source address, where the socket is bound to a wildcard; `None` leaves it to the socket.
    pub(super) from: Option<IpAddr>,
    pub(super) to: SocketAddr,
    pub(super) fragmentation: Fragmentation,
    /// DSCP and ECN.
    pub(super) traffic_class: u8,
}

/// The datagrams of a turn. Those to one destination by one socket leave in the order they came in.
#[derive(Default)]
pub(super) struct Gathered<'b> {
    departures: Vec<Departure<'b>>,
    /// The bytes of packets whose own buffer does not last.
    kept: Vec<u8>,
}

struct Departure<'b> {
    route: Route,
    bytes: Bytes<'b>,
    /// Brings packets of one socket, and then of one flow, together. Not an identity: flows may share a key.
    key: (i32, u32),
}

enum Bytes<'b> {
    Lent(&'b [u8]),
    Kept(Range<usize>),
}

impl<'b> Gathered<'b> {
    /// Adds a packet that lies where it was received.
    pub(super) fn lend(&mut self, route: Route, bytes: &'b [u8]) {
        self.push(route, Bytes::Lent(bytes));
    }

    /// Adds a copy of a packet.
    pub(super) fn keep(&mut self, route: Route, bytes: &[u8]) {
        let start = self.kept.len();
        self.kept.extend_from_slice(bytes);
        self.push(route, Bytes::Kept(start..self.kept.len()));
    }

    fn push(&mut self, route: Route, bytes: Bytes<'b>) {
        let key = (route.socket.as_raw_fd(), flow_key(route.to));
        self.departures.push(Departure { route, bytes, key });
    }

    /// Sends everything and returns how many packets the kernel refused.
    pub(super) fn send(&mut self, sender: &mut Sender) -> usize {
        let Self { departures, kept } = self;
        let mut order: Vec<&Departure<'_>> = departures.iter().collect();
        if order.len() > 2 {
            // Stable: packets of one flow keep their order.
            order.sort_by_key(|departure| departure.key);
        }
        let mut lost = 0;
        let mut packets = Vec::with_capacity(order.len());
        for group in order.chunk_by(|a, b| Rc::ptr_eq(&a.route.socket, &b.route.socket)) {
            packets.clear();
            packets.extend(group.iter().map(|Departure { route, bytes, .. }| Packet {
                from: route.from,
                to: route.to,
                fragmentation: route.fragmentation,
                traffic_class: route.traffic_class,
                bytes: match bytes {
                    Bytes::Lent(bytes) => bytes,
                    Bytes::Kept(range) => &kept[range.clone()],
                },
            }));
            lost += sender.send(group[0].route.socket.as_fd(), &packets);
        }
        self.departures.clear();
        self.kept.clear();
        lost
    }
}

fn flow_key(to: SocketAddr) -> u32 {
    let ip = match to.ip() {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => ip.to_bits() as u32,
    };
    ip ^ u32::from(to.port()) << 16
}

#[cfg(test)]
mod tests {
    use super::super::sys::{SLOTS, Slots};
    use super::*;

    fn socket() -> Rc<UdpSocket> {
        Rc::new(UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports"))
    }

    fn route(socket: &Rc<UdpSocket>, to: SocketAddr) -> Route {
        Route {
            socket: socket.clone(),
            from: None,
            to,
            fragmentation: Fragmentation::Allowed,
            traffic_class: 0,
        }
    }

    fn receive(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut slots = Slots::new();
        let mut batch = slots.batch();
        let received = batch.receive(socket.as_fd(), SLOTS).expect("nothing refuses on loopback");
        received.map(|datagram| datagram.packet.payload().to_vec()).collect()
    }

    #[test]
    fn each_flow_arrives_whole_and_in_the_order_it_was_gathered() {
        let senders = [socket(), socket()];
        let receivers = [socket(), socket()];
        let payloads: Vec<Vec<u8>> = (0..40).map(|i| vec![i; 1 + usize::from(i) / 8]).collect();
        let mut gathered = Gathered::default();
        for (i, payload) in payloads.iter().enumerate() {
            for (sender, receiver) in senders.iter().zip(&receivers) {
                let to = receiver.local_addr().expect("bound");
                let route = route(sender, to);
                // Forwards and answers, in turn.
                match i % 2 {
                    0 => gathered.lend(route, payload),
                    _ => gathered.keep(route, payload),
                }
            }
        }
        let mut sender = Sender::new();
        assert_eq!(gathered.send(&mut sender), 0);
        assert_eq!(gathered.send(&mut sender), 0, "nothing is left");
        for receiver in &receivers {
            assert_eq!(receive(receiver), payloads);
        }
        assert!(senders.iter().all(|sender| Rc::strong_count(sender) == 1));
    }

    #[test]
    fn a_packet_in_the_queue_keeps_its_socket_open() {
        let (sender, receiver) = (socket(), socket());
        let to = receiver.local_addr().expect("bound");
        let mut gathered = Gathered::default();
        gathered.keep(route(&sender, to), b"last words");
        drop(sender);
        assert_eq!(gathered.send(&mut Sender::new()), 0);
        assert_eq!(receive(&receiver), [b"last words"]);
    }
}
