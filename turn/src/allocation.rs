//! One allocation (RFC 8656 s3), and what is known of it before it has an address.

use alloc::boxed::Box;
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::{ChannelNumber, Key, TransactionId};

use crate::channels::Channels;
use crate::permissions::Permissions;
use crate::replies::Integrity;
use crate::{
    AllocationId, Bandwidth, Bound, Family, FiveTuple, Mobility, Network, Owner, Path, PathChange,
    PeerAddr, Refusal, RelayTransport, RelayedAddr, ReservationToken, User, WantedPort,
};

/// A relayed transport address and who may use it how. Servers hold these by the ten thousand: a
/// test keeps them small.
#[derive(Debug)]
pub(crate) struct Allocation {
    claim: Claim,
    relayed: RelayedAddr,
    transport: RelayTransport,
    /// What few have.
    extra: Option<Box<Extra>>,
    expires: Duration,
    permissions: Permissions,
    channels: Channels,
}

#[derive(Debug, Default)]
struct Extra {
    /// For the same answer again to a retransmission.
    reserved: Option<ReservationToken>,
    bandwidth: Bandwidth,
    twin: Twin,
    unmet: Option<Unmet>,
    /// By which number it is found that may move.
    mover: Option<u64>,
}

/// The other allocation of the same 5-tuple (RFC 8656 s7.2, ADDITIONAL-ADDRESS-FAMILY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Twin {
    #[default]
    None,
    Awaited,
    Is(AllocationId),
}

/// A family that could not be had beside the other, as ADDRESS-ERROR-CODE tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    pub(crate) family: Family,
    pub(crate) refusal: Refusal,
    pub(crate) form: DualForm,
}

/// By which numbers a client knows the attributes of dual allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DualForm {
    Rfc8656,
    /// Those of its drafts, which coturn's client has.
    Draft,
}

/// What an allocation still to come is to one that may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is the only one.
    Alone,
    /// The only one of two families that can be had.
    Left(Unmet),
    /// The first of two: an IPv6 one is to follow.
    First { port: WantedPort, form: DualForm },
    /// The second of two.
    Second { first: AllocationId, form: DualForm },
}

/// Who asked for an allocation, and how: all that authentication settled.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) tuple: FiveTuple,
    /// All later requests must bear it (RFC 8656 s5).
    pub(crate) username: Box<str>,
    /// Whose it is, for quotas.
    pub(crate) user: User,
    /// Kept, so that a REST credential can expire without the allocation's refreshes failing.
    pub(crate) key: Key,
    /// The Allocate request's, to know a retransmission from a second Allocate (RFC 8656 s7.2).
    pub(crate) transaction: TransactionId,
}

impl Claim {
    pub(crate) fn owner(&self) -> Owner {
        Owner { user: self.user.clone(), network: Network::of(self.tuple.client.ip()) }
    }
}

/// An allocation whose relay socket is being bound.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) claim: Claim,
    pub(crate) transport: RelayTransport,
    pub(crate) lifetime: Duration,
    /// Whether the answer carries FINGERPRINT.
    pub(crate) fingerprint: bool,
    /// What the answer is signed by.
    pub(crate) integrity: Integrity,
    pub(crate) part: Part,
    /// Whether it is to have a ticket.
    pub(crate) mobility: Mobility,
}

/// How many permissions and channels an allocation may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) permissions: usize,
    pub(crate) channels: usize,
}

impl Allocation {
    /// A new allocation has no permissions and no channels.
    pub(crate) fn new(
        claim: Claim,
        bound: Bound,
        transport: RelayTransport,
        expires: Duration,
    ) -> Self {
        let Bound { relayed, reserved, bandwidth } = bound;
        let plain = reserved.is_none() && bandwidth.is_unlimited();
        let extra = Extra { reserved, bandwidth, ..Extra::default() };
        let extra = (!plain).then(|| Box::new(extra));
        let (permissions, channels) = Default::default();
        Self { claim, relayed, transport, extra, expires, permissions, channels }
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(crate) fn tuple(&self) -> &FiveTuple {
        &self.claim.tuple
    }

    pub(crate) fn relayed(&self) -> RelayedAddr {
        self.relayed
    }

    pub(crate) fn transport(&self) -> RelayTransport {
        self.transport
    }

    pub(crate) fn reserved(&self) -> Option<ReservationToken> {
        self.extra.as_ref()?.reserved
    }

    /// Whether so many bytes more may be relayed now; then they count.
    #[inline(always)]
    pub(crate) fn affords(&self, now: Duration, bytes: usize) -> bool {
        self.extra.as_ref().is_none_or(|extra| extra.bandwidth.admit(now, bytes))
    }

    /// The other allocation of the same 5-tuple, of the other family.
    pub(crate) fn twin(&self) -> Option<AllocationId> {
        match self.extra.as_ref()?.twin {
            Twin::Is(id) => Some(id),
            Twin::None | Twin::Awaited => None,
        }
    }

    /// Whether the client has not been answered, because the other one is still to come.
    pub(crate) fn awaits_twin(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.twin == Twin::Awaited)
    }

    pub(crate) fn set_twin(&mut self, twin: Twin) {
        self.extra.get_or_insert_default().twin = twin;
    }

    /// The family that was asked for besides and could not be had.
    pub(crate) fn unmet(&self) -> Option<Unmet> {
        self.extra.as_ref()?.unmet
    }

    pub(crate) fn set_unmet(&mut self, unmet: Unmet) {
        self.extra.get_or_insert_default().unmet = Some(unmet);
    }

    pub(crate) fn mover(&self) -> Option<u64> {
        self.extra.as_ref()?.mover
    }

    pub(crate) fn set_mover(&mut self, mover: Option<u64>) {
        self.extra.get_or_insert_default().mover = mover;
    }

    pub(crate) fn set_tuple(&mut self, tuple: FiveTuple) {
        self.claim.tuple = tuple;
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.relayed.0.ip())
    }

    pub(crate) fn expires(&self) -> Duration {
        self.expires
    }

    /// Whether peers at this address have a live permission.
    pub(crate) fn admits(&self, now: Duration, ip: IpAddr) -> bool {
        self.permissions.admit(now, ip)
    }

    /// The peer a channel is bound to.
    pub(crate) fn peer_of(&self, now: Duration, number: ChannelNumber) -> Option<&PeerAddr> {
        self.channels.peer(now, number)
    }

    /// The channel a peer is bound to, port included.
    pub(crate) fn channel_of(&self, now: Duration, peer: &PeerAddr) -> Option<ChannelNumber> {
        self.channels.number(now, peer)
    }

    /// Whether there is anything that [`Path`] tells of: no packet passes through a TCP allocation.
    pub(crate) fn has_paths(&self) -> bool {
        let any = !self.permissions.is_empty() || !self.channels.is_empty();
        any && self.transport == RelayTransport::Udp
    }

    /// Whether [`permit`](Self::permit) would succeed.
    pub(crate) fn may_permit(&self, now: Duration, peers: &[IpAddr], limits: Limits) -> bool {
        self.permissions.has_room(now, peers, limits.permissions)
    }

    /// Gives every one of `peers` a permission, or none of them any (508).
    pub(crate) fn permit(
        &mut self,
        now: Duration,
        peers: &[IpAddr],
        limits: Limits,
        mut tell: impl FnMut(Path, PathChange, Duration),
    ) -> Result<(), Refusal> {
        let end = self.expires;
        self.permissions.install(now, peers, limits.permissions, |ip, before, after| {
            tell_change(Path::Permission(ip), before, after, (end, end), &mut tell);
        })
    }

    /// Binds a channel to a peer and gives the peer a permission, or does neither (508). To be asked
    /// when [`check_channel`](Self::check_channel) is well.
    pub(crate) fn bind_channel(
        &mut self,
        now: Duration,
        number: ChannelNumber,
        peer: PeerAddr,
        limits: Limits,
        mut tell: impl FnMut(Path, PathChange, Duration),
    ) -> Result<(), Refusal> {
        self.channels.check_room(now, number, limits.channels)?;
        self.permit(now, &[peer.0.ip()], limits, &mut tell)?;
        let (before, after) = self.channels.bind(now, number, peer);
        let end = self.expires;
        tell_change(Path::Channel { number, peer }, before, after, (end, end), &mut tell);
        Ok(())
    }

    /// Whether neither the number nor the peer is bound to something else (400).
    pub(crate) fn check_channel(
        &self,
        now: Duration,
        number: ChannelNumber,
        peer: PeerAddr,
    ) -> Result<(), Refusal> {
        match (self.peer_of(now, number), self.channel_of(now, &peer)) {
            (None, None) => Ok(()),
            (Some(bound), _) if *bound == peer => Ok(()),
            _ => Err(Refusal::BadRequest),
        }
    }

    /// Tells of every path as if it had just come to be.
    pub(crate) fn tell_all(&self, now: Duration, mut tell: impl FnMut(Path, PathChange, Duration)) {
        let permissions = self.permissions.live(now).map(|(ip, end)| (Path::Permission(ip), end));
        for (path, end) in permissions.chain(self.channels.live(now)) {
            tell(path, PathChange::Opened, end.min(self.expires));
        }
    }

    /// Moves the end. A path is cut short by its allocation's end, so its own may move too.
    pub(crate) fn prolong(
        &mut self,
        now: Duration,
        expires: Duration,
        mut tell: impl FnMut(Path, PathChange, Duration),
    ) {
        let ends = (self.expires, expires);
        self.expires = expires;
        let permissions = self.permissions.live(now).map(|(ip, end)| (Path::Permission(ip), end));
        let channels = self.channels.live(now);
        for (path, end) in permissions.chain(channels) {
            tell_change(path, Some(end), end, ends, &mut tell);
        }
    }
}

/// Tells of a path whose own end was `before`, if it was there, and is `after` now, in an allocation
/// that ended and ends at `ends`: unless all in all its end is the same.
fn tell_change(
    path: Path,
    before: Option<Duration>,
    after: Duration,
    ends: (Duration, Duration),
    tell: &mut impl FnMut(Path, PathChange, Duration),
) {
    let after = after.min(ends.1);
    match before.map(|before| before.min(ends.0)) {
        None => tell(path, PathChange::Opened, after),
        Some(before) if before != after => tell(path, PathChange::Renewed, after),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Besides it an allocation costs two table entries, a timer, and on the heap its username, a
    /// permission (40 bytes) and a channel (56 bytes).
    #[test]
    fn an_allocation_is_small() {
        assert!(size_of::<Allocation>() <= 272, "{}", size_of::<Allocation>());
    }
}
