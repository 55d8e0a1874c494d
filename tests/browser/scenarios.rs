//! Two people, two networks, one server: the ways a call can go.

use std::time::{Duration, Instant};

use super::cable::Quality;
use super::counters::{agree, stop_frees_everything};
use super::household::{MEDIA, Nat, UDP};
use super::netns::SERVER;
use super::person::{Call, Person};
use super::{World, wait_for, wait_until};

/// Frames that count as "the video runs".
pub(super) const FRAMES: u64 = 30;

#[tokio::test]
async fn symmetric_nats_meet_through_one_relay_hop() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;

    wait_until("one hop, from a prflx candidate to a relayed one", async || {
        let (Some(ada), Some(bob)) = (ada.call().await, bob.call().await) else { return false };
        let mut ends = [ada.local.kind, bob.local.kind];
        ends.sort_unstable();
        ends == ["prflx", "relay"] && [ada.transport, bob.transport] == ["udp", "udp"]
    })
    .await;
    ada.sees_video(FRAMES).await;
    bob.sees_video(FRAMES).await;
    wait_until("the panel says so", async || ada.panel("path").await == "relayed").await;

    agree(&world, &mut ada, &mut bob).await;
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}

#[tokio::test]
async fn relay_only_at_both_ends_stays_inside_the_process() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    for person in [&mut ada, &mut bob] {
        person.press("relay-only").await;
    }
    find_each_other(&mut ada, &mut bob).await;

    for person in [&mut ada, &mut bob] {
        let relayed = |call: &Call| call.local.kind == "relay" && call.remote.kind == "relay";
        settles(person, "relay to relay", relayed).await;
        let call = person.sees_video(FRAMES).await;
        assert_eq!(call.local.address.as_deref(), Some(SERVER.to_string().as_str()));
    }
    agree(&world, &mut ada, &mut bob).await;
    let metrics = world.server.metrics();
    assert!(metrics.relayed("packets", "hairpin") > 100.0, "the call goes through in-process");
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}

#[tokio::test]
async fn without_udp_the_relay_is_reached_over_tcp() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    world.network.block(1, UDP);
    world.network.block(2, UDP);
    find_each_other(&mut ada, &mut bob).await;

    for person in [&mut ada, &mut bob] {
        let over_tcp = |call: &Call| call.local.kind == "relay" && call.transport == "tcp";
        settles(person, "a relayed candidate got over TCP", over_tcp).await;
        person.sees_video(FRAMES).await;
    }
    agree(&world, &mut ada, &mut bob).await;
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}

#[tokio::test]
async fn next_moves_on_to_a_third_person() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    ada.sees_video(1).await;

    let mut eve = Person::arrive(&world.network.natted_client(3), &world.server.page(), &[]).await;
    eve.press("find").await;
    eve.waits_in_line().await;
    let first = ada.session().await.expect("ada is in a call");
    ada.press("next").await;
    // Eve has waited longest, so whoever of the two asks first gets her, and the other one waits.
    let met = wait_for("eve meets somebody", async || eve.session().await).await;
    assert_ne!(met, first);
    eve.sees_video(FRAMES).await;
    let (with_ada, with_bob) =
        (ada.session().await.as_ref() == Some(&met), bob.session().await.as_ref() == Some(&met));
    assert!(with_ada != with_bob, "eve's call has exactly one other side");
    let (partner, alone) = if with_ada { (&mut ada, &mut bob) } else { (&mut bob, &mut ada) };
    partner.sees_video(FRAMES).await;
    alone.waits_in_line().await;
}

#[tokio::test]
async fn open_networks_connect_directly() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_in_the_open(&mut world, &[]).await;
    find_each_other(&mut ada, &mut bob).await;

    for person in [&mut ada, &mut bob] {
        let direct = |call: &Call| call.path == "direct" && call.transport == "udp";
        settles(person, "a direct pair", direct).await;
        person.sees_video(FRAMES).await;
        wait_until("the panel says so", async || person.panel("path").await == "direct").await;
    }
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}

#[tokio::test]
async fn nats_that_let_everything_in_need_no_relay() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind(&mut world, Nat::Open).await;
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
        settles(person, "a direct pair", |call| call.path == "direct").await;
        person.sees_video(FRAMES).await;
    }
}

#[tokio::test]
async fn a_long_and_lossy_line_carries_a_call() {
    let Some(mut world) = World::new().await else { return };
    let page = world.server.page();
    let [(one, first), (two, second)] = [1, 2].map(|number| world.network.distant_client(number));
    let mut ada = Person::arrive(&one, &page, &[]).await;
    let mut bob = Person::arrive(&two, &page, &[]).await;
    // 200 ms from one to the other, and back.
    for cable in [&first, &second] {
        cable.becomes(Quality { delay: Duration::from_millis(100), loss: 0.05 });
    }
    let since = Instant::now();
    find_each_other(&mut ada, &mut bob).await;
    println!("a call came about after {:.1?}", since.elapsed());
    for person in [&mut ada, &mut bob] {
        person.sees_video(3 * FRAMES).await;
    }
    println!("and both have seen some seconds of it after {:.1?}", since.elapsed());
}

#[tokio::test]
async fn a_call_that_loses_udp_goes_on_over_tcp() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    settles(&mut ada, "UDP", |call| call.transport == "udp").await;
    let session = ada.session().await;

    world.network.block(1, UDP);
    world.network.block(2, UDP);
    for person in [&mut ada, &mut bob] {
        settles(person, "TCP", |call| call.transport == "tcp").await;
        person.sees_video(FRAMES).await;
        assert_eq!(person.session().await, session, "the same call");
    }
}

#[tokio::test]
async fn a_call_cut_off_is_restarted() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    ada.sees_video(1).await;
    let (session, password) = (ada.session().await, ada.ice_password().await);

    world.network.block(1, MEDIA);
    ada.becomes("interrupted").await;
    wait_until("the ICE restart", async || ada.ice_password().await != password).await;
    world.network.unblock(1);
    for person in [&mut ada, &mut bob] {
        person.becomes("connected").await;
        person.sees_video(FRAMES).await;
        assert_eq!(person.session().await, session, "the same call");
    }
}

#[tokio::test]
async fn relay_only_moves_a_running_call() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_in_the_open(&mut world, &[]).await;
    find_each_other(&mut ada, &mut bob).await;
    settles(&mut ada, "a direct pair", |call| call.path == "direct").await;

    // Bob found Ada, so Ada is the one who may offer: this way the wish has to travel.
    bob.press("relay-only").await;
    settles(&mut bob, "his own relay", |call| call.local.kind == "relay").await;
    wait_until("ada's panel tells", async || ada.panel("path").await == "relayed").await;
    bob.sees_video(FRAMES).await;
    ada.sees_video(FRAMES).await;
}

#[tokio::test]
async fn a_server_that_comes_back_finds_its_people_in_their_call() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_behind_nats(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    let session = ada.session().await;

    world.server.crash_and_restart().await;
    for person in [&mut ada, &mut bob] {
        let back = "hairpin.client.snapshot.server.state === 'open'";
        wait_until("the server is found again", async || person.browser.holds(back).await).await;
        person.sees_video(FRAMES).await;
        assert_eq!(person.session().await, session, "the same call");
    }
}

async fn two_behind_nats(world: &mut World) -> (Person, Person) {
    two_behind(world, Nat::Symmetric).await
}

async fn two_behind(world: &mut World, nat: Nat) -> (Person, Person) {
    let page = world.server.page();
    let (one, two) = (world.network.wired_client(1, nat), world.network.wired_client(2, nat));
    (Person::arrive(&one, &page, &[]).await, Person::arrive(&two, &page, &[]).await)
}

/// Chromium's own fake camera and its consent, and its own tab for a screen.
pub(super) async fn two_on_secure_pages(world: &mut World) -> (Person, Person) {
    let secure = secure_flag(world);
    let flags = [
        &secure,
        "--use-fake-ui-for-media-stream",
        "--auto-select-tab-capture-source-by-title=hairpin",
    ];
    two_in_the_open(world, &flags).await
}

/// Stands for the https that a real deployment has.
pub(super) fn secure_flag(world: &World) -> String {
    let page = world.server.page();
    format!("--unsafely-treat-insecure-origin-as-secure={}", page.trim_end_matches('/'))
}

async fn two_in_the_open(world: &mut World, flags: &[&str]) -> (Person, Person) {
    (in_the_open(world, 0, flags).await, in_the_open(world, 1, flags).await)
}

pub(super) async fn in_the_open(world: &mut World, number: u8, flags: &[&str]) -> Person {
    let host = world.network.open_client(&format!("open{number}"), 31 + number);
    Person::arrive(&host, &world.server.page(), flags).await
}

/// Both press *Find partner*, the first one first.
pub(super) async fn find_each_other(ada: &mut Person, bob: &mut Person) {
    ada.press("find").await;
    ada.waits_in_line().await;
    bob.press("find").await;
    ada.becomes("connected").await;
    bob.becomes("connected").await;
    assert_eq!(ada.session().await, bob.session().await);
}

/// Waits for a pair that fits. Chromium may try another one in the first second of a call.
pub(super) async fn settles(person: &mut Person, on: &str, fits: impl Fn(&Call) -> bool) {
    let settled = async || person.call().await.is_some_and(|call| fits(&call));
    wait_until(&format!("the call settles on {on}"), settled).await;
}
