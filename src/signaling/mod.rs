//! Signaling and matching at work: WebSockets in front, one task that owns the hub and the matcher behind.

mod administration;
mod chatter;
mod driver;
mod frames;
mod handle;
mod outbox;
pub(crate) mod socket;
#[cfg(test)]
mod tests;
mod unfinished;

use std::sync::Arc;

use hairpin_signaling::Config;
use tokio::sync::mpsc;

pub(crate) use administration::{Busy, Observer};
pub(crate) use frames::Limits;
pub(crate) use handle::{HubHandle, Visitor};

use crate::clock::Clock;
use crate::ice::IceIssuer;
use crate::identity::Verifier;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// What may wait for the hub's task before sockets are left unread.
const INPUTS: usize = 4096;

/// Starts the hub's task on the current runtime. `secrets` are those it shares with other servers. It ends when the last handle is gone.
pub(crate) fn start(
    mut config: Config,
    secrets: &[Box<[u8]>],
    ice: Arc<IceIssuer>,
    tokens: Arc<Verifier>,
    metrics: Arc<Metrics>,
    clock: Clock,
    supervisor: &Supervisor,
) -> HubHandle {
    config.naming = tokens.naming();
    let (inputs, receiver) = mpsc::channel(INPUTS);
    let driver = driver::Driver::new(config, secrets, ice, tokens, metrics.clone(), clock);
    supervisor.task("the hub", driver.run(receiver));
    HubHandle::new(inputs, metrics, clock)
}
