//! All relaying behind one UDP port: Chromium with Firefox, and the server's firewall lets two UDP ports through.

use super::World;
use super::counters::stop_frees_everything;
use super::household::Nat;
use super::life::firefox_and_chromium;
use super::netns::SERVER;
use super::person::Call;
use super::scenarios::FRAMES;
use super::wait_until;

/// Where all relayed candidates are.
const SHARED: u64 = 3479;

/// The firewall of an operator who has opened two UDP ports, and answers nothing on others.
const TWO_PORTS: &str = "table ip firewall { chain input { type filter hook input priority 0; \
    meta l4proto udp udp dport != { 3478, 3479 } drop; }\n}";

#[tokio::test]
async fn chromium_and_firefox_call_through_two_udp_ports() {
    let Some(mut world) = World::new().await else { return };
    world.network.server().filter(TWO_PORTS);
    world.server.restart_with(&["--relay-ports", "shared"]).await;
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Symmetric).await;
    for person in [&mut ada, &mut bob] {
        person.sees_video(FRAMES).await;
    }
    let to_peers = world.server.metrics().relayed("packets", "to_peer");
    assert!(to_peers > 0.0, "one hop, from the shared port to a browser's own socket");

    // Both candidates are then the same address; each press restarts ICE.
    for person in [&mut ada, &mut bob] {
        person.press("relay-only").await;
    }
    for person in [&mut ada, &mut bob] {
        wait_until("relay to relay", async || {
            let relayed = |call: &Call| call.local.kind == "relay" && call.remote.kind == "relay";
            person.call().await.as_ref().is_some_and(relayed)
        })
        .await;
        let call = person.sees_video(FRAMES).await;
        assert_eq!(call.local.address.as_deref(), Some(SERVER.to_string().as_str()));
    }
    let candidates =
        "hairpin.client.peerConnection.localDescription.sdp.match(/candidate:.* typ relay/g)
        .map(line => Number(line.split(' ')[5]))";
    for person in [&mut ada, &mut bob] {
        let ports = person.browser.eval(candidates).await;
        let ports = ports.as_array().expect("some are relayed");
        assert!(!ports.is_empty() && ports.iter().all(|port| *port == SHARED), "{ports:?}");
    }
    assert!(world.server.metrics().relayed("packets", "hairpin") > 100.0);
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}
