//! Requests: the checks every one of them passes, and then its method (RFC 8489 s6.3.1, RFC 8656
//! s5).

use hairpin_stun::{AttributeType, Message, Method};

use crate::auth::Caller;
use crate::refusal::Refusal;
use crate::reply::{ReplyTo, Success};
use crate::{DropReason, Event, FiveTuple, Now, Server};

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
    AttributeType::XOR_MAPPED_ADDRESS,
];

/// A request whose sender is known.
pub(crate) struct Request<'a> {
    pub(crate) now: Now,
    pub(crate) message: &'a Message<'a>,
    pub(crate) reply_to: ReplyTo,
    pub(crate) caller: Caller<'a>,
}

/// What a method makes of a request; `None` when the answer comes later, or not at all.
pub(crate) type Outcome = Result<Option<Success>, Refusal>;

impl Server {
    pub(crate) fn handle_request(&mut self, now: Now, tuple: FiveTuple, message: &Message<'_>) {
        // An answer to port 0 cannot arrive, and one to ourselves would be the start of a loop. No more is compared than the
        // listener asked: a client on this machine may well have the number of another listener's port.
        if tuple.client.port() == 0 || tuple.client == tuple.server {
            return self.event(Event::Dropped(DropReason::Unexpected));
        }
        let reply_to = ReplyTo::new(tuple, message);
        match message.method() {
            Method::BINDING => self.binding(&reply_to, message),
            Method::ALLOCATE
            | Method::REFRESH
            | Method::CREATE_PERMISSION
            | Method::CHANNEL_BIND => self.handle_authenticated(now, reply_to, message),
            _ => self.event(Event::Dropped(DropReason::Unexpected)),
        }
    }

    fn handle_authenticated(&mut self, now: Now, reply_to: ReplyTo, message: &Message<'_>) {
        // First, so that a 5-tuple whose allocation has run out is free.
        self.handle_timeout(now);
        let caller = match self.authenticate(now, &reply_to.tuple, message) {
            Ok(caller) => caller,
            Err(denial) => return self.deny(now, &reply_to, denial),
        };
        let key = caller.key.clone();
        if message.unknown_required(UNDERSTOOD).next().is_some() {
            return self.refuse_unknown(&reply_to, Some(&key), message);
        }
        let request = Request { now, message, reply_to, caller };
        let outcome = match message.method() {
            Method::ALLOCATE => self.allocate(&request),
            method => self.on_allocation(method, &request),
        };
        match outcome {
            Ok(Some(success)) => self.succeed(&reply_to, Some(&key), success),
            Ok(None) => {}
            Err(refusal) => self.refuse(&reply_to, Some(&key), refusal),
        }
    }

    /// Everything but Allocate needs an allocation, and the user who made it (RFC 8656 s5).
    fn on_allocation(&mut self, method: Method, request: &Request<'_>) -> Outcome {
        let (now, tuple) = (request.now.monotonic, &request.reply_to.tuple);
        let (id, allocation) =
            self.allocations.by_tuple(now, tuple).ok_or(Refusal::AllocationMismatch)?;
        if *allocation.claim.username != *request.caller.username {
            return Err(Refusal::WrongCredentials);
        }
        match method {
            Method::REFRESH => self.refresh(request, id),
            Method::CREATE_PERMISSION => self.create_permission(request, id),
            _ => self.channel_bind(request, id),
        }
    }
}
