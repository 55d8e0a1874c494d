//! Channel bindings: short numbers for peers (RFC 8656 s12).

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use hairpin_stun::ChannelNumber;

use crate::PeerAddr;
use crate::permissions::reserve_tightly;
use crate::refusal::Refusal;

/// "Channel bindings last for 10 minutes unless refreshed" (RFC 8656 s12).
const LIFETIME: Duration = Duration::from_secs(600);

/// The channels of one allocation: numbers and peers, one to one. Kept as permissions are.
#[derive(Debug, Default)]
pub(crate) struct Channels(Vec<Channel>);

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    number: ChannelNumber,
    expires: Duration,
}

impl Channels {
    /// The peer a number is bound to.
    pub(crate) fn peer(&self, now: Duration, number: ChannelNumber) -> Option<PeerAddr> {
        self.live(now)
            .find(|channel| channel.number == number)
            .map(|channel| PeerAddr(channel.peer))
    }

    /// The number a peer is bound to, port included.
    pub(crate) fn number(&self, now: Duration, peer: PeerAddr) -> Option<ChannelNumber> {
        self.live(now).find(|channel| channel.peer == peer.0).map(|channel| channel.number)
    }

    /// Whether [`bind`](Self::bind) will succeed: neither the number nor the peer is bound to
    /// something else (400), and there is room (508).
    pub(crate) fn check(
        &self,
        now: Duration,
        number: ChannelNumber,
        peer: PeerAddr,
        limit: usize,
    ) -> Result<(), Refusal> {
        match (self.peer(now, number), self.number(now, peer)) {
            (Some(bound), _) if bound == peer => Ok(()),
            (None, None) if self.live(now).count() < limit => Ok(()),
            (None, None) => Err(Refusal::InsufficientCapacity),
            _ => Err(Refusal::BadRequest),
        }
    }

    /// Binds the two for the full lifetime, anew or again. To be asked after
    /// [`check`](Self::check).
    pub(crate) fn bind(&mut self, now: Duration, number: ChannelNumber, peer: PeerAddr) {
        self.0.retain(|channel| now < channel.expires && channel.number != number);
        reserve_tightly(&mut self.0);
        self.0.push(Channel { peer: peer.0, number, expires: now + LIFETIME });
    }

    fn live(&self, now: Duration) -> impl Iterator<Item = &Channel> {
        self.0.iter().filter(move |channel| now < channel.expires)
    }
}
