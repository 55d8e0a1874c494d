//! CreatePermission (RFC 8656 s10.2): all of the peers, or none.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::{AttributeType, Message};

use super::{Step, peer_address};
use crate::allocations::Allocations;
use crate::replies::Success;
use crate::terms::Terms;
use crate::{AllocationId, Family, PeerAddr, Refusal};

pub(crate) struct CreatePermission {
    /// At least one. Over a stream there may be thousands, the same again and again.
    peers: Vec<PeerAddr>,
}

impl CreatePermission {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let values = message.get_all(AttributeType::XOR_PEER_ADDRESS);
        let peers: Vec<_> =
            values.map(|value| peer_address(message, value)).collect::<Result<_, _>>()?;
        if peers.is_empty() {
            return Err(Refusal::BadRequest);
        }
        Ok(Self { peers })
    }

    pub(crate) fn apply(
        self,
        id: AllocationId,
        allocations: &mut Allocations,
        terms: &Terms,
        now: Duration,
    ) -> Result<Step, Refusal> {
        let own = allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?.family();
        let of_family = |family| allocations.of_family(now, id, family);
        // That of the peer, if there is such an allocation; else any, which it does not match.
        let family = |peer: PeerAddr| {
            let family = Family::of(peer.0.ip());
            if of_family(family).is_some() { family } else { own }
        };
        let limits = terms.limits();
        let ips = distinct(&self.peers, limits.permissions, |peer, seen| match seen {
            Seen::First => terms.check_permission(peer, family(peer)),
            Seen::Before => terms.check_port(peer, family(peer)),
        })?;
        // In their order IPv4 comes before IPv6.
        let (v4, v6) = ips.split_at(ips.partition_point(IpAddr::is_ipv4));
        let parts = [(of_family(Family::V4), v4), (of_family(Family::V6), v6)];
        let parts = parts.map(|(id, ips)| id.filter(|_| !ips.is_empty()).map(|id| (id, ips)));
        let room = |(id, ips): (_, &[IpAddr])| {
            allocations.live(now, id).is_some_and(|found| found.may_permit(now, ips, limits))
        };
        if !parts.into_iter().flatten().all(room) {
            return Err(Refusal::InsufficientCapacity);
        }
        for (id, ips) in parts.into_iter().flatten() {
            allocations.permit(now, id, ips, limits)?;
        }
        Ok(Step::Answer(Success::Done))
    }
}

/// Whether an IP address has come by already in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    First,
    Before,
}

/// The IP addresses of `peers`, each once and in order, if all of them pass `check`.
///
/// More than `limit` can never be had, so it stops there (508): what is kept and searched stays as
/// small as what an allocation may hold.
fn distinct(
    peers: &[PeerAddr],
    limit: usize,
    mut check: impl FnMut(PeerAddr, Seen) -> Result<(), Refusal>,
) -> Result<Vec<IpAddr>, Refusal> {
    let mut ips: Vec<IpAddr> = Vec::new();
    for &peer in peers {
        match ips.binary_search(&peer.0.ip()) {
            Ok(_) => check(peer, Seen::Before)?,
            Err(place) => {
                check(peer, Seen::First)?;
                if ips.len() >= limit {
                    return Err(Refusal::InsufficientCapacity);
                }
                ips.insert(place, peer.0.ip());
            }
        }
    }
    Ok(ips)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` peers at `hosts` addresses, the ports all different.
    fn peers(count: u16, hosts: u16) -> Vec<PeerAddr> {
        let peer = |n: u16| PeerAddr(([9, 9, 9, (n % hosts) as u8], n).into());
        (0..count).rev().map(peer).collect()
    }

    #[test]
    fn an_address_is_judged_once_however_often_it_is_named() {
        let (mut first, mut before) = (0, 0);
        let ips = distinct(&peers(5_000, 128), 128, |_, seen| {
            match seen {
                Seen::First => first += 1,
                Seen::Before => before += 1,
            }
            Ok(())
        });
        let ips = ips.expect("there are 128");
        assert_eq!((ips.len(), first, before), (128, 128, 4_872));
        assert!(ips.is_sorted());
    }

    #[test]
    fn what_is_too_much_is_not_read_to_its_end() {
        let mut checked = 0;
        let ips = distinct(&peers(5_000, 200), 128, |_, _| {
            checked += 1;
            Ok(())
        });
        assert_eq!((ips, checked), (Err(Refusal::InsufficientCapacity), 129));
    }
}
