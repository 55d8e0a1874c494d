//! Answers: success, refusal and challenge, each written once and given away at its true size.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::net::{Ipv4Addr, SocketAddr};

use hairpin_stun::{AttributeType, Class, Key, Message, Method, TransactionId, Writer};

use crate::allocation::{DualForm, Unmet};
use crate::nonce::{Features, NONCE_LEN};
use crate::tickets::Ticket;
use crate::{
    ConnectionId, Family, FiveTuple, Output, PeerAddr, Refusal, RelayedAddr, RequestMethod,
    ReservationToken, Rules, Transport,
};

/// How many unknown attributes a 420 lists. The RFC says all; we stop here, because a message that
/// has more is no client's, and the answer to a stranger is not to be made long.
const MAX_UNKNOWN: usize = 64;

/// The comprehension-required attributes this server understands; any other one in a request is
/// answered with 420.
pub(crate) const UNDERSTOOD: &[AttributeType] = &[
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::DONT_FRAGMENT,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::CONNECTION_ID,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
];

/// PASSWORD-ALGORITHMS (RFC 8489 s14.11): the better one first, and neither has parameters.
pub(crate) const PASSWORD_ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// Writes answers.
pub(crate) struct Replies {
    /// For the realm and SOFTWARE.
    rules: Arc<Rules>,
    features: Features,
    /// Where answers are written before they are given away.
    scratch: Box<[u8]>,
}

/// To whom an answer goes, and what of the request it echoes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyTo {
    pub(crate) tuple: FiveTuple,
    pub(crate) method: RequestMethod,
    pub(crate) transaction: TransactionId,
    /// Whether the request had a FINGERPRINT; then the answer has one, which pion and Firefox
    /// expect.
    pub(crate) fingerprint: bool,
    /// What the answer is signed by, if it is.
    pub(crate) integrity: Integrity,
}

/// The form of an integrity attribute: an answer has that of its request (RFC 8489 s9.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl Integrity {
    /// The one that counts, of a message that may have both.
    pub(crate) fn of(message: &Message<'_>) -> Self {
        if message.has_integrity_sha256() { Self::Sha256 } else { Self::Sha1 }
    }

    /// Whether the holder of a key wrote the message.
    pub(crate) fn proves(self, message: &Message<'_>, key: &Key) -> bool {
        match self {
            Self::Sha1 => message.check_integrity(key.as_ref()),
            Self::Sha256 => message.check_integrity_sha256(key.as_ref()),
        }
        .is_ok()
    }
}

impl Rules {
    /// Bytes of the 401 that any request gets which proves nothing. A request without attributes has 20: what is beyond
    /// that is what a forged source can multiply.
    pub fn challenge_len(&self) -> usize {
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let to = ReplyTo {
            tuple: FiveTuple { transport: Transport::Udp, client: nobody, server: nobody },
            method: RequestMethod::Allocate,
            transaction: TransactionId([0; 12]),
            fingerprint: false,
            integrity: Integrity::Sha1,
        };
        let mut replies = Replies::new(Arc::new(self.clone()));
        match replies.challenge(&to, None, Refusal::Unauthenticated, &[0; NONCE_LEN]) {
            Output::Transmit { bytes, .. } => bytes.len(),
            _ => unreachable!("a challenge is an answer"),
        }
    }
}

/// What an answer tells besides that all went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// Nothing.
    Done,
    /// To Binding: the client's address.
    Mapped,
    /// To Allocate.
    Allocated(Granted),
    /// To Refresh.
    Refreshed { lifetime: u32, ticket: Option<Ticket> },
    /// To Connect.
    Connected { id: ConnectionId },
}

/// What an allocation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) relayed: RelayedAddr,
    /// Of the other family.
    pub(crate) second: Option<RelayedAddr>,
    pub(crate) unmet: Option<Unmet>,
    pub(crate) reserved: Option<ReservationToken>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) lifetime: u32,
}

impl Unmet {
    /// ADDRESS-ERROR-CODE (RFC 8656 s18.12): a family, and the rest as in ERROR-CODE.
    fn write(self, writer: &mut Writer<'_>) {
        let kind = match self.form {
            DualForm::Rfc8656 => AttributeType::ADDRESS_ERROR_CODE,
            DualForm::Draft => AttributeType::DRAFT_ADDRESS_ERROR_CODE,
        };
        let family = match self.family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        let code = self.refusal.code();
        writer.bytes(kind, &[family, 0, (code / 100) as u8, (code % 100) as u8]);
    }
}

impl ReplyTo {
    pub(crate) fn new(tuple: FiveTuple, method: RequestMethod, message: &Message<'_>) -> Self {
        Self {
            tuple,
            method,
            transaction: message.transaction_id(),
            fingerprint: message.get(AttributeType::FINGERPRINT).is_some(),
            integrity: Integrity::of(message),
        }
    }
}

impl Replies {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let software = rules.software.as_ref().map_or(0, |software| software.len());
        // Header, integrity, fingerprint, two addresses, a ticket and an error's reason come to less
        // than 256.
        let len = 256 + rules.realm.len() + NONCE_LEN + software + 2 * MAX_UNKNOWN;
        Self { scratch: vec![0; len].into(), features: Features::of(&rules), rules }
    }

    /// A success, signed for the holder of `key`.
    pub(crate) fn success(&mut self, to: &ReplyTo, key: Option<&Key>, success: Success) -> Output {
        self.write(to, Class::Success, key, |writer| match success {
            Success::Done => {}
            Success::Mapped => {
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, to.tuple.client);
            }
            Success::Allocated(Granted { relayed, second, unmet, reserved, ticket, lifetime }) => {
                writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed.0);
                if let Some(second) = second {
                    writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, second.0);
                }
                if let Some(unmet) = unmet {
                    unmet.write(writer);
                }
                writer
                    .u32(AttributeType::LIFETIME, lifetime)
                    .xor_address(AttributeType::XOR_MAPPED_ADDRESS, to.tuple.client);
                if let Some(ReservationToken(token)) = reserved {
                    writer.bytes(AttributeType::RESERVATION_TOKEN, &token);
                }
                if let Some(ticket) = ticket {
                    writer.bytes(AttributeType::MOBILITY_TICKET, &ticket);
                }
            }
            Success::Refreshed { lifetime, ticket } => {
                writer.u32(AttributeType::LIFETIME, lifetime);
                if let Some(ticket) = ticket {
                    writer.bytes(AttributeType::MOBILITY_TICKET, &ticket);
                }
            }
            Success::Connected { id: ConnectionId(id) } => {
                writer.u32(AttributeType::CONNECTION_ID, id);
            }
        })
    }

    /// ConnectionAttempt: a peer has connected (RFC 6062 s5.3).
    pub(crate) fn connection_attempt(
        &mut self,
        to: FiveTuple,
        transaction: TransactionId,
        id: ConnectionId,
        peer: PeerAddr,
    ) -> Output {
        let (class, method) = (Class::Indication, Method::CONNECTION_ATTEMPT);
        let len = Writer::new(&mut self.scratch, class, method, transaction)
            .u32(AttributeType::CONNECTION_ID, id.0)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0)
            .finish()
            .expect("the scratch buffer takes every indication");
        Output::Transmit { to, bytes: self.scratch[..len].to_vec() }
    }

    /// A refusal, signed for the holder of `key`.
    ///
    /// A request of nobody known may be forged to point the answer at a victim. So without a key it
    /// has no reason phrase and no SOFTWARE, and is hardly longer than the request was.
    pub(crate) fn refusal(&mut self, to: &ReplyTo, key: Option<&Key>, refusal: Refusal) -> Output {
        let alternate = match refusal {
            Refusal::TryAlternate => self.rules.alternate_server(to.tuple.client, to.transaction),
            _ => None,
        };
        self.write(to, Class::Error, key, |writer| {
            writer.error_code(refusal.code(), key.map_or("", |_| refusal.reason()));
            if let Some(server) = alternate {
                writer.address(AttributeType::ALTERNATE_SERVER, server);
            }
        })
    }

    /// 420 with the attributes that are not understood (RFC 8489 s6.3.1), else as
    /// [`refusal`](Self::refusal).
    pub(crate) fn unknown_attributes(
        &mut self,
        to: &ReplyTo,
        key: Option<&Key>,
        message: &Message<'_>,
    ) -> Output {
        let refusal = Refusal::UnknownAttribute;
        self.write(to, Class::Error, key, |writer| {
            writer
                .error_code(refusal.code(), key.map_or("", |_| refusal.reason()))
                .unknown_attributes(message.unknown_required(UNDERSTOOD).take(MAX_UNKNOWN));
        })
    }

    /// 401, or 438 to the holder of a key: what it takes to ask again. Always as short as can be.
    pub(crate) fn challenge(
        &mut self,
        to: &ReplyTo,
        key: Option<&Key>,
        refusal: Refusal,
        nonce: &[u8; NONCE_LEN],
    ) -> Output {
        let features = self.features;
        self.write_short(to, Class::Error, key, |writer, rules| {
            writer
                .error_code(refusal.code(), "")
                .text(AttributeType::REALM, &rules.realm)
                .bytes(AttributeType::NONCE, nonce);
            if features.password_algorithms {
                writer.bytes(AttributeType::PASSWORD_ALGORITHMS, &PASSWORD_ALGORITHMS);
            }
        })
    }

    /// With SOFTWARE where RFC 8656 has it, for who is known.
    fn write(
        &mut self,
        to: &ReplyTo,
        class: Class,
        key: Option<&Key>,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Output {
        let names_software =
            key.is_some() && matches!(to.method, RequestMethod::Allocate | RequestMethod::Refresh);
        self.write_short(to, class, key, |writer, rules| {
            attributes(writer);
            if let Some(software) = rules.software.as_ref().filter(|_| names_software) {
                writer.text(AttributeType::SOFTWARE, software);
            }
        })
    }

    fn write_short(
        &mut self,
        to: &ReplyTo,
        class: Class,
        key: Option<&Key>,
        attributes: impl FnOnce(&mut Writer<'_>, &Rules),
    ) -> Output {
        let mut writer = Writer::new(&mut self.scratch, class, to.method.method(), to.transaction);
        attributes(&mut writer, &self.rules);
        if let Some(key) = key {
            match to.integrity {
                Integrity::Sha1 => writer.integrity(key.as_ref()),
                Integrity::Sha256 => writer.integrity_sha256(key.as_ref()),
            };
        }
        if to.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().expect("the scratch buffer takes every answer");
        Output::Transmit { to: to.tuple, bytes: self.scratch[..len].to_vec() }
    }
}
