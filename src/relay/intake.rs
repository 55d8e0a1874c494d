//! The way of TURN streams from the front door to the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::mailbox::Postbox;
use crate::net::Connection;

/// Hands connections that speak STUN to the workers.
#[derive(Clone, Debug)]
pub(crate) struct StreamIntake {
    workers: Arc<[Postbox]>,
    next: Arc<AtomicUsize>,
}

impl StreamIntake {
    pub(super) fn new(workers: Vec<Postbox>) -> Self {
        Self { workers: workers.into(), next: Arc::default() }
    }

    /// Has one of the workers serve a connection, each in turn. The bytes already read from it are the first of its
    /// stream.
    pub(crate) fn serve(&self, connection: Connection) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.workers[turn % self.workers.len()].send_stream(connection);
    }
}
