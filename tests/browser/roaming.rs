//! Calls of people on the move.

use std::time::Duration;

use super::World;
use super::driver::Kind;
use super::household::{Change, Nat};
use super::life::{are_at_the_server, renegotiate};
use super::person::Person;
use super::scenarios::find_each_other;

/// Until the picture is back, wherever somebody goes: well before patience ends. Eight seconds are the aim, and what is printed
/// holds to it on a machine with nothing else to do; a small one has four browsers and their codecs to carry.
const BACK: Duration = Duration::from_secs(15);
/// The same when the browser tells the page; three seconds are the aim.
const BACK_WHEN_TOLD: Duration = Duration::from_secs(8);

/// Each goes from Wi-Fi to mobile without the browser being told, and back when the mobile interface goes down.
#[tokio::test]
async fn a_call_goes_where_its_people_go() {
    let Some(mut world) = World::new().await else { return };
    let page = world.server.page();
    let mut roamers =
        [[1, 2], [3, 4]].map(|uplinks| world.network.roaming_client(uplinks, Nat::Symmetric));
    let (mut ada, mut bob) = tokio::join!(
        Person::arrive_by(Kind::Firefox, &roamers[0].host, &page),
        Person::arrive_by(Kind::Chromium, &roamers[1].host, &page),
    );
    find_each_other(&mut ada, &mut bob).await;
    let session = ada.session().await;

    for (change, who) in
        [(Change::Unnoticed, 0), (Change::Noticed, 0), (Change::Unnoticed, 1), (Change::Noticed, 1)]
    {
        ada.sees_video(30).await;
        bob.sees_video(30).await;
        are_at_the_server(&mut ada, &mut bob).await;
        let name = ["Firefox", "Chromium"][who];
        for person in [&mut ada, &mut bob] {
            person.listens_for_changes().await;
            person.watch().await;
        }
        let since = [ada.clock().await, bob.clock().await];
        world.network.roam(&mut roamers[who], change);
        let back = [ada.is_back_after(since[0]).await, bob.is_back_after(since[1]).await];
        let told = [&mut ada, &mut bob][who].was_told().await;
        let back = back[0].max(back[1]);
        println!("{name}, {change:?}: back after {back:.1?}; told: {told:?}");
        let limit = if told.is_empty() { BACK } else { BACK_WHEN_TOLD };
        assert!(back < limit, "{name}, {change:?}: {back:?}");
        assert_eq!([ada.session().await, bob.session().await], [session.clone(), session.clone()]);
    }
    are_at_the_server(&mut ada, &mut bob).await;
    renegotiate(&mut ada, &mut bob).await;
}

impl Person {
    async fn listens_for_changes(&mut self) {
        let script = "window.told ??= (() => {
            const told = [];
            for (const type of ['online', 'offline']) addEventListener(type, () => told.push(type));
            navigator.connection?.addEventListener('change', () => told.push('connection'));
            return told;
        })(); told.length = 0";
        self.browser.eval(script).await;
    }

    /// The events by which the browser told the page of another network.
    async fn was_told(&mut self) -> Vec<String> {
        serde_json::from_value(self.browser.eval("told").await).expect("a list of names")
    }
}
