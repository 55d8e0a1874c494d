//! What every client is held to.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hairpin_stun::{AttributeType, ChannelNumbers, Message, TransactionId};

use crate::allocation::Limits;
use crate::own_addresses::Standing;
use crate::shared::Scope;
use crate::{
    ConnectReach, Family, Mobility, OwnAddresses, PeerAddr, Refusal, RelayTransport,
    RelayedAddresses, Rules, TcpRelay, Transport, User,
};

/// The lifetime of an allocation that asks for none, and the least one gets (RFC 8656 s7.2).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// The operator's settings and our own addresses, and what follows from them.
pub(crate) struct Terms {
    rules: Arc<Rules>,
    own: Arc<OwnAddresses>,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Through a relay socket.
    Network,
    /// Through the shared address, or to somebody else at it.
    Shared,
    /// It is a relayed address of ours, of a live allocation or not.
    Ourselves,
    /// Not at all.
    Denied,
}

impl Terms {
    pub(crate) fn new(rules: Arc<Rules>, own: Arc<OwnAddresses>) -> Self {
        Self { rules, own }
    }

    pub(crate) fn set_own_addresses(&mut self, own: Arc<OwnAddresses>) {
        self.own = own;
    }

    /// Checks that relayed addresses of a family can be had (440).
    pub(crate) fn check_family(&self, family: Family) -> Result<(), Refusal> {
        match self.own.relays(family) {
            true => Ok(()),
            false => Err(Refusal::AddressFamilyNotSupported),
        }
    }

    /// Checks that a client which is here by `transport` may have a TCP allocation: 442 where there
    /// are none, 400 where it has no stream (RFC 6062 s5.1).
    pub(crate) fn check_tcp_relay(&self, transport: Transport) -> Result<(), Refusal> {
        match self.rules.tcp_relay {
            TcpRelay::Off => Err(Refusal::UnsupportedTransport),
            // Connections to one address are told apart by nothing.
            TcpRelay::On if self.own.relayed() == RelayedAddresses::Shared => {
                Err(Refusal::UnsupportedTransport)
            }
            TcpRelay::On if !transport.is_stream() => Err(Refusal::BadRequest),
            TcpRelay::On => Ok(()),
        }
    }

    /// Checks that an allocation may move (405). Over DTLS none can: a session stays where it began.
    pub(crate) fn check_mobility(
        &self,
        transport: Transport,
        towards_peers: RelayTransport,
    ) -> Result<(), Refusal> {
        let can_move = self.rules.mobility == Mobility::On
            && transport != Transport::Dtls
            && towards_peers == RelayTransport::Udp
            && self.own.relayed() == RelayedAddresses::Unique;
        if can_move { Ok(()) } else { Err(Refusal::MobilityForbidden) }
    }

    /// The ticket of a Refresh, where there are any. Elsewhere the attribute says nothing.
    pub(crate) fn ticket<'m>(&self, message: &Message<'m>) -> Option<&'m [u8]> {
        let ticket = message.get(AttributeType::MOBILITY_TICKET)?;
        (self.rules.mobility == Mobility::On).then_some(ticket)
    }

    /// Connections to peers that one allocation may hold.
    pub(crate) fn max_peer_connections(&self) -> usize {
        self.rules.max_peer_connections
    }

    /// Where a connection to a peer may go that has passed [`check_peer`](Self::check_peer).
    pub(crate) fn connect_reach(&self, peer: PeerAddr) -> ConnectReach {
        match self.reach(&peer) {
            Reach::Ourselves if self.allows_explicitly(peer.0.ip()) => ConnectReach::Either,
            Reach::Ourselves => ConnectReach::Ourselves,
            // The last does not come to this: where all share an address there are no TCP allocations.
            Reach::Network | Reach::Denied | Reach::Shared => ConnectReach::Network,
        }
    }

    /// The lifetime a LIFETIME attribute gets, which need not be the one it asks for (RFC 8656
    /// s7.2).
    pub(crate) fn granted_lifetime(&self, requested: Option<Duration>) -> Duration {
        let wanted = requested.unwrap_or(DEFAULT_LIFETIME).max(DEFAULT_LIFETIME);
        wanted.min(self.rules.max_allocate_lifetime)
    }

    /// Whose quota a username counts against.
    pub(crate) fn user_of(&self, username: &str) -> User {
        self.rules.credentials.user_of(username)
    }

    /// The session that a username was issued for.
    pub(crate) fn scope_of(&self, username: &str) -> Option<Scope> {
        self.rules.credentials.scope_of(username)
    }

    /// Whether another server is to serve the client (300).
    pub(crate) fn check_alternate(
        &self,
        client: SocketAddr,
        transaction: TransactionId,
    ) -> Result<(), Refusal> {
        match self.rules.alternate_server(client, transaction) {
            None => Ok(()),
            Some(_) => Err(Refusal::TryAlternate),
        }
    }

    pub(crate) fn channel_numbers(&self) -> ChannelNumbers {
        self.rules.channel_numbers
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { permissions: self.rules.max_permissions, channels: self.rules.max_channels }
    }

    /// Checks that a peer may be talked to over an allocation of `family` (RFC 8656 s12.2): 443,
    /// 403.
    pub(crate) fn check_peer(&self, peer: PeerAddr, family: Family) -> Result<(), Refusal> {
        if Family::of(peer.0.ip()) != family {
            return Err(Refusal::PeerAddressFamilyMismatch);
        }
        let open = match self.own.classify(peer.0) {
            None => self.allows(peer.0.ip()),
            // Packets for our relayed addresses go to live allocations and nowhere else.
            Some(Standing::Relayed) => true,
            Some(Standing::Other) => self.allows_explicitly(peer.0.ip()),
            Some(Standing::Listener) => false,
        };
        if open { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// The same for a permission, which is for all ports of an address (RFC 8656 s10.2). Who names
    /// port 0 may mean our relayed addresses.
    pub(crate) fn check_permission(&self, peer: PeerAddr, family: Family) -> Result<(), Refusal> {
        let any_port = peer.0.port() == 0 && self.own.relays_at(peer.0.ip());
        self.check_peer(peer, family).or_else(|refusal| match refusal {
            Refusal::Forbidden if any_port => Ok(()),
            _ => Err(refusal),
        })
    }

    /// The part of [`check_permission`](Self::check_permission) that another port of the same IP
    /// address may fail.
    pub(crate) fn check_port(&self, peer: PeerAddr, family: Family) -> Result<(), Refusal> {
        match self.own.classify(peer.0) {
            None => Ok(()),
            Some(_) => self.check_permission(peer, family),
        }
    }

    /// How a peer is reached that has a permission, which is for all ports of an address and may
    /// have been given to another one.
    #[inline(always)]
    pub(crate) fn reach(&self, peer: &PeerAddr) -> Reach {
        let network = match self.own.relayed() {
            RelayedAddresses::Unique => Reach::Network,
            RelayedAddresses::Shared => Reach::Shared,
        };
        match self.own.classify(peer.0) {
            None => network,
            Some(Standing::Relayed) if network == Reach::Shared => Reach::Shared,
            Some(Standing::Relayed) => Reach::Ourselves,
            Some(Standing::Other) if self.allows_explicitly(peer.0.ip()) => network,
            Some(Standing::Listener | Standing::Other) => Reach::Denied,
        }
    }

    /// Whether the policy has one of our own addresses as an ordinary peer.
    pub(crate) fn allows_explicitly(&self, ip: IpAddr) -> bool {
        self.rules.policy.allows_explicitly(ip)
    }

    /// Whether the policy has somebody else's address as an ordinary peer.
    fn allows(&self, ip: IpAddr) -> bool {
        self.rules.policy.allows(ip)
    }
}
