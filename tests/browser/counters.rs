//! What the browsers measured and what the server counted are two views of one thing.

use super::person::{Call, Person};
use super::server::Metrics;
use super::{World, wait_for, wait_until};

/// Packets each side sends in the window that is compared: a few seconds of video.
const WINDOW: u64 = 400;
/// The server also relays the ICE checks, on this pair and on those held in reserve, which getStats
/// leaves out; so it may have counted this much more than the browsers.
const CHECKS: f64 = 0.10;
/// What was on its way when a reading was taken.
const IN_FLIGHT: f64 = 0.02;

/// Both ends of a call, between two readings of the server's counters.
struct Reading {
    before: Metrics,
    ada: Call,
    bob: Call,
    after: Metrics,
}

/// Over a stretch of the call, what both ends sent on the selected pair is what the server relayed,
/// and it holds the allocations that the browsers know of.
pub(super) async fn agree(world: &World, ada: &mut Person, bob: &mut Person) {
    let first = Reading::take(world, ada, bob).await;
    wait_for("both sides have sent a good deal more", async || {
        let sent = |now: Call, then: &Call| now.packets_sent - then.packets_sent;
        let ada = sent(ada.call().await?, &first.ada);
        let bob = sent(bob.call().await?, &first.bob);
        (ada > WINDOW && bob > WINDOW).then_some(())
    })
    .await;
    let last = Reading::take(world, ada, bob).await;

    last.agrees_since(&first, "packets", |call| call.packets_sent);
    last.agrees_since(&first, "bytes", |call| call.bytes_sent);
    let allocations = last.after.get("hairpin_allocations") as u64;
    let (ada_holds, bob_holds) = (ada.allocations().await, bob.allocations().await);
    let least = ada_holds.start() + bob_holds.start();
    let most = ada_holds.end() + bob_holds.end();
    assert!(
        (least..=most).contains(&allocations),
        "{allocations} of {least} to {most} allocations"
    );
    assert_eq!(last.after.get("active_sessions_count"), 1.0);
    assert_eq!(last.after.get("websocket_connections"), 2.0);
}

/// When both have pressed *Stop* nothing is left of them on the server.
pub(super) async fn stop_frees_everything(world: &World, ada: &mut Person, bob: &mut Person) {
    ada.press("stop").await;
    bob.waits_in_line().await;
    bob.press("stop").await;
    for gauge in [
        "hairpin_allocations",
        "active_sessions_count",
        "matchmaking_queue_length",
        "websocket_connections",
    ] {
        let is_zero = async || world.server.metrics().get(gauge) == 0.0;
        wait_until(&format!("{gauge} is 0"), is_zero).await;
    }
}

impl Reading {
    async fn take(world: &World, ada: &mut Person, bob: &mut Person) -> Self {
        let before = world.server.metrics();
        let ada = ada.call().await.expect("ada is connected");
        let bob = bob.call().await.expect("bob is connected");
        Self { before, ada, bob, after: world.server.metrics() }
    }

    /// The readings are not of one moment, but each of the browsers' lies between two of the server's.
    fn agrees_since(&self, earlier: &Self, unit: &str, sent: impl Fn(&Call) -> u64) {
        let both = |reading: &Self| sent(&reading.ada) + sent(&reading.bob);
        let browsers = (both(self) - both(earlier)) as f64;
        let least = relayed(&self.before, unit) - relayed(&earlier.after, unit);
        let most = relayed(&self.after, unit) - relayed(&earlier.before, unit);
        println!("{unit}: the browsers sent {browsers}, the server relayed {least} to {most}");
        assert!(
            browsers >= least * (1.0 - CHECKS) && browsers <= most * (1.0 + IN_FLIGHT),
            "{unit}: the browsers sent {browsers}, the server relayed {least} to {most}"
        );
    }
}

/// Every payload once, whichever way it went.
fn relayed(metrics: &Metrics, unit: &str) -> f64 {
    let directions = ["to_peer", "to_client", "hairpin"];
    directions.iter().map(|direction| metrics.relayed(unit, direction)).sum()
}
