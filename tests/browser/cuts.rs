//! The WebSocket is gone for a while, and nobody says so.

use std::time::{Duration, Instant};

use serde_json::json;

use tokio::time::sleep;

use super::driver::Kind;
use super::household::{Nat, WEBSOCKET};
use super::life::{are_at_the_server, renegotiate};
use super::person::Person;
use super::scenarios::find_each_other;
use super::{World, wait_until};

#[tokio::test]
async fn a_websocket_cut_for_20_seconds_is_no_part_of_the_call() {
    cut_for(Duration::from_secs(20), Kind::Firefox).await;
}

#[tokio::test]
async fn a_websocket_cut_for_90_seconds_is_no_part_of_the_call() {
    cut_for(Duration::from_secs(90), Kind::Chromium).await;
}

/// Two calls at once, one with its WebSocket gone on one side, in Firefox, and one on both, of which one is that browser.
async fn cut_for(time: Duration, kind: Kind) {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two(&mut world, [1, 2], Kind::Firefox).await;
    let (mut carol, mut dave) = two(&mut world, [3, 4], kind).await;
    find_each_other(&mut ada, &mut bob).await;
    find_each_other(&mut carol, &mut dave).await;
    let sessions = [ada.session().await, carol.session().await];
    for person in [&mut ada, &mut bob, &mut carol, &mut dave] {
        person.sends_little().await;
        person.sees_video(10).await;
        person.watch().await;
    }

    [1, 3, 4].iter().for_each(|&number| world.network.block(number, WEBSOCKET));
    // The cut itself: what is looked for is that nothing happens in it.
    sleep(time).await;
    for person in [&mut ada, &mut carol, &mut dave] {
        assert_ne!(person.server().await, "open", "the client knows by now");
    }
    assert_eq!(bob.server().await, "open");
    [1, 3, 4].iter().for_each(|&number| world.network.unblock(number));
    let back = Instant::now();
    are_at_the_server(&mut ada, &mut bob).await;
    println!("one side cut for {time:?}: at the server again after {:.1?}", back.elapsed());
    are_at_the_server(&mut carol, &mut dave).await;
    println!("both sides cut for {time:?}: at the server again after {:.1?}", back.elapsed());
    renegotiate(&mut ada, &mut bob).await;
    renegotiate(&mut carol, &mut dave).await;
    for (name, person) in [
        ("one side cut", &mut ada),
        ("the other side", &mut bob),
        ("both sides cut", &mut carol),
        ("the other of them", &mut dave),
    ] {
        person.has_seen_no_stall(&format!("{time:?}, {name}")).await;
    }
    assert_eq!([bob.session().await, dave.session().await], sessions);
    assert_eq!([ada.session().await, carol.session().await], sessions);
}

/// Then the two meet, and a tab sleeps for a minute of their call.
#[tokio::test]
async fn who_is_cut_off_while_it_waits_knows_and_who_sleeps_keeps_its_call() {
    let Some(mut world) = World::new().await else { return };
    let (mut eve, mut mia) = two(&mut world, [5, 6], Kind::Chromium).await;
    eve.press("find").await;
    eve.waits_in_line().await;
    world.network.block(5, WEBSOCKET);
    let noticed = eve.knows_it_is_cut_off().await;
    println!("who waits and is cut off knows after {noticed:.1?}");
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    mia.press("find").await;
    mia.waits_in_line().await;
    wait_until("eve, who does not answer, loses her place", async || {
        world.server.metrics().get("hairpin_matchmaking_queue_length") == 1.0
    })
    .await;
    assert!(mia.session().await.is_none(), "nobody is matched with who is not there");
    world.network.unblock(5);
    let back = Instant::now();
    for person in [&mut eve, &mut mia] {
        person.becomes("connected").await;
        person.sends_little().await;
    }
    println!("and has a partner {:.1?} after the cut ends", back.elapsed());
    let session = eve.session().await;

    let freeze = async |person: &mut Person, state: &str| {
        person.browser.chromium().call("Page.setWebLifecycleState", json!({ "state": state })).await
    };
    freeze(&mut mia, "frozen").await;
    // The sleep itself.
    sleep(Duration::from_secs(60)).await;
    let awake = Instant::now();
    freeze(&mut mia, "active").await;
    are_at_the_server(&mut eve, &mut mia).await;
    println!("after 60 s of sleep both are at the server after {:.1?}", awake.elapsed());
    for (name, person) in [("who slept", &mut mia), ("the partner", &mut eve)] {
        person.sees_video(10).await;
        println!("{name} sees the other one after {:.1?}", awake.elapsed());
        assert_eq!(person.session().await, session);
    }
}

/// Two who have not met yet, behind NATs that let media through: that browser, and Chromium.
async fn two(world: &mut World, numbers: [u8; 2], kind: Kind) -> (Person, Person) {
    let page = world.server.page();
    let [one, two] = numbers.map(|number| world.network.wired_client(number, Nat::Open));
    tokio::join!(
        Person::arrive_by(kind, &one, &page),
        Person::arrive_by(Kind::Chromium, &two, &page),
    )
}
