//! Signaling and matching at work: WebSockets in front, one task that owns the hub and the matcher behind.

mod driver;
mod frames;
mod handle;
mod outbox;
pub(crate) mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use hairpin_config::SignalingSettings;
use hairpin_signaling::{Config, Rate};
use tokio::sync::mpsc;

pub(crate) use frames::Limits;
pub(crate) use handle::HubHandle;

use crate::clock::Clock;
use crate::ice::IceIssuer;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// What may wait for the hub's task before sockets are left unread.
const INPUTS: usize = 4096;

/// Starts the hub's task on the current runtime. It ends when the last handle is gone.
pub(crate) fn start(
    settings: &SignalingSettings,
    ice: Arc<IceIssuer>,
    metrics: Arc<Metrics>,
    clock: Clock,
    supervisor: &Supervisor,
) -> HubHandle {
    let (inputs, receiver) = mpsc::channel(INPUTS);
    let driver = driver::Driver::new(config(settings), ice, metrics.clone(), clock);
    supervisor.task("the hub", driver.run(receiver));
    HubHandle::new(inputs, metrics, clock)
}

fn config(settings: &SignalingSettings) -> Config {
    let defaults = Config::default();
    let interval = settings.heartbeat_interval;
    let longest = settings.max_message_bytes as u32;
    Config {
        queue_timeout: settings.queue_timeout,
        session_lifetime: settings.session_lifetime,
        heartbeat: interval,
        // One lost ping is no death; two are.
        heartbeat_timeout: interval * 2 + Duration::from_secs(10),
        max_message: settings.max_message_bytes,
        // A second for each of the longest messages, and eight at once.
        bytes: Rate::new(longest, longest.saturating_mul(8)),
        ..defaults
    }
}
