//! The server goes, and it or another one comes.

use std::time::Instant;

use super::front::{PUBLIC, SERVERS};
use super::household::Nat;
use super::life::{are_at_the_server, firefox_and_chromium, firefox_and_chromium_on, renegotiate};
use super::server::Server;
use super::{World, wait_until};

/// Relays have so long after SIGTERM, and people are sent away over a quarter of it.
const DEPLOYED: &[&str] = &["--shutdown-timeout", "16", "--drain-spread", "4"];

#[tokio::test]
async fn a_server_that_is_killed_is_no_part_of_a_direct_call() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Open).await;
    let session = ada.session().await;
    ada.watch().await;
    bob.watch().await;

    let since = Instant::now();
    world.server.crash_and_restart().await;
    let restarted = since.elapsed();
    wait_until("both are there again", async || {
        world.server.metrics().get("websocket_connections") == 2.0
    })
    .await;
    are_at_the_server(&mut ada, &mut bob).await;
    println!("restarted after {restarted:.1?}, the call known there after {:.1?}", since.elapsed());
    renegotiate(&mut ada, &mut bob).await;
    ada.has_seen_no_stall("a server killed, Firefox").await;
    bob.has_seen_no_stall("a server killed, Chromium").await;
    assert_eq!([ada.session().await, bob.session().await], [session.clone(), session]);
}

#[tokio::test]
async fn a_deployment_takes_a_relayed_call_along() {
    let Some(mut world) = World::new().await else { return };
    let [first, second] = world.network.two_servers();
    let mut first = Server::start_on(first, SERVERS[0], DEPLOYED).await;
    let page = format!("http://{PUBLIC}:8080/");
    let (mut ada, mut bob) = firefox_and_chromium_on(&mut world, &page, Nat::Symmetric).await;
    let session = ada.session().await;
    assert_eq!(ada.call().await.expect("a call").path, "relayed");
    let second = Server::start_on(second, SERVERS[1], DEPLOYED).await;
    ada.watch().await;
    bob.watch().await;

    world.network.goes_to(SERVERS[1]);
    let since = Instant::now();
    first.terminate();
    wait_until("both have moved", async || second.metrics().get("websocket_connections") == 2.0)
        .await;
    are_at_the_server(&mut ada, &mut bob).await;
    println!("both have moved after {:.1?}", since.elapsed());
    let seen = [ada.seen().await, bob.seen().await];
    assert!(seen.iter().all(|seen| seen.longest_gap < 1000.0), "the first relays on: {seen:?}");
    wait_until("the first server has ended", async || first.has_ended()).await;
    println!("the first server has ended after {:.1?}", since.elapsed());
    for person in [&mut ada, &mut bob] {
        person.sees_video(60).await;
    }
    renegotiate(&mut ada, &mut bob).await;
    // New paths by the new server's relay are a change that browsers do not always make without a gap.
    let gap = ada.seen().await.longest_gap.max(bob.seen().await.longest_gap);
    println!("from one relay to the other: the longest gap between two frames was {gap:.0} ms");
    assert!(gap < 8000.0, "{gap}");
    assert_eq!([ada.session().await, bob.session().await], [session.clone(), session]);
}
