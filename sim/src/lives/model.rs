//! A TURN server as RFC 8656 describes it, in a page: who holds what until when, and what follows for a request or a packet. It knows no
//! bytes, no sockets and no shards, and is written from the text of the RFC, not from the server.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hairpin_stun::TransactionId;

/// Of permissions (s9).
const PERMISSION: Duration = Duration::from_secs(300);
/// Of channel bindings (s12).
const CHANNEL: Duration = Duration::from_secs(600);
/// The lifetime of an allocation that asks for none or for less (s7.2).
const DEFAULT_LIFETIME: u32 = 600;

/// What the operator of the server has decided.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The longest lifetime, in seconds.
    pub(super) max_lifetime: u32,
    /// Allocations of one user, and of all.
    pub(super) quotas: [usize; 2],
    pub(super) max_permissions: usize,
    pub(super) max_channels: usize,
    /// Who may be a peer. Relayed addresses of the server may, whether anybody holds them or not.
    pub(super) is_peer: fn(SocketAddr) -> bool,
}

/// A request, authenticated.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) client: SocketAddr,
    /// USERNAME.
    pub(super) username: &'a str,
    /// Whose quota it counts against.
    pub(super) user: u32,
    pub(super) transaction: TransactionId,
    pub(super) method: &'a Asks,
}

#[derive(Clone, Debug)]
pub(super) enum Asks {
    Allocate { lifetime: Option<u32> },
    Refresh { lifetime: u32 },
    Permit(Vec<SocketAddr>),
    Bind { number: u16, peer: SocketAddr },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A new allocation, with this lifetime in seconds; [`Model::allocated`] is to be told where.
    Allocated {
        lifetime: u32,
    },
    /// The allocation that a repeated request has made before.
    Same {
        relayed: SocketAddr,
    },
    /// The lifetime in seconds, 0 for what is gone.
    Refreshed {
        lifetime: u32,
    },
    Done,
    /// An error with one of these codes: where several things are wrong, the RFC does not say which counts.
    Refused(Vec<u16>),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Dropped,
    /// It leaves the server.
    ToPeer {
        from: SocketAddr,
        to: SocketAddr,
    },
    /// It reaches a client on this channel, or in a Data indication.
    ToClient {
        client: SocketAddr,
        channel: Option<u16>,
        peer: SocketAddr,
    },
}

#[derive(Debug)]
struct Allocation {
    username: String,
    user: u32,
    transaction: TransactionId,
    relayed: SocketAddr,
    expires: Duration,
    permissions: BTreeMap<IpAddr, Duration>,
    channels: BTreeMap<u16, (SocketAddr, Duration)>,
}

#[derive(Debug)]
pub(super) struct Model {
    terms: Terms,
    allocations: BTreeMap<SocketAddr, Allocation>,
    by_relayed: BTreeMap<SocketAddr, SocketAddr>,
}

impl Model {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, allocations: BTreeMap::new(), by_relayed: BTreeMap::new() }
    }

    /// Ends what is over. To be called before anything else at a time.
    pub(super) fn pass(&mut self, now: Duration) {
        self.allocations.retain(|_, allocation| now < allocation.expires);
        let allocations = &self.allocations;
        self.by_relayed.retain(|_, client| allocations.contains_key(client));
        for allocation in self.allocations.values_mut() {
            allocation.permissions.retain(|_, expires| now < *expires);
            allocation.channels.retain(|_, (_, expires)| now < *expires);
        }
    }

    pub(super) fn allocations(&self) -> usize {
        self.allocations.len()
    }

    pub(super) fn relayed(&self, client: SocketAddr) -> Option<SocketAddr> {
        self.allocations.get(&client).map(|allocation| allocation.relayed)
    }

    /// Who made the allocation of a 5-tuple: its credentials are good as long as it lives.
    pub(super) fn holder(&self, client: SocketAddr) -> Option<&str> {
        self.allocations.get(&client).map(|allocation| &*allocation.username)
    }

    /// When something of a client's next ends: its allocation, a permission, a channel.
    pub(super) fn ends(&self, client: SocketAddr) -> Vec<Duration> {
        let Some(allocation) = self.allocations.get(&client) else { return Vec::new() };
        let permissions = allocation.permissions.values().copied();
        let channels = allocation.channels.values().map(|(_, expires)| *expires);
        permissions.chain(channels).chain([allocation.expires]).collect()
    }

    /// Peers whom a client may reach, or could a moment ago; at the IP address of a permission any port will do.
    pub(super) fn peers(&self, client: SocketAddr) -> Vec<SocketAddr> {
        let Some(allocation) = self.allocations.get(&client) else { return Vec::new() };
        let permitted = allocation.permissions.keys().map(|ip| SocketAddr::new(*ip, 7000));
        permitted.chain(allocation.channels.values().map(|(peer, _)| *peer)).collect()
    }

    /// Numbers of channels that are bound.
    pub(super) fn numbers(&self, client: SocketAddr) -> Vec<u16> {
        let allocation = self.allocations.get(&client);
        allocation.into_iter().flat_map(|allocation| allocation.channels.keys().copied()).collect()
    }

    pub(super) fn answer(&mut self, now: Duration, asked: &Asked<'_>) -> Answer {
        let Some(allocation) = self.allocations.get(&asked.client) else {
            // s7.2 for Allocate, s5 for everything else.
            return match asked.method {
                Asks::Allocate { lifetime } => self.allocate(asked.user, *lifetime),
                _ => Answer::Refused(vec![437]),
            };
        };
        let is_same_user = allocation.username == asked.username;
        if let Asks::Allocate { .. } = asked.method {
            let repeats = is_same_user && allocation.transaction == asked.transaction;
            return match repeats {
                true => Answer::Same { relayed: allocation.relayed },
                false => Answer::Refused(vec![437]),
            };
        }
        if !is_same_user {
            return Answer::Refused(vec![441]);
        }
        match asked.method {
            Asks::Allocate { .. } => unreachable!("it was answered above"),
            Asks::Refresh { lifetime: 0 } => {
                self.remove(asked.client);
                Answer::Refreshed { lifetime: 0 }
            }
            Asks::Refresh { lifetime } => {
                let lifetime = self.granted(Some(*lifetime));
                let expires = now + Duration::from_secs(lifetime.into());
                self.allocation(asked.client).expires = expires;
                Answer::Refreshed { lifetime }
            }
            Asks::Permit(peers) => self.permit(now, asked.client, peers),
            Asks::Bind { number, peer } => self.bind(now, asked.client, *number, *peer),
        }
    }

    /// Where the allocation is that an [`Answer::Allocated`] was about.
    pub(super) fn allocated(
        &mut self,
        now: Duration,
        asked: &Asked<'_>,
        lifetime: u32,
        relayed: SocketAddr,
    ) {
        let allocation = Allocation {
            username: asked.username.to_owned(),
            user: asked.user,
            transaction: asked.transaction,
            relayed,
            expires: now + Duration::from_secs(lifetime.into()),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        let before = self.by_relayed.insert(relayed, asked.client);
        assert_eq!(before, None, "each allocation has a relayed address of its own");
        assert!(self.allocations.insert(asked.client, allocation).is_none());
    }

    /// A client sends in an indication (s11), or on a channel (s12.6).
    pub(super) fn client_sends(&self, client: SocketAddr, way: Way) -> Fate {
        let Some(allocation) = self.allocations.get(&client) else { return Fate::Dropped };
        let peer = match way {
            Way::Indication(peer) => peer,
            Way::Channel(number) => match allocation.channels.get(&number) {
                Some((peer, _)) => *peer,
                None => return Fate::Dropped,
            },
        };
        let from = allocation.relayed;
        if !allocation.permissions.contains_key(&peer.ip()) {
            Fate::Dropped
        } else if peer.ip() == from.ip() {
            // Another allocation here, or nobody: it leaves no server.
            self.peer_sends(peer, from)
        } else {
            Fate::ToPeer { from, to: peer }
        }
    }

    /// A packet comes to a relayed address (s11.3, s12.7).
    pub(super) fn peer_sends(&self, relayed: SocketAddr, peer: SocketAddr) -> Fate {
        let Some(client) = self.by_relayed.get(&relayed) else { return Fate::Dropped };
        let allocation = &self.allocations[client];
        if !allocation.permissions.contains_key(&peer.ip()) {
            return Fate::Dropped;
        }
        let mut channels = allocation.channels.iter();
        let channel = channels.find(|(_, (bound, _))| *bound == peer).map(|(number, _)| *number);
        Fate::ToClient { client: *client, channel, peer }
    }

    fn allocate(&self, user: u32, lifetime: Option<u32>) -> Answer {
        let [of_user, of_all] = self.terms.quotas;
        let held = self.allocations.values().filter(|allocation| allocation.user == user).count();
        if held >= of_user || self.allocations.len() >= of_all {
            return Answer::Refused(vec![486]);
        }
        Answer::Allocated { lifetime: self.granted(lifetime) }
    }

    fn permit(&mut self, now: Duration, client: SocketAddr, peers: &[SocketAddr]) -> Answer {
        let mut wrong = self.wrong_peers(client, peers);
        let allocation = &self.allocations[&client];
        let mut permissions = allocation.permissions.clone();
        permissions.extend(peers.iter().map(|peer| (peer.ip(), now + PERMISSION)));
        if permissions.len() > self.terms.max_permissions {
            wrong.push(508);
        }
        self.done(wrong, client, |allocation| allocation.permissions = permissions)
    }

    fn bind(&mut self, now: Duration, client: SocketAddr, number: u16, peer: SocketAddr) -> Answer {
        let mut wrong = self.wrong_peers(client, &[peer]);
        let allocation = &self.allocations[&client];
        let clashes = |(&other, &(bound, _)): (&u16, &(SocketAddr, Duration))| {
            (other == number) != (bound == peer)
        };
        if !(0x4000..=0x4FFF).contains(&number) || allocation.channels.iter().any(clashes) {
            wrong.push(400);
        }
        let mut channels = allocation.channels.clone();
        channels.insert(number, (peer, now + CHANNEL));
        let mut permissions = allocation.permissions.clone();
        permissions.insert(peer.ip(), now + PERMISSION);
        let Terms { max_channels, max_permissions, .. } = self.terms;
        if channels.len() > max_channels || permissions.len() > max_permissions {
            wrong.push(508);
        }
        self.done(wrong, client, |allocation| {
            (allocation.channels, allocation.permissions) = (channels, permissions);
        })
    }

    /// What is wrong with peers: their family (443), or that they are nobody's to talk to (403).
    fn wrong_peers(&self, client: SocketAddr, peers: &[SocketAddr]) -> Vec<u16> {
        let family = self.allocations[&client].relayed.is_ipv4();
        let wrong = |peer: &SocketAddr| match peer.is_ipv4() == family {
            false => Some(443),
            true => (!(self.terms.is_peer)(*peer)).then_some(403),
        };
        peers.iter().filter_map(wrong).collect()
    }

    fn done(
        &mut self,
        wrong: Vec<u16>,
        client: SocketAddr,
        change: impl FnOnce(&mut Allocation),
    ) -> Answer {
        if !wrong.is_empty() {
            return Answer::Refused(wrong);
        }
        change(self.allocation(client));
        Answer::Done
    }

    fn granted(&self, lifetime: Option<u32>) -> u32 {
        lifetime.unwrap_or(0).clamp(DEFAULT_LIFETIME, self.terms.max_lifetime)
    }

    fn allocation(&mut self, client: SocketAddr) -> &mut Allocation {
        self.allocations.get_mut(&client).expect("its client was found")
    }

    fn remove(&mut self, client: SocketAddr) {
        if let Some(allocation) = self.allocations.remove(&client) {
            self.by_relayed.remove(&allocation.relayed);
        }
    }
}

/// How a client sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Indication(SocketAddr),
    Channel(u16),
}
