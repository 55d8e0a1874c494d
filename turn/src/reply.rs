//! Answers: success, refusal and challenge, each written once and given away at its true size.

use hairpin_stun::{AttributeType, Class, Key, Message, Method, TransactionId, Writer};

use crate::auth::Denial;
use crate::nonce::NONCE_LEN;
use crate::refusal::Refusal;
use crate::request::UNDERSTOOD;
use crate::{Event, FiveTuple, Now, Output, RelayedAddr, RequestMethod, Rules, Server};

/// How many unknown attributes a 420 lists. The RFC says all; we stop here, because a message that
/// has more is no client's, and the answer to a stranger is not to be made long.
const MAX_UNKNOWN: usize = 64;

/// To whom an answer goes, and what of the request it echoes.
#[derive(Clone, Copy)]
pub(crate) struct ReplyTo {
    pub(crate) tuple: FiveTuple,
    pub(crate) method: Method,
    pub(crate) transaction: TransactionId,
    /// Whether the request had a FINGERPRINT; then the answer has one, which pion and Firefox
    /// expect.
    pub(crate) fingerprint: bool,
}

/// What an answer tells besides that all went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// Nothing.
    Done,
    /// To Binding: the client's address.
    Mapped,
    /// To Allocate.
    Allocated { relayed: RelayedAddr, lifetime: u32 },
    /// To Refresh.
    Refreshed { lifetime: u32 },
}

impl ReplyTo {
    pub(crate) fn new(tuple: FiveTuple, message: &Message<'_>) -> Self {
        Self {
            tuple,
            method: message.method(),
            transaction: message.transaction_id(),
            fingerprint: message.get(AttributeType::FINGERPRINT).is_some(),
        }
    }
}

/// A buffer of this size takes every answer.
pub(crate) fn scratch_len(rules: &Rules) -> usize {
    let software = rules.software.as_ref().map_or(0, |software| software.len());
    // Header, integrity, fingerprint, two addresses and an error's reason come to less than 256.
    256 + rules.realm.len() + NONCE_LEN + software + 2 * MAX_UNKNOWN
}

impl Server {
    pub(crate) fn succeed(&mut self, to: &ReplyTo, key: Option<&Key>, success: Success) {
        let mut writer = to.writer(&mut self.scratch, Class::Success);
        match success {
            Success::Done => {}
            Success::Mapped => {
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, to.tuple.client);
            }
            Success::Allocated { relayed, lifetime } => {
                writer
                    .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed.0)
                    .u32(AttributeType::LIFETIME, lifetime)
                    .xor_address(AttributeType::XOR_MAPPED_ADDRESS, to.tuple.client);
            }
            Success::Refreshed { lifetime } => {
                writer.u32(AttributeType::LIFETIME, lifetime);
            }
        }
        let len = to.seal(writer, key, self.rules.software.as_deref());
        self.transmit(to, len);
    }

    pub(crate) fn refuse(&mut self, to: &ReplyTo, key: Option<&Key>, refusal: Refusal) {
        let mut writer = to.writer(&mut self.scratch, Class::Error);
        writer.error_code(refusal.code(), refusal.reason());
        let len = to.seal(writer, key, self.rules.software.as_deref());
        self.refused(to, len, refusal);
    }

    /// 420 with the attributes that are not understood (RFC 8489 s6.3.1).
    pub(crate) fn refuse_unknown(
        &mut self,
        to: &ReplyTo,
        key: Option<&Key>,
        message: &Message<'_>,
    ) {
        let mut writer = to.writer(&mut self.scratch, Class::Error);
        let refusal = Refusal::UnknownAttribute;
        // A stranger's answer has no reason phrase, as in a challenge.
        let reason = key.map_or("", |_| refusal.reason());
        writer
            .error_code(refusal.code(), reason)
            .unknown_attributes(message.unknown_required(UNDERSTOOD).take(MAX_UNKNOWN));
        let len = to.seal(writer, key, self.rules.software.as_deref());
        self.refused(to, len, refusal);
    }

    /// The answer to somebody unknown. The request may be forged to point it at a victim, so it has
    /// no reason phrase and no SOFTWARE, and is hardly longer than the request was.
    pub(crate) fn deny(&mut self, now: Now, to: &ReplyTo, denial: Denial) {
        let (refusal, key) = match denial {
            Denial::Malformed => (Refusal::BadRequest, None),
            Denial::Unauthenticated => (Refusal::Unauthenticated, None),
            Denial::StaleNonce(key) => (Refusal::StaleNonce, Some(key)),
        };
        let mut writer = to.writer(&mut self.scratch, Class::Error);
        writer.error_code(refusal.code(), "");
        if refusal != Refusal::BadRequest {
            let nonce = self.nonces.issue(now.unix, to.tuple.client.ip());
            writer
                .text(AttributeType::REALM, &self.rules.realm)
                .bytes(AttributeType::NONCE, &nonce);
        }
        let len = to.seal(writer, key.as_ref(), None);
        self.refused(to, len, refusal);
    }

    fn refused(&mut self, to: &ReplyTo, len: usize, refusal: Refusal) {
        self.transmit(to, len);
        if let Some(method) = RequestMethod::of(to.method) {
            self.event(Event::Refused { tuple: to.tuple, method, refusal });
        }
    }

    fn transmit(&mut self, to: &ReplyTo, len: usize) {
        let bytes = self.scratch[..len].to_vec();
        self.output(Output::Transmit { to: to.tuple, bytes });
    }
}

impl ReplyTo {
    fn writer<'b>(&self, scratch: &'b mut [u8], class: Class) -> Writer<'b> {
        Writer::new(scratch, class, self.method, self.transaction)
    }

    /// Ends a message: signed when its receiver is known, with SOFTWARE where RFC 8656 has it.
    fn seal(&self, mut writer: Writer<'_>, key: Option<&Key>, software: Option<&str>) -> usize {
        if let Some(key) = key {
            if let (Some(software), Method::ALLOCATE | Method::REFRESH) = (software, self.method) {
                writer.text(AttributeType::SOFTWARE, software);
            }
            writer.integrity(key.as_ref());
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        writer.finish().expect("scratch_len counts all that is ever written")
    }
}
