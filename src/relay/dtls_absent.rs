//! A build without DTLS: there are no sessions, and nobody makes any.

use std::convert::Infallible;
use std::time::Duration;

use hairpin_config::CertificateFiles;
use hairpin_turn::{FiveTuple, OwnedPacket};

/// Who we would be.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Infallible);

impl Identity {
    /// # Errors
    /// Always: this build has no DTLS.
    pub(crate) fn of(_: &[CertificateFiles]) -> Result<Self, String> {
        Err("dtls: this build has none; build it with the feature dtls".to_owned())
    }
}

pub(super) struct Sessions(Infallible);

impl Sessions {
    pub(super) fn new(identity: Identity, _: Duration, _: [u8; 32]) -> Self {
        match identity.0 {}
    }

    pub(super) fn set_identity(&mut self, identity: Identity) {
        match identity.0 {}
    }

    pub(super) fn receive(&mut self, _: Duration, _: &FiveTuple, _: &[u8]) -> Vec<OwnedPacket> {
        match self.0 {}
    }

    pub(super) fn send(&mut self, _: &FiveTuple, _: &[u8]) {
        match self.0 {}
    }

    pub(super) fn allocated(&mut self, _: &FiveTuple) {
        match self.0 {}
    }

    pub(super) fn look_now(&mut self, _: &FiveTuple, _: Duration) {
        match self.0 {}
    }

    pub(super) fn next_timer(&self) -> Option<Duration> {
        match self.0 {}
    }

    pub(super) fn handle_timeout(
        &mut self,
        _: Duration,
        _: usize,
        _: impl Fn(&FiveTuple) -> Option<Duration>,
    ) {
        match self.0 {}
    }

    pub(super) fn take_outgoing(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        match self.0 {}
    }

    pub(super) fn next_ended(&mut self) -> Option<FiveTuple> {
        match self.0 {}
    }
}
