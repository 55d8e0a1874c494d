//! The shard: what comes in, sorted, and what goes out.

mod denials;
mod figures;
mod hairpins;
mod mobility;
mod tcp_relay;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use hairpin_stun::{ChannelData, Class, FirstByte, Key, Message, Method, PacketBuf};

use crate::allocation::Allocation;
use crate::allocations::Allocations;
use crate::answer_limit::AnswerLimit;
use crate::connections::{Asked, Connections};
use crate::gate::{Caller, Gate};
use crate::indication_ids::IndicationIds;
use crate::methods::{
    Allocate, Binding, ChannelBind, Connect, ConnectionBind, CreatePermission, Finished, Refresh,
    Step, check_understood,
};
use crate::replies::{Replies, ReplyTo, Success};
use crate::route::{Route, Router, Sent};
use crate::terms::Terms;
use crate::{
    AllocationId, BindError, Bound, DropReason, Event, FiveTuple, Forward, IcmpError, Now, Output,
    OwnAddresses, PeerAddr, Refusal, ReleaseReason, RequestMethod, Rules,
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
    connections: Connections,
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
            allocations: Allocations::new(own.relayed(), seed),
            terms: Terms::new(rules, own),
            connections: Connections::new(seed),
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
        if self.allocations.expects_anybody() {
            self.welcome(now, &tuple, packet.payload());
        }
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

    /// Takes an ICMP error about a datagram that an allocation sent to `peer`: that is the destination
    /// of the packet inside. Its client is told, if the peer has a permission (RFC 8656 s11.5).
    pub fn handle_icmp(&mut self, now: Now, id: AllocationId, peer: PeerAddr, error: IcmpError) {
        let allocation = self.allocations.live(now.monotonic, id);
        let permits = |allocation: &&Allocation| allocation.admits(now.monotonic, peer.0.ip());
        let Some(allocation) = allocation.filter(permits) else { return };
        if let Some(bytes) = error.indication(peer, self.indications.next()) {
            self.outputs.push_back(Output::Transmit { to: *allocation.tuple(), bytes });
        }
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

    /// Frees the allocation of a client whose stream is closed, unless it may come again with a
    /// ticket: then it has it until its lifetime is over (RFC 8016).
    pub fn handle_disconnect(&mut self, now: Now, tuple: &FiveTuple) {
        self.allocations.abandon(tuple);
        if self.allocations.leave(now.monotonic, tuple) {
            return;
        }
        while let Some((id, _)) = self.allocations.by_tuple(now.monotonic, tuple) {
            self.allocations.release(id, ReleaseReason::Disconnected);
        }
    }

    /// Frees allocations whose time is over, 64 of them at most. When there are more,
    /// [`poll_timeout`](Self::poll_timeout) still gives a time that is past: let packets through
    /// before the next call.
    pub fn handle_timeout(&mut self, now: Now) {
        self.allocations.expire(now.monotonic, MAX_EXPIRATIONS);
        self.close_overdue_connections(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call, on the monotonic clock;
    /// past when it is now.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.allocations.next_deadline().into_iter().chain(self.connections.next_deadline()).min()
    }

    /// What the caller must do next. Paths and sockets come before answers: who follows them knows
    /// of a path before the client does.
    pub fn poll_output(&mut self) -> Option<Output> {
        let Some(change) = self.allocations.poll_change() else { return self.outputs.pop_front() };
        if let Output::CloseRelay { id, .. } = change {
            self.close_connections_of(id);
        }
        Some(change)
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
        if self.hands_over(&to, message) {
            return;
        }
        match self.gate.check(now, to.tuple, message, self.holder(now, &to, message)) {
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
        match self.perform(now.monotonic, to, caller, message) {
            Ok(step) => self.carry_out(to, Some(&caller.key), step),
            Err(refusal) => self.refuse(to, Some(&caller.key), refusal, message),
        }
    }

    /// What every authenticated request must be, and then its method (RFC 8489 s6.3.1, RFC 8656 s5):
    /// after Allocate it needs the allocation, of the user who made it.
    fn perform(
        &mut self,
        now: Duration,
        to: &ReplyTo,
        caller: &Caller<'_>,
        message: &Message<'_>,
    ) -> Result<Step, Refusal> {
        check_understood(message)?;
        let Self { allocations, connections, terms, .. } = self;
        let ticket = terms.ticket(message).filter(|_| to.method == RequestMethod::Refresh);
        if ticket.is_none() {
            allocations.arrive_with(now, caller);
        }
        match to.method {
            RequestMethod::Binding => Binding::parse(message).map(Binding::apply),
            RequestMethod::Allocate => match Allocate::again(message, caller, allocations, now) {
                Some(again) => again,
                None => Allocate::parse(message)?.apply(caller, allocations, terms),
            },
            RequestMethod::Refresh => match ticket {
                Some(ticket) => {
                    let refresh = Refresh::parse(message)?;
                    refresh.apply_from_elsewhere(caller, ticket, allocations, terms, now)
                }
                None => {
                    let id = allocations.owned_by(now, caller)?;
                    Refresh::parse(message)?.apply(id, allocations, terms, now)
                }
            },
            RequestMethod::CreatePermission => {
                let id = allocations.owned_by(now, caller)?;
                CreatePermission::parse(message)?.apply(id, allocations, terms, now)
            }
            RequestMethod::ChannelBind => {
                let id = allocations.owned_by(now, caller)?;
                ChannelBind::parse(message, terms)?.apply(id, allocations, terms, now)
            }
            RequestMethod::Connect => {
                let id = allocations.owned_by(now, caller)?;
                let asked = Asked { to: *to, key: caller.key.clone() };
                Connect::parse(message)?.apply(id, allocations, connections, terms, now, asked)
            }
            RequestMethod::ConnectionBind => {
                ConnectionBind::parse(message)?.apply(caller, allocations, connections, now)
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
            Step::Connect { id, via, to, reach } => {
                self.outputs.push_back(Output::Connect { id, via, to, reach });
            }
            Step::Pipe { id } => {
                self.outputs.push_back(self.replies.success(to, key, Success::Done));
                self.outputs.push_back(Output::Pipe { client: to.tuple, id });
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
