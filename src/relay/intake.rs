//! The way of TURN streams from the front door to the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::net::Connection;

/// Connections that wait for a worker before more are dropped.
const WAITING: usize = 1024;

/// Hands connections that speak STUN to the workers.
#[derive(Clone, Debug)]
pub(crate) struct StreamIntake {
    workers: Arc<[mpsc::Sender<Connection>]>,
    next: Arc<AtomicUsize>,
}

/// Where one worker's connections come out.
pub(super) type Streams = mpsc::Receiver<Connection>;

/// For this many workers.
pub(super) fn intake(workers: usize) -> (StreamIntake, Vec<Streams>) {
    let (senders, receivers): (Vec<_>, _) = (0..workers).map(|_| mpsc::channel(WAITING)).unzip();
    (StreamIntake { workers: senders.into(), next: Arc::default() }, receivers)
}

impl StreamIntake {
    /// Has one of the workers serve a connection, each in turn. When that one has stopped, or is far behind, the
    /// connection closes.
    pub(crate) fn serve(&self, connection: Connection) {
        let worker = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len();
        if let Err(error) = self.workers[worker].try_send(connection) {
            tracing::debug!(worker, %error, "connection dropped");
        }
    }
}
