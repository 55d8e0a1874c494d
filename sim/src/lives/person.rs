//! Somebody with a TURN client: what it does next is chance, steered to where rules change.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hairpin_stun::{Class, Key, TransactionId, Writer};
use hairpin_turn::{Transport, rest_credentials};

use super::model::{Asked, Asks, Model, Way};
use super::unix;
use crate::Rng;
use crate::client::Client;
use crate::relay::{REALM, SECRET, SERVER_V4, SERVER_V6};
use crate::request::{Allocate, Request, build, send_indication};
use crate::shards::{self, PORTS};

/// What somebody does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Whatever chance says.
    Live,
    Nothing,
    Ask(Asks, Proof),
    /// The same bytes again.
    Repeat(Box<Signed>),
    Send(Way, Vec<u8>),
    /// A peer sends.
    Receive {
        peer: SocketAddr,
        relayed: SocketAddr,
        payload: Vec<u8>,
    },
}

/// Whose name a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Own,
    /// Somebody else's, who is just as good, from the same 5-tuple.
    Other,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) client: SocketAddr,
    pub(super) username: String,
    pub(super) user: u32,
    /// When its credential expires, in Unix seconds.
    pub(super) expires: u64,
    /// When its nonce was issued, in Unix seconds; without one it is not signed.
    pub(super) nonce_issued: Option<u64>,
    pub(super) key: Key,
    pub(super) transaction: TransactionId,
    pub(super) asks: Asks,
    pub(super) bytes: Vec<u8>,
}

impl Signed {
    pub(super) fn asked(&self) -> Asked<'_> {
        let Self { client, username, user, transaction, asks, .. } = self;
        let (client, user, transaction) = (*client, *user, *transaction);
        Asked { client, username, user, transaction, method: asks }
    }
}

/// Somebody at an address. It knows what it has asked for, and asks the model where rules are about to change.
pub(super) struct Person {
    pub(super) client: Client,
    index: usize,
    /// How many were at this place before.
    generation: u16,
    user: u32,
    /// When its credential expires, in Unix seconds.
    expires: u64,
    nonce_issued: Option<u64>,
}

impl Person {
    /// The first at a place, over which people and users are spread evenly.
    pub(super) fn new(index: usize, people: usize, rng: &mut Rng) -> Self {
        let user = rng.below(users(people)) as u32;
        Self::at(index, 0, user)
    }

    /// Who comes after this one: at the same address, as behind a NAT, or at another.
    pub(super) fn after(&self, people: usize, rng: &mut Rng) -> Self {
        let generation = self.generation + rng.below(2) as u16;
        Self::at(self.index, generation % 100, rng.below(users(people)) as u32)
    }

    fn at(index: usize, generation: u16, user: u32) -> Self {
        let mut client = Client::new(1 + (index % 250) as u8, Transport::Udp, "", "");
        client.tuple.client.set_port(10_000 + 100 * (index / 250) as u16 + generation);
        // Without a credential, the first request is not signed.
        Self { client, index, generation, user, expires: 0, nonce_issued: None }
    }

    /// A 401 or 438 has come.
    pub(super) fn challenged(&mut self, nonce: &[u8], unix: u64, rng: &mut Rng) {
        self.client.nonce = nonce.into();
        self.nonce_issued = Some(unix);
        if self.expires <= unix {
            self.expires = unix + [600, 4000, 86_400][rng.below(3) as usize];
            let (username, key) = credential(self.user, self.expires);
            (self.client.username, self.client.key) = (username, key);
        }
    }

    /// The bytes of a request, signed as far as it can be.
    pub(super) fn request(&mut self, asks: &Asks, proof: Proof) -> Signed {
        let mut client = self.client.clone();
        let (mut user, mut expires) = (self.user, self.expires);
        if proof == Proof::Other {
            (user, expires) = (self.user + 1, unix(Duration::from_secs(100_000_000)));
            (client.username, client.key) = credential(user, expires);
        }
        let (transaction, request) = (self.client.transaction(), wire(asks));
        let write = |writer: &mut Writer<'_>| request.write(writer);
        let bytes = match self.nonce_issued {
            Some(_) => client.signed(request.method(), transaction, write),
            None => build(Class::Request, request.method(), transaction, write),
        };
        Signed {
            client: client.tuple.client,
            username: client.username,
            user,
            expires,
            nonce_issued: self.nonce_issued,
            key: client.key,
            transaction,
            asks: asks.clone(),
            bytes,
        }
    }

    pub(super) fn send_indication(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        send_indication(self.client.transaction(), peer, payload)
    }

    /// What it does now.
    pub(super) fn next(&self, model: &Model, known: &[SocketAddr], rng: &mut Rng) -> Act {
        let client = self.client.tuple.client;
        let relayed = model.relayed(client);
        let is_new = self.nonce_issued.is_none() || relayed.is_none() && rng.below(8) != 0;
        let place = place(known, rng);
        // Mostly somebody it may talk to, so that packets pass.
        let (peers, numbers) = (model.peers(client), model.numbers(client));
        let peer = one_of(&peers, rng).filter(|_| rng.below(4) != 0).unwrap_or(place);
        let bound = one_of(&numbers, rng).filter(|_| rng.below(4) != 0);
        let bound = bound.unwrap_or(0x4000 + rng.below(6) as u16);
        let proof = if rng.below(30) == 0 { Proof::Other } else { Proof::Own };
        match rng.below(100) {
            _ if is_new => Act::Ask(Asks::Allocate { lifetime: lifetime(rng) }, proof),
            0..2 => Act::Ask(Asks::Allocate { lifetime: lifetime(rng) }, proof),
            2..12 => Act::Ask(Asks::Refresh { lifetime: lifetime(rng).unwrap_or(600) }, proof),
            12..13 => Act::Ask(Asks::Refresh { lifetime: 0 }, proof),
            13..27 => {
                let mut peers = vec![place];
                peers.extend((0..rng.below(6)).map(|_| self::place(known, rng)));
                Act::Ask(Asks::Permit(peers), proof)
            }
            27..42 => Act::Ask(Asks::Bind { number: number(rng), peer: place }, proof),
            42..61 => Act::Send(Way::Indication(peer), payload(rng)),
            61..80 => Act::Send(Way::Channel(bound), payload(rng)),
            _ => {
                let mine = relayed.filter(|_| rng.below(8) != 0);
                let relayed = mine.or_else(|| any(known, rng));
                // What comes from an address of the server's own comes from no network.
                let peer = if peer.ip() == SERVER_V4 { outside(rng) } else { peer };
                match relayed {
                    Some(relayed) => Act::Receive { peer, relayed, payload: payload(rng) },
                    None => Act::Nothing,
                }
            }
        }
    }

    /// How long it waits then: often until something of its ends, to the moment, or just before.
    pub(super) fn pause(&self, model: &Model, now: Duration, rng: &mut Rng) -> Duration {
        let mut ends = model.ends(self.client.tuple.client);
        ends.retain(|end| *end > now);
        let next = one_of(&ends, rng);
        match (rng.below(16), next) {
            (0, Some(end)) => end - now,
            (1, Some(end)) => (end - now).saturating_sub(Duration::from_millis(1)),
            (2, _) => Duration::from_millis(rng.below(700_000)),
            (_, None) => Duration::from_millis(rng.below(200_000)),
            (_, Some(_)) => Duration::from_millis(rng.below(60_000)),
        }
    }
}

/// Whether the terms of a server in the simulation let anybody talk to this address.
pub(super) fn is_peer(peer: SocketAddr) -> bool {
    match peer.ip() {
        ip if ip == SERVER_V4 => PORTS.contains(&peer.port()),
        IpAddr::V4(ip) => ip.octets()[..3] == [198, 51, 100],
        IpAddr::V6(_) => true,
    }
}

/// Fewer than there are people, so that some are over their quota.
fn users(people: usize) -> u64 {
    (people as u64 / 3).max(1)
}

fn credential(user: u32, expires: u64) -> (String, Key) {
    let issued = rest_credentials(SECRET, &format!("user {user}"), expires);
    let key = Key::long_term(&issued.username, REALM, &issued.password);
    (issued.username, key)
}

fn wire(asks: &Asks) -> Request {
    match asks {
        Asks::Allocate { lifetime } => {
            Request::Allocate(Allocate { lifetime: *lifetime, ..Allocate::default() })
        }
        Asks::Refresh { lifetime } => Request::Refresh(*lifetime),
        Asks::Permit(peers) => Request::Permit(peers.clone()),
        Asks::Bind { number, peer } => Request::BindChannel { number: *number, peer: *peer },
    }
}

fn lifetime(rng: &mut Rng) -> Option<u32> {
    [None, Some(1), Some(600), Some(700), Some(1800), Some(3600), Some(7200)][rng.below(7) as usize]
}

/// Few enough that they are often bound already, and now and then none that may be.
fn number(rng: &mut Rng) -> u16 {
    match rng.below(24) {
        0 => [0, 0x3FFF, 0x8000, 0xFFFF][rng.below(4) as usize],
        _ => 0x4000 + rng.below(6) as u16,
    }
}

fn payload(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(24)).map(|_| rng.next_u64() as u8).collect()
}

/// Somebody out there: there are more than an allocation may have permissions for.
fn outside(rng: &mut Rng) -> SocketAddr {
    let host = 1 + rng.below(11) as u8;
    (Ipv4Addr::new(198, 51, 100, host), 7000 + rng.below(2) as u16).into()
}

/// Somebody to talk to: out there, another allocation here, or what no one may talk to.
fn place(known: &[SocketAddr], rng: &mut Rng) -> SocketAddr {
    match rng.below(40) {
        0 => (Ipv4Addr::new(10, 0, 0, 5), 7000).into(),
        1 => shards::SERVER,
        2 => (SERVER_V6, 50_000).into(),
        3..18 => any(known, rng).unwrap_or_else(|| outside(rng)),
        _ => outside(rng),
    }
}

/// One of the addresses that were relayed last.
fn any(known: &[SocketAddr], rng: &mut Rng) -> Option<SocketAddr> {
    one_of(&known[known.len().saturating_sub(40)..], rng)
}

fn one_of<T: Copy>(all: &[T], rng: &mut Rng) -> Option<T> {
    let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
    Some(all[rng.below(count) as usize])
}
