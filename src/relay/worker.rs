//! A worker: a thread with a single-threaded runtime, on which the UDP loop and the TCP connections' tasks
//! take turns with the shard.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use hairpin_turn::{OwnAddresses, Rules};
use rustix::event::epoll;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::RelayContext;
use super::hairpin::{Mailbox, Parcel};
use super::intake::Streams;
use super::routes::Token;
use super::shard::Shard;
use super::sockets::WorkerListeners;
use super::stream;
use super::sys::{EpollSet, RecvBatch, watch_set};
use crate::metrics::RelayMetrics;

/// What a worker's shard is made of.
pub(super) struct WorkerSetup {
    pub(super) index: usize,
    pub(super) rules: Arc<Rules>,
    pub(super) own: OwnAddresses,
    pub(super) listeners: WorkerListeners,
    pub(super) mailboxes: Vec<mpsc::Sender<Parcel>>,
    pub(super) metrics: Arc<RelayMetrics>,
    pub(super) context: Arc<RelayContext>,
}

/// A worker ready to run on its thread.
pub(super) struct Worker {
    runtime: Runtime,
    epoll: OwnedFd,
    mailbox: Mailbox,
    streams: Streams,
    setup: WorkerSetup,
}

impl Worker {
    /// # Errors
    /// What the system says when a runtime or an epoll set cannot be had.
    pub(super) fn new(setup: WorkerSetup, mailbox: Mailbox, streams: Streams) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { runtime, epoll, mailbox, streams, setup })
    }

    /// Works until the context's `stop`; any other end is a failure of the whole relay.
    pub(super) fn run(self) {
        let Self { runtime, epoll, mailbox, streams, setup } = self;
        let served =
            runtime.block_on(LocalSet::new().run_until(serve(epoll, mailbox, streams, setup)));
        if let Err(error) = served {
            tracing::error!(%error, "a relay worker failed");
        }
    }
}

async fn serve(
    epoll: OwnedFd,
    mut mailbox: Mailbox,
    mut streams: Streams,
    setup: WorkerSetup,
) -> io::Result<()> {
    let epoll = Rc::new(epoll);
    let context = setup.context.clone();
    let shard = Rc::new(RefCell::new(Shard::new(setup, epoll.clone())?));
    let mut udp = UdpLoop::new(epoll)?;
    let mut timer = std::pin::pin!(tokio::time::sleep(std::time::Duration::ZERO));
    loop {
        let deadline = shard.borrow().core.poll_timeout().map(|at| context.clock.instant(at));
        if let Some(deadline) = deadline.filter(|deadline| *deadline != timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return Ok(()),
            () = &mut timer, if deadline.is_some() => shard.borrow_mut().handle_timeout(),
            Some(parcel) = mailbox.recv() => shard.borrow_mut().receive_parcel(parcel),
            Some(connection) = streams.recv() => {
                tokio::task::spawn_local(stream::serve(shard.clone(), connection, context.clone()));
            }
            served = udp.serve_ready(&shard) => served?,
        }
    }
}

/// The epoll set with all UDP sockets of a worker. The set itself is one descriptor of the runtime's, so that
/// UDP is read without a task or a registration with the runtime per socket.
struct UdpLoop {
    ready: AsyncFd<EpollSet>,
    events: Vec<epoll::Event>,
    batch: RecvBatch,
}

/// Rounds over the ready sockets before TCP and timers get their turn.
const ROUNDS: usize = 16;

/// Sockets served in a round.
const EVENTS: usize = 128;

impl UdpLoop {
    fn new(epoll: Rc<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            ready: watch_set(epoll)?,
            events: Vec::with_capacity(EVENTS),
            batch: RecvBatch::new(),
        })
    }

    /// Waits until datagrams are there and handles them. Can be dropped while it waits, and nothing is lost.
    async fn serve_ready(&mut self, shard: &RefCell<Shard>) -> io::Result<()> {
        let mut guard = self.ready.readable().await?;
        for _ in 0..ROUNDS {
            self.events.clear();
            let events = rustix::buffer::spare_capacity(&mut self.events);
            match epoll::wait(&*guard.get_inner().0, events, Some(&NO_WAIT)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let mut more = self.events.len() == self.events.capacity();
            for event in &self.events {
                let token = Token::from_u64(event.data.u64());
                match shard.borrow_mut().receive(token, &mut self.batch) {
                    Ok(full) => more |= full,
                    Err(error) => tracing::warn!(%error, ?token, "cannot receive"),
                }
            }
            if !more {
                // What arrives from here on is a new edge for the runtime, which looks for edges only after this task.
                guard.clear_ready();
                return Ok(());
            }
        }
        // Still busy; the descriptor stays marked as ready.
        tokio::task::yield_now().await;
        Ok(())
    }
}

const NO_WAIT: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
