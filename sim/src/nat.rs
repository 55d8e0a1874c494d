//! Home routers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::Rng;

/// How a router maps and filters (RFC 4787 s4, s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// No router: everything gets in.
    Open,
    /// Endpoint-independent mapping and filtering ("full cone").
    FullCone,
    /// Endpoint-independent mapping, address- and port-dependent filtering ("port restricted cone").
    PortRestricted,
    /// Address- and port-dependent mapping and filtering ("symmetric"): a random port per destination.
    Symmetric,
}

/// A router with one socket behind it. Mappings do not expire.
#[derive(Clone, Debug)]
pub struct Nat {
    kind: NatKind,
    public: IpAddr,
    /// The port of all destinations where mapping does not depend on them.
    port: u16,
    /// Where the socket has sent to, and the public port it was seen at.
    mappings: BTreeMap<SocketAddr, u16>,
    rng: Rng,
}

impl Nat {
    /// A router with the public address `public`, whose ports follow from the seed.
    pub fn new(kind: NatKind, public: IpAddr, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self { kind, public, port: rng.port(), mappings: BTreeMap::new(), rng }
    }

    /// Its public address.
    pub fn public(&self) -> IpAddr {
        self.public
    }

    /// Lets a packet out: the source address that `to` sees.
    pub fn outbound(&mut self, to: SocketAddr) -> SocketAddr {
        let port = *self.mappings.entry(to).or_insert_with(|| match self.kind {
            NatKind::Symmetric => self.rng.port(),
            _ => self.port,
        });
        SocketAddr::new(self.public, port)
    }

    /// Whether a packet from `from` to the public `port` gets in.
    pub fn inbound(&self, port: u16, from: SocketAddr) -> bool {
        match self.kind {
            NatKind::Open => port == self.port,
            NatKind::FullCone => port == self.port && !self.mappings.is_empty(),
            NatKind::PortRestricted | NatKind::Symmetric => self.mappings.get(&from) == Some(&port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    fn nat(kind: NatKind) -> Nat {
        Nat::new(kind, addr(1, 0).ip(), 7)
    }

    #[test]
    fn a_cone_shows_the_same_address_to_all_and_a_symmetric_nat_does_not() {
        for kind in [NatKind::Open, NatKind::FullCone, NatKind::PortRestricted] {
            let mut nat = nat(kind);
            assert_eq!(nat.outbound(addr(2, 1)), nat.outbound(addr(3, 1)));
        }
        let mut nat = nat(NatKind::Symmetric);
        assert_ne!(nat.outbound(addr(2, 1)), nat.outbound(addr(2, 2)));
        assert_eq!(nat.outbound(addr(2, 1)), nat.outbound(addr(2, 1)));
    }

    #[test]
    fn who_gets_in_without_being_asked_depends_on_the_kind() {
        for (kind, before, stranger) in [
            (NatKind::Open, true, true),
            (NatKind::FullCone, false, true),
            (NatKind::PortRestricted, false, false),
            (NatKind::Symmetric, false, false),
        ] {
            let mut nat = nat(kind);
            assert_eq!(nat.inbound(nat.port, addr(2, 1)), before, "{kind:?}");
            let seen = nat.outbound(addr(2, 1));
            assert!(nat.inbound(seen.port(), addr(2, 1)), "an answer gets in: {kind:?}");
            assert_eq!(nat.inbound(seen.port(), addr(2, 2)), stranger, "{kind:?}");
            assert!(!nat.inbound(seen.port() ^ 1, addr(2, 1)), "{kind:?}");
        }
    }
}
