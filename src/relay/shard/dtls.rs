//! Clients over DTLS: their messages go through the same core.

use hairpin_turn::{FiveTuple, Now, Transport};

use super::super::dtls::Identity;
use super::super::gathered::Gathered;
use super::{OF_A_STREAM, Shard, TIMERS};

impl Shard {
    /// Takes another certificate for DTLS.
    pub(in super::super) fn set_identity(&mut self, identity: Identity) {
        if let Some(sessions) = &mut self.dtls {
            sessions.set_identity(identity);
        }
    }

    /// Takes a datagram of DTLS.
    pub(super) fn receive_dtls(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        datagram: &[u8],
        out: &mut Gathered<'_>,
    ) {
        let tuple = FiveTuple { transport: Transport::Dtls, ..tuple };
        let Some(sessions) = &mut self.dtls else { return };
        let before = self.core.allocated_until(now, &tuple);
        for mut message in sessions.receive(now.monotonic, &tuple, datagram) {
            if let Some(forward) = self.core.handle_client(now, tuple, message.packet()) {
                // A session has one mark for all that it carries, as a stream has.
                self.forward(now, forward, OF_A_STREAM, |route, bytes| out.keep(route, bytes));
            }
            self.settle(now, out);
            let ends = self.core.allocated_until(now, &tuple);
            if let Some(sessions) = self.dtls.as_mut().filter(|_| before.or(ends).is_some()) {
                sessions.allocated(&tuple);
            }
        }
    }

    /// Sends a client a message.
    pub(super) fn send_dtls(&mut self, to: &FiveTuple, message: &[u8]) {
        if let Some(sessions) = &mut self.dtls {
            sessions.send(to, message);
        }
    }

    /// Lets the timers of sessions run.
    pub(super) fn handle_dtls_timeout(&mut self, now: Now) {
        if let Some(sessions) = &mut self.dtls {
            let core = &self.core;
            sessions
                .handle_timeout(now.monotonic, TIMERS, |tuple| core.allocated_until(now, tuple));
        }
    }

    /// Ends a turn: frees allocations whose sessions are over, and gathers what sessions send.
    pub(super) fn finish_dtls(&mut self, now: Now, out: &mut Gathered<'_>) {
        while let Some(tuple) = self.dtls.as_mut().and_then(|sessions| sessions.next_ended()) {
            self.core.handle_disconnect(now, &tuple);
            self.settle(now, out);
        }
        let outgoing = self.dtls.as_mut().map(|sessions| sessions.take_outgoing());
        for (tuple, datagram) in outgoing.into_iter().flatten() {
            if let Some(route) = self.routes.to_client(tuple) {
                out.keep(route, &datagram);
            }
        }
    }
}
