//! ICMP errors about what relay sockets have sent (RFC 8656 s11.5).

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use hairpin_turn::{IcmpError, Now, PeerAddr};

use super::super::gathered::Gathered;
use super::super::layout::SocketError;
use super::super::routes::{Arrival, Senders, Token};
use super::super::sys::receive_errors;
use super::Shard;

impl Shard {
    /// Takes some of what a relay socket's error queue holds, and tells the client. A message costs no more than the packet
    /// that brought it: the rest is for the next turn.
    pub(in super::super) fn receive_errors(
        &mut self,
        now: Now,
        token: Token,
        out: &mut Gathered<'_>,
    ) {
        let Some(Arrival { socket, from: Senders::Peers(id) }) = self.routes.arrival(token) else {
            return;
        };
        // Where it cannot be read there is nothing to tell; the call that follows says what is wrong.
        for (to, error) in receive_errors(socket.as_fd()).unwrap_or_default() {
            match error {
                SocketError::Icmp(error) => self.core.handle_icmp(now, id, PeerAddr(to), error),
                SocketError::TooLong { mtu } => {
                    while let Some(peer) = self.take_too_long(socket.as_raw_fd(), to) {
                        let error = match peer.0.is_ipv4() {
                            true => IcmpError::fragmentation_needed(mtu),
                            false => IcmpError::packet_too_big(mtu),
                        };
                        self.core.handle_icmp(now, id, peer, error);
                    }
                }
            }
        }
        self.settle(now, out);
    }

    /// Counts packets that could not be sent, and remembers which were too long to be sent whole: the error queue knows the
    /// MTU, and of the destination no port.
    pub(in super::super) fn lost(&mut self, packets: usize, too_long: Vec<(RawFd, SocketAddr)>) {
        self.count_lost(packets);
        if !too_long.is_empty() {
            self.too_long = too_long;
        }
    }

    fn take_too_long(&mut self, socket: RawFd, to: SocketAddr) -> Option<PeerAddr> {
        let is_it = |(by, peer): &(RawFd, SocketAddr)| *by == socket && peer.ip() == to.ip();
        let at = self.too_long.iter().position(is_it)?;
        Some(PeerAddr(self.too_long.swap_remove(at).1))
    }
}
