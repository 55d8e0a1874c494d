//! What whoever runs the server asks the hub, and what it is told of the hub's records.

use std::fmt;
use std::time::Duration;

use hairpin_signaling::{Hub, Record, Restored};
use tokio::sync::oneshot;

use super::handle::{HubHandle, Input};

/// How many questions may wait for the hub's task.
pub(super) const QUESTIONS: usize = 64;

/// How long one of them may wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hears what happened, and when, since 1970. It must not wait.
pub(crate) type Observer = Box<dyn FnMut(Duration, Record) + Send>;

/// The hub's task has no time for this now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Something to do to the hub.
pub(super) struct Act(pub(super) Doing);

type Doing = Box<dyn FnOnce(Duration, &mut Hub) + Send>;

/// Who is told of what happens.
#[derive(Default)]
pub(super) struct Observed(pub(super) Option<Observer>);

impl Observed {
    pub(super) fn tell(&mut self, at: Duration, record: Record) {
        if let Some(observer) = &mut self.0 {
            observer(at, record);
        }
    }
}

impl HubHandle {
    /// Has the hub's task do this, at the present time of its clock, and waits for the answer.
    ///
    /// # Errors
    /// Too many wait for that already, or it takes too long; then it is not done.
    pub(crate) async fn administer<T: Send + 'static>(
        &self,
        act: impl FnOnce(Duration, &mut Hub) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.questions().try_acquire().map_err(|_| Busy)?;
        let (answer, answered) = oneshot::channel();
        let act = Act(Box::new(move |now, hub| {
            // Nobody is left to hear that it was done.
            if !answer.is_closed() {
                let _ = answer.send(act(now, hub));
            }
        }));
        let asked = async {
            self.tell(Input::Administer(act)).await;
            answered.await
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    /// Gives the hub back what was on record, and has the observer told of what happens from now on. To be called
    /// before anybody comes.
    pub(crate) fn begin(&self, restored: Restored, observer: Option<Observer>) {
        self.tell_first(Input::Begin(Box::new(restored), Observed(observer)));
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Act")
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.0.is_some()).finish()
    }
}
