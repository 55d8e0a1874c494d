//! The rules of a shared address, said again as history: who has asked, answered and sent what, looked through from its
//! beginning each time something is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use hairpin_sim::build;
use hairpin_stun::{AttributeType, Class, Method, TransactionId};
use hairpin_turn::AllocationId;
use hairpin_turn::shared::{Outbound, Parties, Party, SharedPort, Source, Unrouted};

const PARTIES: u8 = 4;
const PEERS: u8 = 3;
const FRAGMENTS: u8 = 4;
/// How long an answer may take.
const AGE: Duration = Duration::from_secs(40);
/// Pairs an allocation claims at a time.
const PAIRS: usize = 4;

type Pair = (u8, u8);

/// What happened to a source's tie.
#[derive(Clone, Copy)]
enum Past {
    Answered { source: Source, party: Party, own: u8 },
    Sent { source: Source, party: Party },
    Gone(Party),
}

struct Asked {
    at: Duration,
    to: SocketAddr,
    party: Party,
    own: u8,
    whom: BTreeSet<Party>,
}

/// The state under test and what should be so.
pub(crate) struct World {
    port: SharedPort,
    holders: BTreeMap<Source, Party>,
    now: Duration,
    past: Vec<Past>,
    claims: BTreeMap<Party, Vec<Pair>>,
    asked: BTreeMap<[u8; 12], Asked>,
    requests: u32,
}

fn shared() -> SocketAddr {
    ([203, 0, 113, 1], 3479).into()
}

fn party(number: u8) -> Party {
    let number = number % PARTIES;
    Party { shard: u16::from(number % 2), id: AllocationId::from_u64(u64::from(number)) }
}

fn peer(number: u8) -> SocketAddr {
    ([198, 51, 100, number % PEERS], 9).into()
}

fn target(number: u8) -> SocketAddr {
    if number % (PEERS + 1) == PEERS { shared() } else { peer(number % (PEERS + 1)) }
}

fn check(id: [u8; 12], receiver: u8, sender: u8) -> Vec<u8> {
    build(Class::Request, Method::BINDING, TransactionId(id), |writer| {
        writer.text(AttributeType::USERNAME, &format!("f{receiver}:f{sender}"));
    })
}

fn answer(id: [u8; 12], class: Class) -> Vec<u8> {
    build(class, Method::BINDING, TransactionId(id), |_| {})
}

fn set(parties: Parties) -> BTreeSet<Party> {
    parties.iter().collect()
}

impl World {
    /// Runs what these bytes say, four a step, and then has everybody go.
    pub(crate) fn run(steps: &[u8]) {
        let mut world = Self {
            port: SharedPort::new(vec![shared()], 7),
            holders: BTreeMap::new(),
            now: Duration::from_secs(1),
            past: Vec::new(),
            claims: BTreeMap::new(),
            asked: BTreeMap::new(),
            requests: 0,
        };
        for step in steps.as_chunks().0.iter().take(400) {
            world.step(*step);
            world.hear_changes();
        }
        for number in 0..PARTIES {
            world.port.release(party(number));
        }
        assert_eq!(world.port.sizes(), [0, 0, 0], "nothing is left");
    }

    fn step(&mut self, [what, who, a, b]: [u8; 4]) {
        let (one, other) = (a % FRAGMENTS, b % FRAGMENTS);
        match what % 10 {
            0..=2 => {
                self.allocation_checks(party(who), target(a), b % FRAGMENTS, b / 8 % FRAGMENTS)
            }
            3 => self.allocation_answers(party(who), target(a), b),
            4 => self.peer_checks(peer(who), one, other),
            5 | 6 => self.peer_answers(peer(who), a, b),
            7 => self.allocation_sends(party(who), target(a)),
            8 => self.peer_sends(peer(who)),
            _ if a == 0 => {
                self.port.release(party(who));
                self.past.push(Past::Gone(party(who)));
                self.claims.remove(&party(who));
                self.asked.retain(|_, asked| asked.party != party(who));
            }
            _ => self.now += Duration::from_millis(u64::from(a) * u64::from(b)),
        }
    }

    fn allocation_checks(&mut self, from: Party, to: SocketAddr, remote: u8, own: u8) {
        self.requests += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.requests.to_be_bytes());
        let known = self.claims.get(&from).is_some_and(|pairs| pairs.contains(&(own, remote)));
        let sent = self.port.message_to(self.now, from, None, to, &check(id, remote, own));
        if sent == Err(Unrouted::TooOften) {
            assert!(!known || self.requests > 200, "what it has claimed it may claim again");
            return;
        }
        let pairs = self.claims.entry(from).or_default();
        if !known {
            pairs.push((own, remote));
            let over = pairs.len().saturating_sub(PAIRS);
            pairs.drain(..over);
        }
        let whom = if to == shared() {
            let expected = self.receivers(Source::Party(from), (remote, own), Some(from));
            match sent {
                Ok(Outbound::Here(parties)) => assert_eq!(set(parties), expected),
                Err(Unrouted::NobodyThere) => assert_eq!(expected, BTreeSet::new()),
                other => panic!("{other:?}"),
            }
            expected
        } else {
            assert_eq!(sent, Ok(Outbound::ToPeer));
            BTreeSet::new()
        };
        if to != shared() || !whom.is_empty() {
            self.asked.insert(id, Asked { at: self.now, to, party: from, own, whom });
        }
    }

    fn allocation_answers(&mut self, from: Party, to: SocketAddr, which: u8) {
        let (id, class) = self.some_request(which);
        let sent = self.port.message_to(self.now, from, None, to, &answer(id, class));
        if to != shared() {
            assert!(matches!(sent, Ok(Outbound::ToPeer) | Err(Unrouted::TooOften)));
            return;
        }
        let asked = self.asked.get(&id);
        let asked = asked.filter(|a| a.to == to && self.now < a.at + AGE && a.whom.contains(&from));
        match (sent, asked) {
            (Ok(Outbound::Here(parties)), Some(&Asked { party, own, .. })) => {
                assert_eq!(set(parties), [party].into());
                if class == Class::Success {
                    let source = Source::Party(from);
                    self.past.push(Past::Answered { source, party, own });
                }
            }
            (Err(Unrouted::NobodyThere), None) | (Err(Unrouted::TooOften), _) => {}
            (sent, asked) => panic!("{sent:?}, and asked: {}", asked.is_some()),
        }
    }

    fn peer_checks(&mut self, peer: SocketAddr, receiver: u8, sender: u8) {
        let got = self.port.message_from(self.now, peer, &check([0xFF; 12], receiver, sender));
        let expected = self.receivers(Source::Peer(peer), (receiver, sender), None);
        assert_eq!(got.map(set).unwrap_or_default(), expected);
    }

    fn peer_answers(&mut self, peer: SocketAddr, _: u8, which: u8) {
        let (id, class) = self.some_request(which);
        let got = self.port.message_from(self.now, peer, &answer(id, class));
        let asked = self.asked.get(&id).filter(|a| a.to == peer && self.now < a.at + AGE);
        let Some(&Asked { party, own, .. }) = asked else {
            return assert_eq!(got, Err(Unrouted::NobodyThere));
        };
        assert_eq!(got.map(set), Ok([party].into()));
        if class == Class::Success {
            self.past.push(Past::Answered { source: Source::Peer(peer), party, own });
        }
    }

    fn allocation_sends(&mut self, from: Party, to: SocketAddr) {
        let sent = self.port.data_to(from, to);
        let (expected, source) = if to == shared() {
            let partner = self.tie(Source::Party(from)).map(|(holder, ..)| holder);
            let mutual = |partner: &Party| self.is_tied(Source::Party(*partner), from);
            let partner = partner.filter(mutual);
            (partner.map(|partner| Outbound::Here(partner.into())), partner.map(Source::Party))
        } else {
            let source = Source::Peer(to);
            (self.is_tied(source, from).then_some(Outbound::ToPeer), Some(source))
        };
        assert_eq!(sent, expected.ok_or(Unrouted::NotTied));
        if let Some(source) = source {
            self.past.push(Past::Sent { source, party: from });
        }
    }

    fn peer_sends(&mut self, peer: SocketAddr) {
        let source = Source::Peer(peer);
        assert_eq!(self.port.holder(source), self.tie(source).map(|(holder, ..)| holder));
    }

    /// Somebody's request of late, and whether it is granted.
    fn some_request(&self, which: u8) -> ([u8; 12], Class) {
        let back = usize::from(which / 2 % 8);
        let id = self.asked.keys().rev().nth(back).copied().unwrap_or([0xEE; 12]);
        (id, if which.is_multiple_of(8) { Class::Error } else { Class::Success })
    }

    fn receivers(&self, source: Source, pair: Pair, but: Option<Party>) -> BTreeSet<Party> {
        let claims = |party: &Party| self.claims.get(party).is_some_and(|all| all.contains(&pair));
        let members = self.tie(source).map(|(_, members, _)| members).unwrap_or_default();
        let tied: BTreeSet<Party> = members.into_iter().filter(claims).collect();
        if !tied.is_empty() {
            return tied;
        }
        self.claims.keys().copied().filter(|party| claims(party) && Some(*party) != but).collect()
    }

    fn is_tied(&self, source: Source, party: Party) -> bool {
        self.tie(source).is_some_and(|(_, members, _)| members.contains(&party))
    }

    /// The holder of a source, all that are tied to it, the latest last, and their fragment.
    fn tie(&self, of: Source) -> Option<(Party, Vec<Party>, u8)> {
        let mut tie: Option<(Party, Vec<Party>, u8)> = None;
        for past in &self.past {
            match *past {
                Past::Answered { source, party, own } if source == of => match &mut tie {
                    Some((_, members, known)) if *known == own || members.contains(&party) => {
                        *known = own;
                        if !members.contains(&party) {
                            members.push(party);
                        }
                    }
                    _ => tie = Some((party, vec![party], own)),
                },
                Past::Sent { source, party } if source == of => {
                    if let Some((holder, members, _)) = &mut tie
                        && members.contains(&party)
                    {
                        *holder = party;
                    }
                }
                Past::Gone(party) if of == Source::Party(party) => tie = None,
                Past::Gone(party) => {
                    if let Some((holder, members, _)) = &mut tie {
                        members.retain(|member| *member != party);
                        match members.last() {
                            None => tie = None,
                            Some(latest) if *holder == party => *holder = *latest,
                            Some(_) => {}
                        }
                    }
                }
                Past::Answered { .. } | Past::Sent { .. } => {}
            }
        }
        tie
    }

    fn hear_changes(&mut self) {
        while let Some(change) = self.port.poll_change() {
            let known = match change.after {
                Some(after) => self.holders.insert(change.source, after),
                None => self.holders.remove(&change.source),
            };
            assert_eq!(known, change.before);
        }
        let peers = (0..PEERS).map(|number| Source::Peer(peer(number)));
        for source in peers.chain((0..PARTIES).map(|number| Source::Party(party(number)))) {
            assert_eq!(self.holders.get(&source).copied(), self.port.holder(source), "all is told");
        }
    }
}
