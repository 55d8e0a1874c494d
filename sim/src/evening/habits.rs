//! How people and their apps behave.

use std::time::Duration;

use hairpin_signaling::Departure;

use super::street::{Deed, Happening, Street};
use super::town::percent;
use crate::wire_client::{News, State, WireClient};

/// Two looks for a partner are so far apart; more often is `too_often`.
const BETWEEN_JOINS: Duration = Duration::from_secs(7);
/// How many times in a row somebody waits in vain before it goes home.
const PATIENCE: u32 = 2;
/// How long an app of the old wire takes to see that its socket is dead.
const SLOW: Duration = Duration::from_secs(60);

impl Street {
    /// Somebody does something.
    pub(super) fn live(&mut self, who: usize, deed: Deed) {
        if !self.people[who].present && !matches!(deed, Deed::Come) {
            return;
        }
        match deed {
            Deed::Come => self.come(who),
            Deed::Leave => self.leave(who),
            Deed::Seek => self.seek(who),
            Deed::Part(session) => self.part(who, &session),
            Deed::LoseNetwork => {
                self.cut(who);
                // Who pings finds out within a few seconds, and is not always back at once.
                let found_out = match self.speaks_old_wire(who) {
                    true => SLOW,
                    false => self.millis(3_000, 45_000),
                };
                self.after(found_out, Happening::Does(who, Deed::Reopen));
            }
            Deed::Reopen => self.open(who),
            Deed::Sleep => {
                let time = self.millis(4_000, 90_000);
                self.people[who].asleep = self.now + time;
                self.after(time, Happening::Does(who, Deed::Wake));
            }
            Deed::Wake if self.now >= self.people[who].asleep => self.wake(who),
            Deed::Wake => {}
        }
    }

    fn come(&mut self, who: usize) {
        self.people[who].present = true;
        // An app of the new wire keeps what it cannot say yet.
        if self.speaks_old_wire(who) {
            self.open(who);
            self.join(who);
        } else {
            self.join(who);
            self.open(who);
        }
        let stays = u64::try_from(self.people[who].is.stays.as_millis()).unwrap_or(u64::MAX);
        for (of_a_hundred, deed) in [(20, Deed::LoseNetwork), (15, Deed::Sleep)] {
            if percent(&mut self.rng, of_a_hundred) {
                let at = self.millis(0, stays);
                self.after(at, Happening::Does(who, deed));
            }
        }
    }

    fn leave(&mut self, who: usize) {
        match self.rng.below(100) {
            // The app is killed, and the network says so.
            0..10 => self.close(who, Departure::Lost),
            // The phone is off: nobody says anything.
            10..20 => self.forget_socket(who),
            _ => {
                self.act(who, WireClient::end);
                self.act(who, WireClient::leave);
                self.close(who, Departure::Goodbye);
            }
        }
        self.people[who].present = false;
        self.people[who].wire.lost();
    }

    fn seek(&mut self, who: usize) {
        self.people[who].is_to_seek = false;
        if *self.people[who].wire.state() == State::Idle {
            self.join(who);
            self.seek_soon(who);
        }
    }

    /// Whoever is there looks for a partner before long.
    fn seek_soon(&mut self, who: usize) {
        let idle = *self.people[who].wire.state() == State::Idle;
        if !self.people[who].present || !idle || self.people[who].is_to_seek {
            return;
        }
        self.people[who].is_to_seek = true;
        let thinks = self.millis(700, 4_000);
        let may = (self.people[who].last_join + BETWEEN_JOINS).saturating_sub(self.now);
        self.after(thinks.max(may), Happening::Does(who, Deed::Seek));
    }

    /// A call ends, unless it has ended before.
    fn part(&mut self, who: usize, of: &str) {
        let State::Paired { session, partner } = self.people[who].wire.state().clone() else {
            return;
        };
        if session != of || self.now < self.people[who].asleep {
            return;
        }
        match self.rng.below(100) {
            // It was a bad one: never again.
            0..6 => {
                self.people[who].blocked.push(partner);
                self.act(who, WireClient::end);
            }
            6..16 => self.act(who, WireClient::end),
            _ => self.act(who, WireClient::skip),
        }
    }

    /// What somebody makes of what its app has just done or heard.
    pub(super) fn follow(&mut self, who: usize, before: &State) {
        for news in self.people[who].wire.take_news() {
            if let News::Met { session, .. } = news {
                self.people[who].in_vain = 0;
                let time = self.talks_for();
                self.after(time, Happening::Does(who, Deed::Part(session)));
            }
        }
        let waited = *before == State::Waiting;
        if waited && *self.people[who].wire.state() == State::Idle && self.people[who].present {
            self.people[who].in_vain += 1;
            if self.people[who].in_vain >= PATIENCE {
                return self.after(Duration::ZERO, Happening::Does(who, Deed::Leave));
            }
        }
        self.seek_soon(who);
    }

    /// Most calls are over as soon as two have seen each other; a few are what one came for.
    fn talks_for(&mut self) -> Duration {
        match self.rng.below(100) {
            0..55 => self.millis(4_000, 30_000),
            55..88 => self.millis(30_000, 300_000),
            _ => self.millis(300_000, 2_400_000),
        }
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.rng.below(most - least))
    }
}
