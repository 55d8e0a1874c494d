//! Packets from and to the address that all allocations share.

use std::net::SocketAddr;

use hairpin_stun::{AttributeType, Class, FirstByte, Message, Method};
use hairpin_turn::shared::{Outbound, Parties, Party, Unrouted};
use hairpin_turn::{
    AllocationId, BindError, Bound, FiveTuple, Forward, Now, Owner, PacketBuf, PeerAddr, Wanted,
    WantedPort,
};

use super::super::gathered::Route;
use super::super::parcel::Way;
use super::super::routes::{Arrival, Routes, Senders, Token};
use super::super::shared::{Lent, SharedRelay};
use super::super::streams::Streams;
use super::Shard;
use crate::metrics::{Direction, DropReason};

/// The sockets of a shard.
pub(in super::super) struct Sockets {
    pub(in super::super) routes: Routes,
    pub(in super::super) shared: Option<SharedRelay>,
    pub(in super::super) streams: Streams,
}

/// Whether STUN is ICE's: a Binding request of short-term credentials, or an answer. A server is asked for an address without.
fn is_ice(payload: &[u8]) -> bool {
    let Ok(message) = Message::parse(payload) else { return false };
    let is_check = || message.get(AttributeType::USERNAME).is_some();
    match message.class() {
        Class::Request => message.method() == Method::BINDING && is_check(),
        Class::Success | Class::Error => true,
        Class::Indication => false,
    }
}

/// Where a packet goes that an allocation sends.
pub(super) enum Onward<'p> {
    /// Out of the shared socket.
    Out(Route, &'p [u8]),
    /// To a client of this shard.
    Here(Forward<'p>),
}

impl Shard {
    /// What an event about a socket brings.
    pub(super) fn arrival(&self, token: Token) -> Option<Arrival> {
        let Token::Shared(place) = token else { return self.routes.arrival(token) };
        let socket = self.shared.as_ref()?.socket(place)?.clone();
        Some(Arrival { socket, from: Senders::Shared })
    }

    /// Whether what comes to a listener that is also the shared address is from a peer: a check or its answer, or data from
    /// whom an allocation is tied to, unless it is ChannelData of a client that has an allocation.
    pub(super) fn is_for_allocations(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        payload: &[u8],
    ) -> bool {
        let Some(shared) = self.shared.as_mut().filter(|s| s.lent() == Lent::ByListeners) else {
            return false;
        };
        match payload.first().copied().map(FirstByte::of) {
            Some(FirstByte::Stun) => is_ice(payload),
            Some(FirstByte::ChannelData) if self.core.allocated_until(now, tuple).is_some() => {
                false
            }
            _ => shared.is_tied(tuple.client),
        }
    }

    /// A datagram from a peer. What comes back is for a client of this shard.
    pub(super) fn receive_shared<'b>(
        &mut self,
        now: Now,
        peer: SocketAddr,
        traffic_class: u8,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        let shared = self.shared.as_mut()?;
        match shared.receivers(now.monotonic, peer, packet.payload()) {
            Ok(parties) => {
                let way = |id| Way::Peer { id, peer };
                let id = self.hand_over(parties, traffic_class, packet.payload(), way)?;
                self.core.handle_peer(now, id, PeerAddr(peer), packet)
            }
            Err(reason) => self.unrouted(reason),
        }
    }

    /// What a client's allocation sends.
    pub(super) fn route_shared<'p>(
        &mut self,
        now: Now,
        via: AllocationId,
        to: PeerAddr,
        traffic_class: u8,
        forward: Forward<'p>,
    ) -> Option<Onward<'p>> {
        let Self { core, shared, .. } = self;
        let shared = shared.as_mut()?;
        let to = shared.canonical(to.0);
        let scope = || core.scope(via);
        match shared.outbound(now.monotonic, via, scope, to, forward.payload()) {
            Ok(Outbound::ToPeer) => {
                let route = shared.route(to, forward.fragmentation)?;
                self.metrics.forwarded(Direction::ToPeer, forward.wire_len());
                Some(Onward::Out(route, forward.into_bytes()))
            }
            Ok(Outbound::Here(parties)) => {
                let way = |id| Way::Partner { id, shared: to };
                let id = self.hand_over(parties, traffic_class, forward.payload(), way)?;
                let packet = forward.into_packet();
                self.core.handle_partner(now, id, PeerAddr(to), packet).map(Onward::Here)
            }
            Err(reason) => self.unrouted(reason),
        }
    }

    /// The one allocation of this shard's that a packet is for; or it is handed over to all that it is for.
    fn hand_over(
        &mut self,
        parties: Parties,
        traffic_class: u8,
        payload: &[u8],
        way: impl Fn(AllocationId) -> Way,
    ) -> Option<AllocationId> {
        let mut all = parties.iter();
        if let (Some(Party { shard, id }), None) = (all.next(), all.next())
            && usize::from(shard) == self.index
        {
            return Some(id);
        }
        for Party { shard, id } in parties.iter() {
            self.outbox.push(usize::from(shard), way(id), traffic_class, payload);
        }
        None
    }

    /// The shared address, which is there already, for an allocation that wants no particular port.
    pub(super) fn bind_shared(&self, wanted: Wanted, owner: &Owner) -> Result<Bound, BindError> {
        let shared = self.shared.as_ref().filter(|_| wanted.port == WantedPort::Any);
        let relayed = shared.and_then(|shared| shared.relayed(wanted.family));
        let relayed = relayed.ok_or(BindError::Capacity)?;
        self.context.take_quota(owner)?;
        Ok(Bound { bandwidth: self.context.bandwidth(&owner.user), ..Bound::from(relayed) })
    }

    fn unrouted<T>(&self, reason: Unrouted) -> Option<T> {
        use hairpin_turn::DropReason as Core;
        let reason = match reason {
            Unrouted::Malformed => DropReason::Core(Core::Malformed),
            Unrouted::Unexpected => DropReason::Core(Core::Unexpected),
            Unrouted::NobodyThere => DropReason::NobodyThere,
            Unrouted::NotTied => DropReason::NotTied,
            Unrouted::TooOften => DropReason::TooOften,
        };
        self.metrics.dropped(reason, 1);
        None
    }
}
