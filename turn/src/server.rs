//! The shard: what comes in, sorted, and what goes out.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use hairpin_stun::{
    ChannelData, ChannelNumbers, Class, FirstByte, Key, Message, Method, PacketBuf,
};

use crate::allocations::Allocations;
use crate::answer_limit::AnswerLimit;
use crate::gate::{Caller, Denial, Gate};
use crate::indication_ids::IndicationIds;
use crate::methods::{
    Allocate, Binding, ChannelBind, CreatePermission, Finished, Refresh, Step, check_understood,
};
use crate::replies::{Replies, ReplyTo};
use crate::route::{Route, Router, Sent};
use crate::terms::Terms;
use crate::{
    AllocationId, BindError, Bound, DropReason, Event, FiveTuple, Forward, Now, Output,
    OwnAddresses, PeerAddr, Refusal, RelayedAddr, ReleaseReason, RequestMethod, Rules, Transport,
};

/// Allocations that one call of [`Server::handle_timeout`] takes away at most: each has a socket to
/// be closed, and meanwhile packets wait.
const MAX_EXPIRATIONS: usize = 64;

/// One shard of a TURN server: allocations and all that may be done with them.
///
/// The caller drives it as the crate's documentation says. No input makes it panic, and the memory
/// it takes grows with live allocations alone.
pub struct Server {
    terms: Terms,
    gate: Gate,
    answer_limit: Option<AnswerLimit>,
    replies: Replies,
    allocations: Allocations,
    indications: IndicationIds,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A shard without allocations. `seed` is secret randomness of its own, for hash tables and the
    /// transaction ids of indications.
    pub fn new(rules: Arc<Rules>, own: Arc<OwnAddresses>, seed: u64) -> Self {
        Self {
            gate: Gate::new(rules.clone(), seed),
            answer_limit: rules
                .unauthenticated_answers_per_second
                .map(|per_second| AnswerLimit::new(per_second, seed)),
            replies: Replies::new(rules.clone()),
            terms: Terms::new(rules, own),
            allocations: Allocations::new(seed),
            indications: IndicationIds::new(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Replaces our own addresses, when the machine has got one or lost one. What is ours now is no
    /// peer any more, whatever permissions and channels there are for it.
    pub fn set_own_addresses(&mut self, own: Arc<OwnAddresses>) {
        self.terms.set_own_addresses(own);
    }

    /// Takes a datagram, or a frame of a stream, from a client (RFC 7983, RFC 8656 s12).
    ///
    /// Returns what to pass on at once; answers come out of [`poll_output`](Self::poll_output).
    pub fn handle_client<'b>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        match packet.payload().first().copied().map(FirstByte::of) {
            Some(FirstByte::ChannelData) => {
                let parse = ChannelData::parse;
                self.route(now, packet, |router, bytes| router.channel_data(&tuple, parse(bytes)))
            }
            Some(FirstByte::Stun) => self.handle_message(now, tuple, packet),
            // Beside the way of all others, which is to have nothing to decide.
            Some(FirstByte::OldChannelData) => {
                let numbers = self.terms.channel_numbers();
                let parse = |bytes: &_| ChannelData::parse_under(numbers, bytes);
                self.route(now, packet, |router, bytes| router.channel_data(&tuple, parse(bytes)))
            }
            Some(FirstByte::Dtls | FirstByte::Other) | None => self.dropped(DropReason::Malformed),
        }
    }

    /// Takes a datagram that a peer sent to the relay socket of an allocation.
    pub fn handle_peer<'b>(
        &mut self,
        now: Now,
        id: AllocationId,
        peer: PeerAddr,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        self.route(now, packet, |router, bytes| router.peer_data(id, peer, bytes.len()))
    }

    /// Takes a datagram that an allocation of another shard, at `from`, sent to `to`.
    ///
    /// `None` also when no live allocation of this shard has that address; the packet is then
    /// dropped.
    pub fn handle_relayed<'b>(
        &mut self,
        now: Now,
        to: RelayedAddr,
        from: RelayedAddr,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        self.route(now, packet, |router, bytes| router.hairpin(to, from, bytes.len()))
    }

    /// Takes the answer to [`Output::BindRelay`], which lets the Allocate request be answered: with
    /// success, with 486 for a quota or with 508 for a lack of capacity.
    ///
    /// Every `BindRelay` is answered exactly once. When the client is gone by then, a bound socket
    /// is asked to be closed again.
    pub fn handle_relay_bound(
        &mut self,
        now: Now,
        id: AllocationId,
        bound: Result<Bound, BindError>,
    ) {
        let finished = Finished::new(id, bound, &mut self.allocations, now.monotonic);
        let Some(Finished { to, key, outcome }) = finished else { return };
        match outcome {
            Ok(step) => self.carry_out(&to, Some(&key), step),
            Err(refusal) => {
                let answer = self.replies.refusal(&to, Some(&key), refusal);
                self.refused(&to, refusal, answer);
            }
        }
    }

    /// Frees the allocation of a client whose stream is closed.
    pub fn handle_disconnect(&mut self, now: Now, tuple: &FiveTuple) {
        self.allocations.abandon(tuple);
        while let Some((id, _)) = self.allocations.by_tuple(now.monotonic, tuple) {
            self.allocations.release(id, ReleaseReason::Disconnected);
        }
    }

    /// Frees allocations whose time is over, 64 of them at most. When there are more,
    /// [`poll_timeout`](Self::poll_timeout) still gives a time that is past: let packets through
    /// before the next call.
    pub fn handle_timeout(&mut self, now: Now) {
        self.allocations.expire(now.monotonic, MAX_EXPIRATIONS);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call, on the monotonic clock;
    /// past when it is now.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.allocations.next_deadline()
    }

    /// What the caller must do next. Paths and sockets come before answers: who follows them knows
    /// of a path before the client does.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.allocations.poll_change().or_else(|| self.outputs.pop_front())
    }

    /// How many allocations there are. Those whose time is over count until
    /// [`handle_timeout`](Self::handle_timeout) takes them away.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// When the live allocation of a 5-tuple ends, if it has one; of two the last.
    pub fn allocated_until(&self, now: Now, tuple: &FiveTuple) -> Option<Duration> {
        self.allocations.ends(now.monotonic, tuple)
    }

    /// Which numbers channels may have, for the readers of streams.
    pub fn channel_numbers(&self) -> ChannelNumbers {
        self.terms.channel_numbers()
    }

    /// The relayed address of an allocation.
    pub fn relayed(&self, id: AllocationId) -> Option<RelayedAddr> {
        self.allocations.get(id).map(|allocation| allocation.relayed())
    }

    /// Bytes of memory taken by tables and queues, without what each live allocation holds besides.
    /// Strangers cannot make it grow.
    pub fn table_bytes(&self) -> usize {
        let limit = self.answer_limit.as_ref().map_or(0, AnswerLimit::bytes);
        self.allocations.bytes() + limit + self.outputs.capacity() * size_of::<Output>()
    }
}

/// Messages.
impl Server {
    /// Not inlined: the way of ChannelData would pay for the registers and the stack this needs.
    #[inline(never)]
    fn handle_message<'b>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        let Ok(message) = Message::parse(packet.payload()) else {
            return self.dropped(DropReason::Malformed);
        };
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => {
                let sent = Sent::parse(&message);
                self.route(now, packet, |router, _| router.send_indication(&tuple, &sent?))
            }
            // Keeps a NAT's mapping alive and asks for nothing (RFC 8489 s3).
            (Class::Indication, Method::BINDING) => None,
            (Class::Request, method) => match RequestMethod::of(method) {
                // An answer to port 0 cannot arrive, and one to ourselves would be the start of a
                // loop. No more is compared than the listener asked: a client on this machine may
                // well have the number of another listener's port.
                Some(method) if tuple.client.port() != 0 && tuple.client != tuple.server => {
                    self.handle_request(now, ReplyTo::new(tuple, method, &message), &message);
                    None
                }
                _ => self.dropped(DropReason::Unexpected),
            },
            _ => self.dropped(DropReason::Unexpected),
        }
    }

    fn handle_request(&mut self, now: Now, to: ReplyTo, message: &Message<'_>) {
        if to.method == RequestMethod::Binding {
            return self.handle_binding(now, &to, message);
        }
        // First, so that a 5-tuple whose allocation has run out is free.
        self.allocations.expire_on(now.monotonic, &to.tuple);
        let live = self.allocations.by_tuple(now.monotonic, &to.tuple);
        let holder = live.map(|(_, allocation)| allocation.claim());
        match self.gate.check(now, to.tuple, message, holder) {
            Ok(caller) => self.handle_authenticated(now, &to, &caller, message),
            Err(denial) => self.deny(now, &to, denial),
        }
    }

    /// Binding needs no authentication (RFC 8489 s9).
    fn handle_binding(&mut self, now: Now, to: &ReplyTo, message: &Message<'_>) {
        if !self.answers_stranger(now, &to.tuple) {
            return self.event(Event::Dropped(DropReason::AnswerLimit));
        }
        match Binding::parse(message).map(Binding::apply) {
            Ok(step) => {
                self.carry_out(to, None, step);
                self.event(Event::BindingAnswered);
            }
            Err(refusal) => self.refuse(to, None, refusal, message),
        }
    }

    fn handle_authenticated(
        &mut self,
        now: Now,
        to: &ReplyTo,
        caller: &Caller<'_>,
        message: &Message<'_>,
    ) {
        match self.perform(now.monotonic, to.method, caller, message) {
            Ok(step) => self.carry_out(to, Some(&caller.key), step),
            Err(refusal) => self.refuse(to, Some(&caller.key), refusal, message),
        }
    }

    /// What every authenticated request must be, and then its method (RFC 8489 s6.3.1, RFC 8656 s5):
    /// after Allocate it needs the allocation, of the user who made it.
    fn perform(
        &mut self,
        now: Duration,
        method: RequestMethod,
        caller: &Caller<'_>,
        message: &Message<'_>,
    ) -> Result<Step, Refusal> {
        check_understood(message)?;
        let Self { allocations, terms, .. } = self;
        match method {
            RequestMethod::Binding => Binding::parse(message).map(Binding::apply),
            RequestMethod::Allocate => match Allocate::again(message, caller, allocations, now) {
                Some(again) => again,
                None => Allocate::parse(message)?.apply(caller, allocations, terms),
            },
            RequestMethod::Refresh => {
                let id = allocations.owned_by(now, caller)?;
                Refresh::parse(message)?.apply(id, allocations, terms, now)
            }
            RequestMethod::CreatePermission => {
                let id = allocations.owned_by(now, caller)?;
                CreatePermission::parse(message)?.apply(id, allocations, terms, now)
            }
            RequestMethod::ChannelBind => {
                let id = allocations.owned_by(now, caller)?;
                ChannelBind::parse(message, terms)?.apply(id, allocations, terms, now)
            }
        }
    }

    fn carry_out(&mut self, to: &ReplyTo, key: Option<&Key>, step: Step) {
        match step {
            Step::Answer(success) => {
                self.outputs.push_back(self.replies.success(to, key, success));
            }
            Step::Bind { id, wanted, owner } => {
                self.outputs.push_back(Output::BindRelay { id, wanted, owner });
            }
            Step::Silent => {}
        }
    }

    fn refuse(&mut self, to: &ReplyTo, key: Option<&Key>, refusal: Refusal, message: &Message<'_>) {
        let answer = match refusal {
            Refusal::UnknownAttribute => self.replies.unknown_attributes(to, key, message),
            _ => self.replies.refusal(to, key, refusal),
        };
        self.refused(to, refusal, answer);
    }

    fn deny(&mut self, now: Now, to: &ReplyTo, denial: Denial) {
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
    fn answers_stranger(&mut self, now: Now, tuple: &FiveTuple) -> bool {
        match &mut self.answer_limit {
            // After DTLS, too, whose handshake shows it; but there nobody is answered in the clear.
            Some(limit) if tuple.transport == Transport::Udp => {
                limit.admit(now.monotonic, tuple.client.ip())
            }
            Some(_) | None => true,
        }
    }

    fn refused(&mut self, to: &ReplyTo, refusal: Refusal, answer: Output) {
        self.outputs.push_back(answer);
        self.event(Event::Refused { tuple: to.tuple, method: to.method, refusal });
    }

    /// Passes a packet on where `find` says. Inlined, so that a [`Forward`] is made where it is
    /// returned and not moved.
    #[inline(always)]
    fn route<'b>(
        &mut self,
        now: Now,
        packet: PacketBuf<'b>,
        find: impl for<'a> FnOnce(Router<'a>, &[u8]) -> Result<Route<'a>, DropReason>,
    ) -> Option<Forward<'b>> {
        let router =
            Router { allocations: &self.allocations, terms: &self.terms, now: now.monotonic };
        let reason = match find(router, packet.payload()) {
            Ok(route) => match route.forward(packet, &mut self.indications) {
                Some(forward) => return Some(forward),
                None => DropReason::TooLong,
            },
            Err(reason) => reason,
        };
        self.dropped(reason)
    }

    #[cold]
    fn dropped<'b>(&mut self, reason: DropReason) -> Option<Forward<'b>> {
        self.event(Event::Dropped(reason));
        None
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
