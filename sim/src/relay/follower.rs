//! Somebody who knows of a server's paths what it tells, and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hairpin_stun::{
    AttributeType, ChannelData, ChannelNumber, ChannelNumbers, Message, Method, decode,
};
use hairpin_turn::{
    AllocationId, DropReason, Family, FiveTuple, Output, Path, PathChange, PeerAddr, RelayedAddr,
    Target,
};

/// Hears [`Output::Path`] and [`Output::PathClosed`], and checks of each packet that the server does
/// what follows from them. A kernel's data plane would know no more.
#[derive(Debug, Default)]
pub struct Follower {
    allocations: BTreeMap<AllocationId, Followed>,
    by_tuple: BTreeMap<(FiveTuple, Family), AllocationId>,
    by_relayed: BTreeMap<RelayedAddr, AllocationId>,
}

#[derive(Debug)]
struct Followed {
    tuple: FiveTuple,
    relayed: RelayedAddr,
    permissions: BTreeMap<IpAddr, Duration>,
    channels: BTreeMap<ChannelNumber, (PeerAddr, Duration)>,
}

/// What a server has done with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It has passed it on, with this in front.
    On { to: Target, head: Vec<u8> },
    /// It has dropped it. No reason is given for what was no packet to pass on.
    Not(Option<DropReason>),
}

impl Follower {
    pub(crate) fn hear(&mut self, now: Duration, output: &Output) {
        match output {
            Output::Path { id, tuple, relayed, path, change, expires } => {
                assert!(now < *expires, "a path that is told of lives");
                let live = self.followed(now, *id, *tuple, *relayed).set(now, *path, *expires);
                match change {
                    PathChange::Opened => assert_eq!(live, None, "{path:?} was open"),
                    PathChange::Renewed => {
                        assert!(live.is_some_and(|old| old != *expires), "{path:?}: {live:?}");
                    }
                }
            }
            Output::PathClosed { id } => {
                let followed = self.allocations.remove(id).expect("there are paths to close");
                // Its client may have moved, and others come in its place.
                let family = Family::of(followed.relayed.0.ip());
                self.by_tuple.remove(&(followed.tuple, family));
            }
            _ => {}
        }
    }

    /// Checks what the server did with a client's packet.
    pub(crate) fn check_client(
        &self,
        now: Duration,
        tuple: &FiveTuple,
        packet: &[u8],
        passed: &Passed,
    ) {
        let expected = self.peer_of(now, tuple, packet);
        match passed {
            Passed::On { to: Target::Peer { to, .. }, head } => {
                assert_eq!(expected.map(|(_, peer)| peer), Some(*to));
                assert!(head.is_empty());
            }
            Passed::On { to: Target::Hairpin { to, from, .. }, head } => {
                assert_eq!(expected, Some((*from, PeerAddr(to.0))));
                assert!(head.is_empty());
            }
            Passed::On { to: Target::Shared { .. }, .. } => panic!("no address is shared here"),
            Passed::On { to: Target::Client { .. }, .. } => {
                let (from, to) = expected.expect("a path for what is passed on");
                self.check_peer(now, RelayedAddr(to.0), PeerAddr(from.0), passed);
            }
            Passed::Not(Some(DropReason::NoAllocation | DropReason::NoChannel)) => {
                assert_eq!(expected, None, "dropped, although there is a path");
            }
            Passed::Not(Some(DropReason::NoPermission)) => {
                // A peer of ours, whose own client lets nobody in.
                let refused = |(from, to): (RelayedAddr, PeerAddr)| {
                    let ours = to.0.ip() == from.0.ip();
                    ours && self.client_of(now, RelayedAddr(to.0), PeerAddr(from.0)).is_none()
                };
                assert!(expected.is_none_or(refused), "dropped, although there is a path");
            }
            // Malformed, or for a peer that has no path for other reasons than these.
            Passed::Not(_) => {}
        }
    }

    /// Checks what the server did with a packet from a peer to a relayed address.
    pub(crate) fn check_peer(
        &self,
        now: Duration,
        relayed: RelayedAddr,
        peer: PeerAddr,
        passed: &Passed,
    ) {
        let expected = self.client_of(now, relayed, peer);
        match passed {
            Passed::On { to: Target::Client { tuple, .. }, head } => {
                let channel = match head[..] {
                    [n0, n1, _, _] => ChannelNumbers::Rfc5766.number(u16::from_be_bytes([n0, n1])),
                    _ => None,
                };
                assert_eq!(expected, Some((*tuple, channel)));
            }
            Passed::On { to, .. } => panic!("a peer's packet to {to:?}"),
            Passed::Not(Some(DropReason::TooLong | DropReason::BandwidthLimit)) => {}
            Passed::Not(_) => assert_eq!(expected, None, "dropped, although there is a path"),
        }
    }

    /// The relayed address and the peer of a client's packet.
    fn peer_of(
        &self,
        now: Duration,
        tuple: &FiveTuple,
        packet: &[u8],
    ) -> Option<(RelayedAddr, PeerAddr)> {
        let of_family =
            |family| self.by_tuple.get(&(*tuple, family)).and_then(|id| self.allocations.get(id));
        let both = || [Family::V4, Family::V6].into_iter().filter_map(of_family);
        let (followed, peer) = match ChannelData::parse_under(ChannelNumbers::Rfc5766, packet) {
            Ok(data) => both().find_map(|one| Some((one, one.channel(now, data.number)?)))?,
            Err(_) => {
                let peer = sent_to(packet)?;
                (of_family(Family::of(peer.0.ip()))?, peer)
            }
        };
        followed.permits(now, peer).then_some((followed.relayed, peer))
    }

    /// The client of a peer's packet, and the channel in which it comes.
    fn client_of(
        &self,
        now: Duration,
        relayed: RelayedAddr,
        peer: PeerAddr,
    ) -> Option<(FiveTuple, Option<ChannelNumber>)> {
        let followed = self.allocations.get(self.by_relayed.get(&relayed)?)?;
        let mut channels = followed.channels.iter();
        let bound = channels.find(|(_, (bound, expires))| *bound == peer && now < *expires);
        let permits = followed.permits(now, peer);
        permits.then_some((followed.tuple, bound.map(|(number, _)| *number)))
    }

    /// An allocation that is told of. Whatever had its 5-tuple or its address before is over.
    fn followed(
        &mut self,
        now: Duration,
        id: AllocationId,
        tuple: FiveTuple,
        relayed: RelayedAddr,
    ) -> &mut Followed {
        let family = Family::of(relayed.0.ip());
        let before =
            [self.by_tuple.insert((tuple, family), id), self.by_relayed.insert(relayed, id)];
        for before in before.into_iter().flatten().filter(|before| *before != id) {
            if let Some(followed) = self.allocations.remove(&before) {
                assert!(!followed.is_live(now), "two allocations in one place");
            }
        }
        let (permissions, channels) = (BTreeMap::new(), BTreeMap::new());
        let new = Followed { tuple, relayed, permissions, channels };
        self.allocations.entry(id).or_insert(new)
    }
}

impl Followed {
    /// Gives a path an end, and returns the one it had if it was not over.
    fn set(&mut self, now: Duration, path: Path, expires: Duration) -> Option<Duration> {
        let old = match path {
            Path::Permission(ip) => self.permissions.insert(ip, expires),
            Path::Channel { number, peer } => {
                let live = |at: Duration| now < at;
                let others = self.channels.iter().filter(|(_, (_, expires))| live(*expires));
                let clash = |&(n, (p, _)): &(&ChannelNumber, &(PeerAddr, Duration))| {
                    (*n == number) != (*p == peer)
                };
                assert_eq!(others.filter(clash).count(), 0, "numbers and peers are one to one");
                self.channels.insert(number, (peer, expires)).map(|(_, expires)| expires)
            }
        };
        old.filter(|old| now < *old)
    }

    fn channel(&self, now: Duration, number: ChannelNumber) -> Option<PeerAddr> {
        let (peer, expires) = self.channels.get(&number)?;
        (now < *expires).then_some(*peer)
    }

    fn permits(&self, now: Duration, peer: PeerAddr) -> bool {
        self.permissions.get(&peer.0.ip()).is_some_and(|expires| now < *expires)
    }

    fn is_live(&self, now: Duration) -> bool {
        self.permissions.values().any(|expires| now < *expires)
    }
}

/// The peer in a Send indication.
fn sent_to(packet: &[u8]) -> Option<PeerAddr> {
    let message = Message::parse(packet).ok().filter(|m| m.method() == Method::SEND)?;
    let peer = message.get(AttributeType::XOR_PEER_ADDRESS)?;
    decode::xor_address(peer, message.transaction_id()).map(PeerAddr)
}
