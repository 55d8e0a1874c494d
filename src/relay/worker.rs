//! A worker: a thread around one epoll set with all that it waits for.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hairpin_turn::{Now, OwnAddresses, Rules, Server};
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventFlags};

use super::context::RelayContext;
use super::dtls::{Identity, Sessions};
use super::gathered::Gathered;
use super::mailbox::{Mailbox, Postbox, ToWorker};
use super::pace::{Pace, Waited};
use super::parcel::Outbox;
use super::routes::{Routes, Token, watch};
use super::shard::{Shard, Sockets};
use super::shared::{SharedAddress, SharedRelay};
use super::streams::Streams;
use super::sys::{Sender, Slots};
use crate::clock::Clock;
use crate::log_limit::LogLimit;
use crate::metrics::RelayMetrics;

/// Sockets served in a turn.
const EVENTS: usize = 128;

/// Packets taken from the mailbox in a turn, or a few more.
const PARCEL_PACKETS: usize = 256;

/// What a worker is made of.
pub(super) struct WorkerSetup {
    /// Its number.
    pub(super) index: usize,
    pub(super) rules: Arc<Rules>,
    pub(super) own: Arc<OwnAddresses>,
    /// Its UDP listeners and what they are bound to.
    pub(super) listeners: Vec<(SocketAddr, UdpSocket)>,
    /// Its end of the address that allocations share, if they do.
    pub(super) shared: Option<(Arc<SharedAddress>, Vec<UdpSocket>)>,
    pub(super) mailbox: Mailbox,
    /// Of all workers, by number.
    pub(super) postboxes: Vec<Postbox>,
    pub(super) metrics: Arc<RelayMetrics>,
    pub(super) context: Arc<RelayContext>,
    /// Whom DTLS is served as, if it is.
    pub(super) dtls: Option<Identity>,
    pub(super) clock: Clock,
}

impl WorkerSetup {
    /// The epoll set with everything that is there from the beginning.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn epoll(&self) -> io::Result<OwnedFd> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        watch(&epoll, &self.mailbox, Token::Mailbox, EventFlags::IN | EventFlags::ET)?;
        for (i, (_, socket)) in self.listeners.iter().enumerate() {
            watch(&epoll, socket, Token::Listener(i), EventFlags::IN)?;
        }
        for (i, socket) in self.shared.iter().flat_map(|(_, sockets)| sockets).enumerate() {
            watch(&epoll, socket, Token::Shared(i), EventFlags::IN)?;
        }
        Ok(epoll)
    }
}

/// A worker on its thread.
pub(super) struct Worker {
    shard: Shard,
    mailbox: Mailbox,
    /// What was taken out of the mailbox for this turn; empty between turns.
    inbox: Vec<ToWorker>,
    slots: Slots,
    sender: Sender,
    clock: Clock,
    pace: Pace,
    /// How the turn was waited for.
    waited: Waited,
    stopped: bool,
}

impl Worker {
    /// `epoll` is the set that [`WorkerSetup::epoll`] made.
    pub(super) fn new(setup: WorkerSetup, epoll: OwnedFd) -> Self {
        let now = setup.clock.monotonic();
        let dtls = setup.dtls.map(|identity| Sessions::new(identity, now, rand::random()));
        let streams = Streams::new(setup.rules.channel_numbers);
        let workers = u32::try_from(setup.postboxes.len()).ok().and_then(NonZeroU32::new);
        let core = Server::new(setup.rules, setup.own, rand::random())
            .one_of(setup.index as u32, workers.expect("there is this one, and not 4,000,000,000"));
        let (index, routes) = (setup.index, Routes::new(setup.listeners));
        let shared = setup
            .shared
            .map(|(address, sockets)| SharedRelay::new(address, index, sockets, &routes));
        let shard = Shard::new(
            core,
            Sockets { routes, shared, streams },
            Outbox::new(setup.postboxes),
            epoll,
            index,
            setup.metrics,
            setup.context,
        )
        .with_dtls(dtls);
        Self {
            shard,
            mailbox: setup.mailbox,
            inbox: Vec::new(),
            slots: Slots::new(),
            sender: Sender::new(),
            clock: setup.clock,
            pace: Pace::new(setup.clock.monotonic()),
            waited: Waited::No,
            stopped: false,
        }
    }

    /// Works until it is told to stop; any other end is a failure of the whole relay.
    pub(super) fn run(mut self) {
        // Without it the kernel may wake us 50 us later than asked. It is a wish.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut events = Vec::with_capacity(EVENTS);
        while !self.stopped {
            if let Err(error) = self.step(&mut events) {
                return tracing::error!(%error, "a relay worker cannot wait for events");
            }
        }
    }

    /// One wait and the turn that follows.
    fn step(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.wait(events)?;
        self.turn(events);
        Ok(())
    }

    /// Waits until there is something to do, or a time for it has come, and takes what is in the mailbox then.
    ///
    /// The turn opens it last, when clients have been heard: a packet from another worker shall find the channel that was
    /// asked for before it was sent. What comes while the sockets are read is left for the next turn, for a request that
    /// came before it may be left there as well.
    fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.wait_for_events(events)?;
        self.mailbox.take(&mut self.inbox, PARCEL_PACKETS);
        Ok(())
    }

    fn wait_for_events(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.waited = Waited::No;
        let pause = self.pace.pause();
        // What is there already is read at once, or it would wait for longer than a pause.
        if pause.is_some() || self.shard.has_unread() {
            self.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() || self.shard.has_unread() {
                return Ok(());
            }
        }
        if let Some(pause) = pause {
            std::thread::sleep(pause);
            self.waited = Waited::Paused;
            return self.poll(events, Some(Duration::ZERO));
        }
        if !self.mailbox.sleep() {
            return self.poll(events, Some(Duration::ZERO));
        }
        let before = self.clock.monotonic();
        let timeout = self.shard.poll_timeout().map(|at| at.saturating_sub(before));
        self.poll(events, timeout)?;
        self.waited = Waited::Idle(self.clock.monotonic().saturating_sub(before));
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let spare = rustix::buffer::spare_capacity(events);
        match epoll::wait(self.shard.epoll(), spare, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Clients first: a peer's packet, too, shall find the permission that was asked for before it came.
        events.sort_by_key(|event| matches!(token_of(event), Token::Relay(_) | Token::Shared(_)));
        Ok(())
    }

    /// Serves what is ready, each socket and stream with a bounded share, and then sends all that came of it; sooner when
    /// all slots are full.
    fn turn(&mut self, events: &[Event]) {
        let mut events = events.iter();
        self.shard.meet_guests(&mut self.inbox);
        let (mut found, mut first) = (0, true);
        loop {
            let now = self.clock.now();
            let mut batch = self.slots.batch();
            let mut out = Gathered::default();
            // Before the events, which bring more streams that are left with frames: those have had their share.
            if std::mem::take(&mut first) {
                found += self.shard.serve_unread(now, &mut out);
            }
            while batch.left() > 0
                && let Some(event) = events.next()
            {
                let token = token_of(event);
                found += match token {
                    Token::Mailbox => 0,
                    Token::Stream(place) => {
                        let flags = event.flags;
                        self.shard.serve_stream(now, place, flags, &mut out)
                    }
                    Token::RelayListener(index) => self.shard.accept_peers(now, index, &mut out),
                    Token::Peer(place) => self.shard.serve_peer(now, place, event.flags, &mut out),
                    Token::Listener(_) | Token::Relay(_) | Token::Shared(_) => {
                        let flags = event.flags;
                        if flags.contains(EventFlags::ERR) {
                            self.shard.receive_errors(now, token, &mut out);
                        }
                        let received = self.shard.receive(now, token, &mut batch, &mut out);
                        received.unwrap_or_else(|error| {
                            cannot_receive(&error, token);
                            0
                        })
                    }
                };
            }
            let last = events.len() == 0;
            if last {
                found += open(&mut self.inbox, &mut self.shard, &mut self.stopped, now, &mut out);
                self.shard.handle_timeout(now, &mut out);
            }
            self.shard.finish_streams(now, &mut out);
            let lost = out.send(&mut self.sender);
            self.shard.lost(lost, self.sender.take_too_long());
            self.shard.finish();
            if last {
                return self.pace.turn(now.monotonic, self.waited, found);
            }
        }
    }
}

fn token_of(event: &Event) -> Token {
    Token::from_u64(event.data.u64())
}

/// Opens what was in the mailbox. Returns how many packets there were.
fn open(
    inbox: &mut Vec<ToWorker>,
    shard: &mut Shard,
    stopped: &mut bool,
    now: Now,
    out: &mut Gathered<'_>,
) -> usize {
    let mut found = 0;
    for item in inbox.drain(..) {
        match item {
            ToWorker::Parcel(parcel) => found += shard.receive_parcel(now, parcel, out),
            ToWorker::Stream(connection) => {
                if let Err(error) = shard.open_stream(now, connection, out) {
                    cannot_serve(&error);
                }
            }
            ToWorker::Moved(stream) => {
                if let Err(error) = shard.adopt_stream(now, *stream, out) {
                    cannot_serve(&error);
                }
            }
            ToWorker::OwnAddresses(own) => shard.set_own_addresses(own),
            ToWorker::Identity(identity) => shard.set_identity(identity),
            ToWorker::Guest { .. } | ToWorker::GuestGone { .. } => {
                unreachable!("the turn has begun with them")
            }
            ToWorker::Stop => *stopped = true,
            #[cfg(test)]
            ToWorker::Panic => panic!("asked for"),
        }
    }
    found
}

fn cannot_receive(error: &io::Error, token: Token) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(%error, ?token, left_out, "cannot receive");
    }
}

fn cannot_serve(error: &io::Error) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(%error, left_out, "cannot serve a connection");
    }
}

#[cfg(test)]
mod tests;
