//! What who has proven nothing is answered, and how often.

use super::Server;
use crate::gate::Denial;
use crate::replies::ReplyTo;
use crate::{DropReason, Event, FiveTuple, Now, Refusal, Transport};

impl Server {
    pub(super) fn deny(&mut self, now: Now, to: &ReplyTo, denial: Denial) {
        if !self.answers_stranger(now, &to.tuple) {
            return self.event(Event::Dropped(DropReason::AnswerLimit));
        }
        let nonce = || self.gate.nonce(now, to.tuple.client.ip());
        let (refusal, answer) = match denial {
            Denial::Unproven => {
                let answer = self.replies.challenge(to, None, Refusal::Unauthenticated, &nonce());
                self.outputs.push_back(answer);
                return self.event(Event::Challenged { tuple: to.tuple, method: to.method });
            }
            Denial::Malformed => {
                let refusal = Refusal::BadRequest;
                (refusal, self.replies.refusal(to, None, refusal))
            }
            Denial::Unauthenticated => {
                let refusal = Refusal::Unauthenticated;
                (refusal, self.replies.challenge(to, None, refusal, &nonce()))
            }
            Denial::StaleNonce(key) => {
                let refusal = Refusal::StaleNonce;
                (refusal, self.replies.challenge(to, Some(&key), refusal, &nonce()))
            }
        };
        self.refused(to, refusal, answer);
    }

    /// Whether who has proven nothing is to be answered. A stream has shown that its source is not
    /// forged. A 438 goes to the holder of a key, but what asked for it may be replayed.
    pub(super) fn answers_stranger(&mut self, now: Now, tuple: &FiveTuple) -> bool {
        match &mut self.answer_limit {
            // After DTLS, too, whose handshake shows it; but there nobody is answered in the clear.
            Some(limit) if tuple.transport == Transport::Udp => {
                limit.admit(now.monotonic, tuple.client.ip())
            }
            Some(_) | None => true,
        }
    }
}
