//! One DTLS session, as a value that is driven.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dimpl::{Dtls, Output};
use hairpin_turn::{OwnedPacket, StreamDeadlines};

use super::hello::{ClientHello, Cookie};
use super::identity::{Identity, vouching};

/// The longest plaintext of a record (RFC 5246 s6.2.1).
const MAX_PLAINTEXT: usize = 1 << 14;

/// What a session wants.
#[derive(Debug, Default)]
pub(super) struct Wants {
    /// Datagrams for the client.
    pub(super) transmit: Vec<Vec<u8>>,
    /// Messages of the client's.
    pub(super) received: Vec<OwnedPacket>,
    /// The session is over.
    pub(super) closed: bool,
}

pub(super) struct Session {
    dtls: Dtls,
    /// Of the ClientHello it begins with.
    random: Vec<u8>,
    /// Its handshake is done.
    pub(super) is_open: bool,
    pub(super) deadlines: StreamDeadlines,
    /// When the library wants to be called.
    pub(super) wake: Option<Duration>,
    /// The time that `Instant`s count from.
    origin: Instant,
    /// When it is looked at next.
    pub(super) timer: Duration,
}

impl Session {
    /// One that is to begin with this ClientHello.
    pub(super) fn new(
        identity: &Identity,
        origin: Instant,
        now: Duration,
        hello: &ClientHello<'_>,
    ) -> Self {
        let Identity { config, certificate } = identity.clone();
        let deadlines = StreamDeadlines::new(now);
        Self {
            dtls: Dtls::new_12(config, certificate, origin + now),
            random: hello.random.to_vec(),
            is_open: false,
            timer: deadlines.deadline(None),
            deadlines,
            wake: None,
            origin,
        }
    }

    /// Begins with a ClientHello that has brought the right cookie.
    ///
    /// The library counts messages from the ClientHello without a cookie on, which was answered without it. What it says to
    /// that is not for the client.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        cookie: Cookie,
    ) -> Wants {
        vouching(cookie, || {
            let Wants { closed, .. } = self.receive(now, &hello.without_cookie());
            let wants = self.receive(now, datagram);
            Wants { closed: closed || wants.closed, ..wants }
        })
    }

    /// Whether it began with this ClientHello: then that is a repetition, and no new beginning.
    pub(super) fn began_with(&self, hello: &ClientHello<'_>) -> bool {
        self.random == hello.random
    }

    /// Takes a datagram.
    pub(super) fn receive(&mut self, now: Duration, datagram: &[u8]) -> Wants {
        let at = self.origin + now;
        self.drive(now, |dtls| {
            dtls.handle_timeout(at)?;
            dtls.handle_packet(datagram)
        })
    }

    /// Sends a message; one that no record can hold is lost.
    pub(super) fn send(&mut self, now: Duration, message: &[u8]) -> Wants {
        match message.len() <= MAX_PLAINTEXT {
            true => self.drive(now, |dtls| dtls.send_application_data(message).map(drop)),
            false => Wants::default(),
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: Duration) -> Wants {
        Wants { closed: true, ..self.drive(now, Dtls::close) }
    }

    /// Lets the library's timers run.
    pub(super) fn handle_timeout(&mut self, now: Duration) -> Wants {
        let at = self.origin + now;
        match self.wake.is_some_and(|wake| wake <= now) {
            true => self.drive(now, |dtls| dtls.handle_timeout(at)),
            false => Wants::default(),
        }
    }

    /// The library is young, and what it is fed is strangers': should it panic, that ends this session and nothing else.
    fn drive(
        &mut self,
        now: Duration,
        act: impl FnOnce(&mut Dtls) -> Result<(), dimpl::Error>,
    ) -> Wants {
        let mut wants = Wants::default();
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let result = act(&mut self.dtls);
            // What it has to say to an error, such as an alert, is said.
            self.drain(now, &mut wants);
            result
        }));
        match driven {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "a DTLS session ends");
                wants.closed = true;
            }
            Err(_) => {
                tracing::error!("a DTLS session has failed");
                wants.closed = true;
            }
        }
        wants
    }

    fn drain(&mut self, now: Duration, wants: &mut Wants) {
        // The largest datagram there is, so that none is too large; only what is written to is ever touched.
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => wants.transmit.push(packet.to_vec()),
                Output::ApplicationData(data) => {
                    self.deadlines.frame(now);
                    wants.received.push(OwnedPacket::from(data));
                }
                Output::Connected => self.is_open = true,
                Output::CloseNotify => wants.closed = true,
                Output::Timeout(at) => {
                    self.wake = Some(at.saturating_duration_since(self.origin));
                    return;
                }
                Output::BufferTooSmall { .. } => {
                    wants.closed = true;
                    return;
                }
                _ => {}
            }
        }
    }
}
