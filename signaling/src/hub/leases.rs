//! ICE servers of those who are in a session, renewed before they run out.

use std::time::Duration;

use super::story::IceLease;
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::Refusal;
use crate::wire::ServerMessage;
use crate::{IceGrant, IceServers};

impl Hub {
    /// `ice_servers`: fresh ones are asked for.
    pub(super) fn ask_for_ice(
        &mut self,
        now: Duration,
        seat: SeatId,
        ice: &mut impl IceServers,
    ) -> Result<(), Refusal> {
        let State::Paired { .. } = self.seats.get(seat).state else {
            return Err(Refusal::no_session());
        };
        self.afford_ice(now, seat)?;
        self.renew_ice(now, seat, ice);
        Ok(())
    }

    /// Whether somebody may have ICE servers once more that no match has brought: coming back again and again is no way
    /// to as many as one likes.
    pub(super) fn afford_ice(&mut self, now: Duration, seat: SeatId) -> Result<(), Refusal> {
        let seat = self.seats.get(seat);
        let (connection, user) = (seat.connection(), seat.user.clone());
        self.afford(now, connection, Wish::IceServers, &user)
    }

    /// Gives somebody in a session fresh ICE servers. Who is away gets them when it comes back.
    pub(super) fn renew_ice(&mut self, now: Duration, seat: SeatId, ice: &mut impl IceServers) {
        let State::Paired { .. } = self.seats.get(seat).state else { return };
        if let Some(IceGrant { servers, ttl }) = self.lease_ice(now, seat, ice) {
            let (ice_servers, ice_ttl) = (&servers[..], ttl.as_secs());
            self.tell(seat, &ServerMessage::IceServers { ice_servers, ice_ttl });
        }
    }

    /// Renews what has run out, or soon will, while somebody was away.
    pub(super) fn renew_old_ice(&mut self, now: Duration, seat: SeatId, ice: &mut impl IceServers) {
        let lease = self.seats.get(seat).story().and_then(|story| story.ice);
        if lease.is_none_or(|lease| lease.is_half_over(now)) {
            self.renew_ice(now, seat, ice);
        }
    }

    /// Servers for somebody who is there, which it will have renewed.
    pub(super) fn lease_ice(
        &mut self,
        now: Duration,
        seat: SeatId,
        ice: &mut impl IceServers,
    ) -> Option<IceGrant> {
        let State::Paired { session, .. } = self.seats.get(seat).state else { return None };
        let user = self.seats.get(seat).user.clone();
        let grant = ice.issue(self.seats.get(seat).connection()?, &user, session);
        // Nothing is renewed all the time.
        let lease = (grant.ttl >= Duration::from_secs(10))
            .then_some(IceLease { since: now, ttl: grant.ttl });
        self.seats.lease_ice(seat, lease);
        Some(grant)
    }
}
