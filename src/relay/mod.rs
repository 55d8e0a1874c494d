//! The relay's impure half: one worker thread a core, each with its own sockets and its own shard.
//!
//! A worker owns a [`hairpin_turn::Server`] outright. Its UDP sockets are read in batches when an epoll set
//! says so; its TURN streams are tasks on the same single-threaded runtime; both call the shard directly, so
//! nothing on the packet path is shared but the port table's atomics. A packet for a relayed address of
//! another worker is handed over in a parcel, never sent through a socket.

mod hairpin;
mod intake;
mod layout;
mod ports;
mod routes;
mod shard;
mod sockets;
mod stream;
mod sys;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hairpin_turn::{OwnAddresses, QuotaLedger, Rules};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::RelayMetrics;
use crate::supervisor::Supervisor;

pub(crate) use intake::StreamIntake;
pub(crate) use ports::RelayIp;
pub(crate) use sockets::{ListenerSockets, UdpSockets};

use ports::PortTable;
use worker::{Worker, WorkerSetup};

/// What all workers share.
pub(crate) struct RelayContext {
    ports: PortTable,
    quotas: Mutex<QuotaLedger>,
    clock: Clock,
    /// Set when the process is stopping: no new allocations.
    draining: AtomicBool,
    /// Cancelled when workers must stop.
    stop: CancellationToken,
}

/// What the relay is made of.
pub(crate) struct RelaySetup {
    pub(crate) rules: Arc<Rules>,
    pub(crate) own: OwnAddresses,
    pub(crate) addresses: Vec<RelayIp>,
    pub(crate) quotas: QuotaLedger,
    pub(crate) listeners: ListenerSockets,
    /// One per worker; their number is the number of workers.
    pub(crate) metrics: Vec<Arc<RelayMetrics>>,
    pub(crate) clock: Clock,
    pub(crate) supervisor: Supervisor,
}

/// The running workers.
pub(crate) struct Relay {
    context: Arc<RelayContext>,
    intake: StreamIntake,
    metrics: Vec<Arc<RelayMetrics>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Relay {
    /// Starts a thread per worker.
    ///
    /// # Errors
    /// What the system says when a thread, an epoll set or a runtime cannot be had.
    pub(crate) fn start(setup: RelaySetup) -> io::Result<Self> {
        let workers = setup.metrics.len();
        let context = Arc::new(RelayContext {
            ports: PortTable::new(&setup.addresses, setup.own.relay_ports()),
            quotas: Mutex::new(setup.quotas),
            clock: setup.clock,
            draining: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        let supervisor = setup.supervisor;
        let (senders, mailboxes) = hairpin::mailboxes(workers);
        let (intake, streams) = intake::intake(workers);
        let listeners = setup.listeners.per_worker(workers);
        let mut threads = Vec::with_capacity(workers);
        let parts = mailboxes.into_iter().zip(listeners).zip(streams).zip(&setup.metrics);
        for (index, (((mailbox, listeners), streams), metrics)) in parts.enumerate() {
            let setup = WorkerSetup {
                index,
                rules: setup.rules.clone(),
                own: setup.own.clone(),
                listeners,
                mailboxes: senders.clone(),
                metrics: metrics.clone(),
                context: context.clone(),
            };
            let thread = Worker::new(setup, mailbox, streams).and_then(|worker| {
                supervisor.thread(format!("relay-{index}"), move || worker.run())
            });
            // The workers already running must not outlive a failed start.
            threads.push(thread.inspect_err(|_| context.stop.cancel())?);
        }
        Ok(Self { context, intake, metrics: setup.metrics, threads })
    }

    /// Where TURN's streams are to be brought.
    pub(crate) fn streams(&self) -> StreamIntake {
        self.intake.clone()
    }

    /// Refuses new allocations from now on.
    pub(crate) fn drain(&self) {
        self.context.draining.store(true, Ordering::Relaxed);
    }

    /// Allocations held now, by all workers.
    pub(crate) fn allocations(&self) -> u64 {
        self.metrics.iter().map(|m| m.allocations()).sum()
    }

    /// Stops the workers and waits until their threads are gone.
    pub(crate) async fn stop(self) {
        self.context.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                // Its supervisor has caught, and told of, any panic.
                let _ = thread.join();
            }
        });
        if joined.await.is_err() {
            tracing::error!("waiting for the relay workers failed");
        }
    }
}
