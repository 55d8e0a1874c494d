//! Watching what must not end: a task or thread that ends without being asked to is a defect, and a process with a
//! dead part must not go on looking well.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Starts the long-lived tasks and threads of a server and notices when one of them ends too early, in a panic or
/// otherwise. The first such end is the server's: [`Supervisor::failed`] returns, and `/readyz` says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Cancelled when the server stops: from then on everything may end.
    stopping: CancellationToken,
    failed: CancellationToken,
    cause: OnceLock<String>,
}

impl Supervisor {
    /// Spawns a task that lasts until the server stops.
    pub(crate) fn task(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let supervisor = self.clone();
        tokio::spawn(async move {
            // What a panicking task leaves behind is looked at by nobody: the process ends.
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            supervisor.ended(name, ended);
        })
    }

    /// Starts a thread that lasts until the server stops.
    ///
    /// # Errors
    /// What the system says when there can be no more threads.
    pub(crate) fn thread(
        &self,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let supervisor = self.clone();
        thread::Builder::new().name(name.clone()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work));
            supervisor.ended(&name, ended);
        })
    }

    /// From now on ends are what was asked for; a panic still is a failure.
    pub(crate) fn stop(&self) {
        self.shared.stopping.cancel();
    }

    /// Whether something has ended too early.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failed.is_cancelled()
    }

    /// Returns when something has ended too early, with what it was.
    pub(crate) async fn failed(&self) -> String {
        self.shared.failed.cancelled().await;
        self.shared.cause.get().cloned().unwrap_or_default()
    }

    fn ended(&self, name: &str, ended: Result<(), Box<dyn Any + Send>>) {
        let cause = match ended {
            Ok(()) if self.shared.stopping.is_cancelled() => return,
            Ok(()) => format!("{name} ended"),
            Err(panic) => format!("{name} panicked: {}", message(panic.as_ref())),
        };
        tracing::error!("{cause}");
        // A second failure follows from the first.
        let _ = self.shared.cause.set(cause);
        self.shared.failed.cancel();
    }
}

/// What a panic says, where it says it in text.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_with_a_cause_even_while_stopping() {
        let supervisor = Supervisor::default();
        supervisor.stop();
        supervisor.task("hub", async { panic!("no {}", "way") });
        assert_eq!(supervisor.failed().await, "hub panicked: no way");
        assert!(supervisor.has_failed());
    }

    #[tokio::test]
    async fn an_end_is_a_failure_unless_it_was_asked_for() {
        let asked_for = Supervisor::default();
        asked_for.stop();
        asked_for.task("web", async {}).await.expect("the task catches its panics");
        assert!(!asked_for.has_failed());

        let supervisor = Supervisor::default();
        let thread = supervisor.thread("relay-0".into(), || {}).expect("there are threads");
        assert_eq!(supervisor.failed().await, "relay-0 ended");
        thread.join().expect("the thread catches its panics");
    }
}
