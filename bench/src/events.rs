//! Readiness of many sockets, by epoll.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Sockets that are watched for input, each known by a number.
pub(crate) struct Events {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Events {
    pub(crate) fn new() -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, ready: Vec::with_capacity(256) })
    }

    /// Watches `socket` and calls it `number` from now on.
    pub(crate) fn watch(&self, socket: impl AsFd, number: usize) -> std::io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
    }

    /// The sockets that have input, after at most `wait`; empty when none came to have any.
    pub(crate) fn wait(&mut self, wait: Duration) -> std::io::Result<impl Iterator<Item = usize>> {
        let wait = Timespec::try_from(wait).expect("waits here are seconds at most");
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.ready.iter().map(|event| event.data.u64() as usize))
    }
}
