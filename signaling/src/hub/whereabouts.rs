//! What a user is doing now, for who runs the server.

use std::time::Duration;

use super::{Hub, State};
use crate::{Doing, Whereabouts};

impl Hub {
    /// What is known of a user, whether it is here or not.
    pub fn whereabouts(&self, now: Duration, user: &str) -> Whereabouts {
        let seat = self.seats.of_user(user).map(|seat| self.seats.get(seat));
        let doing = match seat.map(|seat| seat.state) {
            None => Doing::Nothing,
            Some(State::Idle) => Doing::Idle,
            Some(State::Waiting(waiting)) => Doing::Waiting { since: waiting.since.min(now) },
            Some(State::Hosting(_) | State::Knocking(_)) => Doing::InRoom,
            Some(State::Paired { session, .. }) => Doing::InSession(session),
        };
        Whereabouts {
            is_connected: seat.is_some_and(|seat| seat.connection().is_some()),
            doing,
            barred_until: self.barred_until(now, user),
            reporters: self.relations.reports.of(now, self.config.report_window, user),
        }
    }
}
