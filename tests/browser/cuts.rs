//! The WebSocket is gone for a while, and nobody says so.

use std::time::Duration;

use tokio::time::sleep;

use super::World;
use super::household::{Nat, WEBSOCKET};
use super::life::{are_at_the_server, firefox_and_chromium, renegotiate};

#[tokio::test]
async fn a_websocket_cut_for_20_seconds_is_no_part_of_the_call() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Open).await;
    let session = ada.session().await;
    for (what, cut) in [("one side", &[1][..]), ("both sides", &[1, 2])] {
        ada.watch().await;
        bob.watch().await;
        cut.iter().for_each(|&number| world.network.block(number, WEBSOCKET));
        sleep(Duration::from_secs(20)).await;
        assert_ne!(ada.server().await, "open", "the client knows by now");
        cut.iter().for_each(|&number| world.network.unblock(number));
        let back = are_at_the_server(&mut ada, &mut bob).await;
        println!("{what} cut for 20 s: at the server again after {back:.1?}");
        renegotiate(&mut ada, &mut bob).await;
        ada.has_seen_no_stall(&format!("{what} cut, Firefox")).await;
        bob.has_seen_no_stall(&format!("{what} cut, Chromium")).await;
        assert_eq!([ada.session().await, bob.session().await], [session.clone(), session.clone()]);
    }
}
