//! Mobility (RFC 8016): clients that come from elsewhere.

use hairpin_stun::{FirstByte, Message, Method};

use super::Server;
use crate::replies::ReplyTo;
use crate::{FiveTuple, Now, RequestMethod, Transport};

impl Server {
    /// Data from where a client has said it is now: from there on it is there, and no longer where it was.
    #[cold]
    pub(super) fn welcome(&mut self, now: Now, tuple: &FiveTuple, packet: &[u8]) {
        let is_data = match packet.first().copied().map(FirstByte::of) {
            Some(FirstByte::ChannelData | FirstByte::OldChannelData) => true,
            Some(FirstByte::Stun) => {
                Message::parse(packet).is_ok_and(|message| message.method() == Method::SEND)
            }
            Some(FirstByte::Dtls | FirstByte::Other) | None => false,
        };
        if is_data {
            self.allocations.arrive(now.monotonic, tuple);
        }
    }

    /// The shard whose ticket a Refresh shows, if that is another one.
    pub(super) fn home_of(&self, to: &ReplyTo, message: &Message<'_>) -> Option<usize> {
        let may_move = to.method == RequestMethod::Refresh && to.tuple.transport != Transport::Dtls;
        let ticket = may_move.then(|| self.terms.ticket(message)).flatten()?;
        self.allocations.ticket_elsewhere(ticket)
    }
}
