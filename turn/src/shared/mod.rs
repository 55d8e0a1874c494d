//! One relayed transport address for all allocations: who of them gets what arrives there.
//!
//! "The relayed transport addresses MUST be unique across all allocations" (RFC 8656 s3); here they are all the same, for
//! clients that speak ICE, because an operator has few ports. ICE says in its checks whose they are, and nothing else is
//! believed:
//!
//! - An allocation *claims* a pair of fragments by a check of its own (`USERNAME` is the receiver's fragment, a colon, the
//!   sender's; RFC 8445 s7.2.2). A check of a peer goes to the claimants of its pair, each of them, so that claiming
//!   somebody's pair first keeps nothing from its owner.
//! - An answer goes to the allocation that asked this address with this transaction id.
//! - An allocation is *tied* to an address when that has answered a check of the allocation's with success: it has checked the
//!   integrity, which we cannot. What the allocation itself answers proves nothing. A newer success of another browser takes
//!   the address over; of several allocations of one browser the last that sent data has it.
//! - Whatever is no check comes from an address to the allocation tied to it, and goes to an address only from allocations
//!   tied to it. Without the latter anybody with an allocation could end a handshake, by garbage from the common address.
//!
//! Between two allocations, both here, the same holds with the allocations for addresses, and both must be tied to each other.

mod claims;
mod pace;
mod party;
mod ties;
mod transactions;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use hairpin_stun::{AttributeType, Class, FirstByte, Message, Method};

use claims::{Claims, Pair};
use pace::Paces;
pub use party::{Parties, Party, Scope, Source};
pub use ties::Change;
use ties::Ties;
use transactions::{Asked, Transactions};

/// The state of a shared address, for all shards. No clock, no lock; the memory it takes is bounded by the number of
/// allocations that have sent checks.
pub struct SharedPort {
    /// The address itself, one of each family at most.
    addresses: Vec<SocketAddr>,
    seed: u64,
    claims: Claims,
    transactions: Transactions,
    ties: Ties,
    paces: Paces,
}

/// What becomes of what an allocation sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// It leaves by the shared socket.
    ToPeer,
    /// It goes to these allocations, as coming from the shared address.
    Here(Parties),
}

/// Why something goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// It is no STUN message.
    Malformed,
    /// A message of a kind that nobody needs here.
    Unexpected,
    /// A check that nobody claims, an answer that nobody has asked for, data that nobody is tied to.
    NobodyThere,
    /// From an allocation that is not tied to where it is to go.
    NotTied,
    /// The allocation sends more checks, or claims more pairs, than an ICE agent does.
    TooOften,
}

/// What is ICE's own business: checks and their answers. All else, data and keepalives, is [`Kind::Data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN, to be shown to [`SharedPort::message_from`] or [`SharedPort::message_to`].
    Message,
    /// Anything else.
    Data,
}

impl Kind {
    /// By the first byte (RFC 7983).
    pub fn of(payload: &[u8]) -> Self {
        match payload.first().copied().map(FirstByte::of) {
            Some(FirstByte::Stun) => Self::Message,
            _ => Self::Data,
        }
    }
}

impl SharedPort {
    /// Nobody is here yet. `addresses`: what peers see, one of each family at most. `seed` keeps strangers from choosing
    /// fragments that look the same.
    pub fn new(addresses: Vec<SocketAddr>, seed: u64) -> Self {
        Self {
            addresses,
            seed,
            claims: Claims::default(),
            transactions: Transactions::default(),
            ties: Ties::default(),
            paces: Paces::default(),
        }
    }

    /// Whether this is the shared address, in one of its families.
    pub fn is_shared(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// A STUN message that `peer` has sent to the shared address: to whom it goes. Whoever it goes to must still have a
    /// permission.
    ///
    /// # Errors
    /// Why it goes to nobody. For the first check of a call that is as it should be.
    pub fn message_from(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        message: &[u8],
    ) -> Result<Parties, Unrouted> {
        if self.is_shared(peer) {
            return Err(Unrouted::Unexpected);
        }
        let message = Message::parse(message).map_err(|_| Unrouted::Malformed)?;
        let source = Source::Peer(peer);
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => {
                let pair = self.pair_of_receiver(&message).ok_or(Unrouted::Unexpected)?;
                some(self.receivers(source, pair, None, None))
            }
            (Class::Success | Class::Error, Method::BINDING) => {
                let Asked { party, own, .. } =
                    *self.transactions.find(now, peer, &message).ok_or(Unrouted::NobodyThere)?;
                if let (Class::Success, Some(own)) = (message.class(), own) {
                    self.ties.succeeded(source, party, own);
                }
                Ok(party.into())
            }
            _ => self.holder(source).map(Parties::from).ok_or(Unrouted::NobodyThere),
        }
    }

    /// A STUN message that an allocation sends `to` a peer it has a permission for: where it goes. `scope` is that of the
    /// allocation's user.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn message_to(
        &mut self,
        now: Duration,
        from: Party,
        scope: Option<Scope>,
        to: SocketAddr,
        message: &[u8],
    ) -> Result<Outbound, Unrouted> {
        if !self.paces.of(from).message(now) {
            return Err(Unrouted::TooOften);
        }
        let message = Message::parse(message).map_err(|_| Unrouted::Malformed)?;
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => self.request_to(now, from, scope, to, &message),
            (Class::Success | Class::Error, Method::BINDING) if self.is_shared(to) => {
                let asked = self.transactions.find(now, to, &message);
                let asked = asked.filter(|asked| asked.whom.contains(from));
                let Asked { party, own, .. } = *asked.ok_or(Unrouted::NobodyThere)?;
                if let (Class::Success, Some(own)) = (message.class(), own) {
                    self.ties.succeeded(Source::Party(from), party, own);
                }
                Ok(Outbound::Here(party.into()))
            }
            (Class::Success | Class::Error, Method::BINDING) => Ok(Outbound::ToPeer),
            // A keepalive flips nothing.
            _ if self.is_shared(to) => {
                let partner = self.partner(from).ok_or(Unrouted::NotTied)?;
                Ok(Outbound::Here(partner.into()))
            }
            _ => self
                .ties
                .has(Source::Peer(to), from)
                .then_some(Outbound::ToPeer)
                .ok_or(Unrouted::NotTied),
        }
    }

    fn request_to(
        &mut self,
        now: Duration,
        from: Party,
        scope: Option<Scope>,
        to: SocketAddr,
        message: &Message<'_>,
    ) -> Result<Outbound, Unrouted> {
        let theirs = self.pair_of_receiver(message);
        let own = theirs.map(|theirs| theirs.remote);
        if let Some(pair) = theirs.map(Pair::turned)
            && !self.claims.claim(now, from, scope, pair, self.paces.of(from))
        {
            return Err(Unrouted::TooOften);
        }
        if !self.is_shared(to) {
            self.transactions.ask(
                now,
                to,
                message,
                Asked { party: from, own, whom: Parties::default() },
            );
            return Ok(Outbound::ToPeer);
        }
        let theirs = theirs.ok_or(Unrouted::Unexpected)?;
        let whom = some(self.receivers(Source::Party(from), theirs, Some(from), scope))?;
        self.transactions.ask(now, to, message, Asked { party: from, own, whom });
        Ok(Outbound::Here(whom))
    }

    /// Who gets data from `source`. It changes only when [`poll_change`](Self::poll_change) says so.
    pub fn holder(&self, source: Source) -> Option<Party> {
        self.ties.holder(source)
    }

    /// Data that an allocation sends `to` a peer it has a permission for: where it goes. From now on this allocation is the
    /// one, among those of its browser, that gets data from there.
    ///
    /// # Errors
    /// [`Unrouted::NotTied`]: no check from the one to the other has succeeded, or somebody else's has since.
    pub fn data_to(&mut self, from: Party, to: SocketAddr) -> Result<Outbound, Unrouted> {
        if !self.is_shared(to) {
            let sent = self.ties.sent(Source::Peer(to), from);
            return sent.then_some(Outbound::ToPeer).ok_or(Unrouted::NotTied);
        }
        let partner = self.partner(from).ok_or(Unrouted::NotTied)?;
        self.ties.sent(Source::Party(partner), from);
        Ok(Outbound::Here(partner.into()))
    }

    /// The allocation that holds what `from` sends, if each has answered a check of the other's.
    fn partner(&self, from: Party) -> Option<Party> {
        let partner = self.holder(Source::Party(from))?;
        self.ties.has(Source::Party(partner), from).then_some(partner)
    }

    /// Forgets an allocation that is gone.
    pub fn release(&mut self, party: Party) {
        self.paces.remove(party);
        self.claims.remove(party);
        self.transactions.remove(party);
        self.ties.remove(party);
    }

    /// What has another holder than before, or another allocation tied to it, each source once for each change; for those who
    /// keep copies.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.ties.poll_change()
    }

    /// How many claims, transactions and ties there are.
    pub fn sizes(&self) -> [usize; 3] {
        [self.claims.len(), self.transactions.len(), self.ties.len()]
    }

    /// Who is to get a check on `pair`: those tied to its source whose pair it is, else whoever claims it. Each of a browser's
    /// allocations gets it, because each may be the one that data will be sent by, and must have answered it by then.
    fn receivers(
        &self,
        source: Source,
        pair: Pair,
        but: Option<Party>,
        scope: Option<Scope>,
    ) -> Parties {
        let tied = self.ties.members(source).filter(|party| self.claims.has(*party, pair));
        let tied: Parties = tied.collect();
        if tied.is_empty() { self.claims.claimants(pair, but, scope) } else { tied }
    }

    /// The pair of a check as its receiver has it: `USERNAME` is the receiver's fragment first.
    fn pair_of_receiver(&self, check: &Message<'_>) -> Option<Pair> {
        let username = check.get(AttributeType::USERNAME)?;
        let colon = username.iter().position(|byte| *byte == b':')?;
        Some(Pair::new(&username[..colon], &username[colon + 1..], self.seed))
    }
}

fn some(parties: Parties) -> Result<Parties, Unrouted> {
    if parties.is_empty() { Err(Unrouted::NobodyThere) } else { Ok(parties) }
}
