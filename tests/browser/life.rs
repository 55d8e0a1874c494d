//! What a call that lives is: the same session, signals that get through, and a partner who is there.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::driver::Kind;
use super::household::Nat;
use super::person::Person;
use super::scenarios::find_each_other;
use super::{World, wait_until};

/// Two in a call, each behind a router with that NAT: Firefox at 1, and Chromium at 2, which looks first and so offers.
pub(super) async fn firefox_and_chromium(world: &mut World, nat: Nat) -> (Person, Person) {
    let page = world.server.page();
    firefox_and_chromium_on(world, &page, nat).await
}

/// The same on another page.
pub(super) async fn firefox_and_chromium_on(
    world: &mut World,
    page: &str,
    nat: Nat,
) -> (Person, Person) {
    let [one, two] = [1, 2].map(|number| world.network.wired_client(number, nat));
    let (mut ada, mut bob) = tokio::join!(
        Person::arrive_by(Kind::Firefox, &one, page),
        Person::arrive_by(Kind::Chromium, &two, page),
    );
    find_each_other(&mut bob, &mut ada).await;
    for person in [&mut ada, &mut bob] {
        person.sees_video(10).await;
    }
    (ada, bob)
}

/// Waits until both are at the server, and each is told that the other is.
pub(super) async fn are_at_the_server(ada: &mut Person, bob: &mut Person) {
    for person in [ada, bob] {
        wait_until("a call whose two sides the server knows", async || {
            person.browser.holds("(({ server, session, partner }) => server.state === 'open' && session && !partner.away)(hairpin.client.snapshot)").await
        })
        .await;
    }
}

/// Signals get through, either way: each side has its connection find new paths, and the other answers.
pub(super) async fn renegotiate(ada: &mut Person, bob: &mut Person) {
    let before = [ada.ice_password().await, bob.ice_password().await];
    ada.browser.eval("hairpin.client.peerConnection.restartIce()").await;
    wait_until("ada's offer is answered", async || {
        ada.ice_password().await != before[0] && bob.ice_password().await != before[1]
    })
    .await;
    are_settled(ada, bob).await;
    let before = [ada.ice_password().await, bob.ice_password().await];
    bob.browser.eval("hairpin.client.peerConnection.restartIce()").await;
    wait_until("bob's offer is answered", async || {
        ada.ice_password().await != before[0] && bob.ice_password().await != before[1]
    })
    .await;
    are_settled(ada, bob).await;
}

/// No offer waits for an answer, and there is a path.
pub(super) async fn are_settled(ada: &mut Person, bob: &mut Person) {
    for person in [ada, bob] {
        let stable = "(pc => pc?.signalingState === 'stable' && pc.connectionState === 'connected')(hairpin.client.peerConnection)";
        wait_until("nothing is left to negotiate", async || person.browser.holds(stable).await)
            .await;
    }
}

impl Person {
    /// What the client says of the connection to the server: `open`, `retrying` and so on.
    pub(super) async fn server(&mut self) -> String {
        let state = self.browser.eval("hairpin.client.snapshot.server.state").await;
        state.as_str().expect("there is always a state").to_owned()
    }

    /// Waits until the client knows that it has no connection to the server; how long that took.
    pub(super) async fn knows_it_is_cut_off(&mut self) -> Duration {
        let since = Instant::now();
        wait_until("it is noticed", async || self.server().await != "open").await;
        since.elapsed()
    }

    /// Sends small pictures, so that several calls fit on a small machine.
    pub(super) async fn sends_little(&mut self) {
        let script = "Promise.all(hairpin.client.peerConnection.getSenders().filter(({ track }) => track?.kind === 'video').map((sender) => {
            const parameters = sender.getParameters();
            Object.assign(parameters.encodings[0], { scaleResolutionDownBy: 4, maxFramerate: 15 });
            return sender.setParameters(parameters);
        })).then(() => null)";
        assert_eq!(self.browser.eval(script).await, Value::Null);
    }
}
