//! Channel bindings: short numbers for peers (RFC 8656 s12).

use alloc::vec::Vec;
use core::time::Duration;

use hairpin_stun::ChannelNumber;

use crate::permissions::reserve_tightly;
use crate::{Path, PeerAddr, Refusal};

/// "Channel bindings last for 10 minutes unless refreshed" (RFC 8656 s12).
const LIFETIME: Duration = Duration::from_secs(600);

/// The channels of one allocation: numbers and peers, one to one. Kept as permissions are.
#[derive(Debug, Default)]
pub(crate) struct Channels(Vec<Channel>);

#[derive(Debug)]
struct Channel {
    peer: PeerAddr,
    number: ChannelNumber,
    expires: Duration,
}

impl Channels {
    /// The peer a number is bound to.
    pub(crate) fn peer(&self, now: Duration, number: ChannelNumber) -> Option<&PeerAddr> {
        let mut channels = self.0.iter();
        let found = channels.find(|channel| channel.number == number && now < channel.expires)?;
        Some(&found.peer)
    }

    /// The number a peer is bound to, port included.
    pub(crate) fn number(&self, now: Duration, peer: &PeerAddr) -> Option<ChannelNumber> {
        let mut channels = self.0.iter();
        let found = channels.find(|channel| channel.peer == *peer && now < channel.expires)?;
        Some(found.number)
    }

    /// Whether none is kept, not even one that is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not over, and their ends.
    pub(crate) fn live(&self, now: Duration) -> impl Iterator<Item = (Path, Duration)> {
        self.0.iter().filter(move |channel| now < channel.expires).map(|channel| {
            (Path::Channel { number: channel.number, peer: channel.peer }, channel.expires)
        })
    }

    /// Whether the number is bound already, or one more may be (508).
    pub(crate) fn check_room(
        &self,
        now: Duration,
        number: ChannelNumber,
        limit: usize,
    ) -> Result<(), Refusal> {
        if self.peer(now, number).is_some() || self.live(now).count() < limit {
            return Ok(());
        }
        Err(Refusal::InsufficientCapacity)
    }

    /// Binds the two for the full lifetime, anew or again; neither may be bound to anything else.
    /// Returns the end of the binding before, if there was one, and now.
    pub(crate) fn bind(
        &mut self,
        now: Duration,
        number: ChannelNumber,
        peer: PeerAddr,
    ) -> (Option<Duration>, Duration) {
        self.0.retain(|channel| now < channel.expires);
        let expires = now + LIFETIME;
        if let Some(channel) = self.0.iter_mut().find(|channel| channel.number == number) {
            return (Some(core::mem::replace(&mut channel.expires, expires)), expires);
        }
        reserve_tightly(&mut self.0);
        self.0.push(Channel { peer, number, expires });
        (None, expires)
    }
}
