//! Real browsers on the demo page: Chromium and Firefox in network namespaces, behind NATs, with the `hairpin` binary on the wan between them.
//!
//! The machine has to permit network namespaces (root, or a user namespace: `tests/run` makes one); where it does not, each test says so
//! and notes it in the file `SKIPPED_TESTS` names, by which `tests/run` counts it as skipped. With `UPDATE_SCREENSHOTS=1` the pictures in docs/ are taken anew.

#[cfg(feature = "tls")]
mod authority;
mod cable;
mod cdp;
mod counters;
mod crossing;
#[cfg(feature = "tls")]
mod crowd;
mod cuts;
mod driver;
mod front;
mod household;
mod laboratory;
mod life;
mod marionette;
mod netns;
mod old_wire;
mod page;
mod person;
mod restarts;
mod roaming;
mod rooms;
mod scenarios;
#[cfg(feature = "tls")]
mod secure;
mod server;
#[cfg(feature = "tls")]
mod shared_port;
mod snippets;
mod tabs;
mod visitors;
mod watch;

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{interval, timeout};

use self::netns::{Network, SERVER};
use self::server::Server;

/// Software video codecs on a busy two-core machine are slow; a healthy run needs a tenth of this.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

/// Browsers are heavy: one scenario at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A wan with hairpin on it, and the turn to use this machine.
struct World {
    // Dropped in this order: first the server, then its network, then the turn.
    server: Server,
    network: Network,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// None, with the reason reported, where namespaces are not permitted.
    async fn new() -> Option<Self> {
        Self::prepared(|_| Vec::new()).await
    }

    /// The same with a server that has more flags, which `prepare` comes up with.
    async fn prepared(prepare: impl FnOnce(&mut Network) -> Vec<String>) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().await;
        match Network::new() {
            Ok(mut network) => {
                let flags = prepare(&mut network);
                let server = Server::start_on(network.server(), SERVER, &flags).await;
                Some(Self { server, network, _turn: turn })
            }
            Err(reason) => {
                crate::report_skipped(&reason);
                None
            }
        }
    }
}

/// Asks again and again until there is an answer; `what` is what the test was waiting for when it gave up.
async fn wait_for<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut ticks = interval(POLL);
        loop {
            ticks.tick().await;
            if let Some(answer) = probe().await {
                return answer;
            }
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("gave up waiting: {what}"))
}

/// The same for a yes.
async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(what, async || holds().await.then_some(())).await;
}
