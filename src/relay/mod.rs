//! The relay's impure half: one worker thread a core, each with its own sockets and its own shard.
//!
//! A worker owns a [`hairpin_turn::Server`] outright, and waits for its UDP sockets, its TURN streams, its mailbox and
//! its deadlines in one epoll set. Nothing on the packet path is shared but the port table's atomics. A packet for a
//! relayed address of another worker is handed over in a parcel, never sent through a socket.

mod carrier;
mod context;
mod errors;
mod gathered;
mod intake;
mod layout;
mod mailbox;
mod options;
mod pace;
mod parcel;
mod peers;
mod pipe;
mod ports;
mod routes;
mod runs;
mod shard;
mod shared;
mod sockets;
mod stream;
mod streams;
mod sys;
mod worker;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use hairpin_turn::{OwnAddresses, QuotaLedger, Rules};

use crate::clock::Clock;
use crate::metrics::RelayMetrics;
use crate::net::Budgets;
use crate::supervisor::Supervisor;

pub(crate) use intake::StreamIntake;
pub(crate) use ports::RelayIp;
pub(crate) use shared::SharedSockets;
pub(crate) use sockets::{UdpSockets, bind_listener};

use context::RelayContext;
use mailbox::Postbox;
use ports::PortTable;
use worker::{Worker, WorkerSetup};

/// How many workers there are: as many as were asked for, or one a core.
pub(crate) fn worker_count(asked_for: Option<NonZeroUsize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked_for.map_or_else(cores, NonZeroUsize::get)
}

/// What the relay is made of.
pub(crate) struct RelaySetup {
    pub(crate) rules: Arc<Rules>,
    pub(crate) own: Arc<OwnAddresses>,
    pub(crate) addresses: Vec<RelayIp>,
    pub(crate) quotas: QuotaLedger,
    /// For connections to peers.
    pub(crate) budgets: Budgets,
    /// The sockets of the address that all allocations share, if they do.
    pub(crate) shared: Option<SharedSockets>,
    /// UDP listeners, each with a socket for every worker, or fewer.
    pub(crate) listeners: Vec<UdpSockets>,
    /// One per worker; their number is the number of workers.
    pub(crate) metrics: Vec<Arc<RelayMetrics>>,
    pub(crate) clock: Clock,
    pub(crate) supervisor: Supervisor,
}

/// The running workers.
pub(crate) struct Relay {
    context: Arc<RelayContext>,
    metrics: Vec<Arc<RelayMetrics>>,
    postboxes: Vec<Postbox>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Relay {
    /// Starts a thread per worker.
    ///
    /// # Errors
    /// What the system says when a thread or a descriptor cannot be had.
    pub(crate) fn start(setup: RelaySetup) -> io::Result<Self> {
        let workers = setup.metrics.len();
        let context = Arc::new(RelayContext::new(
            PortTable::new(&setup.addresses, setup.own.relay_ports()),
            setup.quotas,
            setup.budgets,
        ));
        let mailboxes = (0..workers).map(|_| mailbox::mailbox());
        let (postboxes, mailboxes): (Vec<_>, Vec<_>) =
            mailboxes.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        let mut relay = Self { context, metrics: setup.metrics, postboxes, threads: Vec::new() };
        let mut shared = setup.shared.map(|shared| shared.per_worker(workers));
        let listeners = sockets::per_worker(setup.listeners, workers);
        for (index, (mailbox, listeners)) in mailboxes.into_iter().zip(listeners).enumerate() {
            let worker = WorkerSetup {
                index,
                rules: setup.rules.clone(),
                own: setup.own.clone(),
                listeners,
                shared: shared
                    .as_mut()
                    .map(|(address, shares)| (address.clone(), shares.remove(0))),
                mailbox,
                postboxes: relay.postboxes.clone(),
                metrics: relay.metrics[index].clone(),
                context: relay.context.clone(),
                clock: setup.clock,
            };
            let thread = worker.epoll().and_then(|epoll| {
                let name = format!("relay-{index}");
                setup.supervisor.thread(name, move || Worker::new(worker, epoll).run())
            });
            // Those already running end with `relay` if this one cannot.
            relay.threads.push(thread?);
        }
        Ok(relay)
    }

    /// Where TURN clients' TCP connections go.
    pub(crate) fn intake(&self) -> StreamIntake {
        StreamIntake::new(self.postboxes.clone())
    }

    /// What tells all workers of our addresses.
    pub(crate) fn own_addresses(&self) -> impl Fn(OwnAddresses) + Send + use<> {
        let postboxes = self.postboxes.clone();
        move |own| {
            let own = Arc::new(own);
            for postbox in &postboxes {
                postbox.send_own_addresses(own.clone());
            }
        }
    }

    /// Refuses new allocations from now on.
    pub(crate) fn drain(&self) {
        self.context.drain();
    }

    /// Allocations held now, by all workers.
    pub(crate) fn allocations(&self) -> u64 {
        self.metrics.iter().map(|m| m.allocations()).sum()
    }

    /// Stops the workers and waits until their threads are gone.
    pub(crate) async fn stop(&mut self) {
        self.send_stop();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // Its supervisor has caught, and told of, any panic.
                let _ = thread.join();
            }
        });
        if joined.await.is_err() {
            tracing::error!("waiting for the relay workers failed");
        }
    }

    fn send_stop(&self) {
        for postbox in &self.postboxes {
            postbox.send_stop();
        }
    }
}

/// Stops the workers without waiting for them.
impl Drop for Relay {
    fn drop(&mut self) {
        self.send_stop();
    }
}
