//! Both do the same at once.

use super::household::Nat;
use super::life::{are_at_the_server, are_settled, firefox_and_chromium};
use super::{World, wait_until};

#[tokio::test]
async fn both_press_next_and_both_get_a_partner() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Open).await;
    let before = ada.session().await;
    tokio::join!(ada.press("next"), bob.press("next"));
    wait_until("another session", async || {
        let session = ada.session().await;
        session.is_some() && session != before && bob.session().await == session
    })
    .await;
    for person in [&mut ada, &mut bob] {
        person.becomes("connected").await;
        person.sees_video(30).await;
    }
}

#[tokio::test]
async fn offers_that_cross_hang_nothing() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Open).await;
    let session = ada.session().await;
    ada.watch().await;
    bob.watch().await;
    let restart = "hairpin.client.peerConnection.restartIce()";
    for _ in 0..5 {
        let before = [ada.ice_password().await, bob.ice_password().await];
        tokio::join!(ada.browser.eval(restart), bob.browser.eval(restart));
        wait_until("new paths", async || {
            ada.ice_password().await != before[0] && bob.ice_password().await != before[1]
        })
        .await;
        are_settled(&mut ada, &mut bob).await;
        // A restart that interrupts another one costs the browsers more than a second: that is theirs.
        for person in [&mut ada, &mut bob] {
            person.sees_video(30).await;
        }
    }
    let add = "{ const stream = document.createElement('canvas').captureStream(5);
        hairpin.client.peerConnection.addTrack(stream.getTracks()[0], stream); } 0";
    tokio::join!(ada.browser.eval(add), bob.browser.eval(add));
    for person in [&mut ada, &mut bob] {
        let tracks = "hairpin.client.peerConnection.getTransceivers().filter(({ currentDirection, receiver }) => receiver.track.kind === 'video' && /recv/.test(currentDirection)).length === 2";
        wait_until("both tracks", async || person.browser.holds(tracks).await).await;
    }
    are_settled(&mut ada, &mut bob).await;
    are_at_the_server(&mut ada, &mut bob).await;
    ada.has_seen_no_stall("offers crossed, Firefox").await;
    bob.has_seen_no_stall("offers crossed, Chromium").await;
    assert_eq!([ada.session().await, bob.session().await], [session.clone(), session]);
}
