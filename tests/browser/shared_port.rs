//! All relaying behind one UDP port: Chromium with Firefox, and the server's firewall lets TCP 443 and two UDP ports through.

use super::counters::stop_frees_everything;
use super::crowd::Crowd;
use super::household::Nat;
use super::netns::SERVER;
use super::person::Call;
use super::scenarios::{FRAMES, find_each_other};
use super::secure::{chromium_and_firefox, introduce, secure_world};
use super::wait_until;

/// Where all relayed candidates are.
const SHARED: u64 = 3479;

/// The flags for it.
pub(super) const SHARE: [&str; 2] = ["--relay-ports", "shared"];

/// The firewall of an operator who has opened three ports; the administrator is inside. IPv6 finds neighbours by ICMP.
pub(super) const THREE_PORTS: &str = "table inet firewall { chain input { type filter hook input priority 0; \
    iifname lo accept; meta l4proto icmpv6 accept; \
    udp dport { 3478, 3479 } accept; tcp dport 443 accept; drop; }\n}";

/// How many pairs there are beside the browsers.
const PAIRS: usize = 100;

#[tokio::test]
async fn chromium_and_firefox_call_through_three_ports_beside_a_hundred_pairs() {
    let Some((mut world, root)) = secure_world(&SHARE).await else { return };
    world.network.server().filter(THREE_PORTS);
    let hosts = [1, 2].map(|number| world.network.wired_client(number, Nat::Symmetric));
    let [one, two] = hosts.map(|host| introduce(host, &root));
    let (mut ada, mut bob) = chromium_and_firefox(&one, &two).await;
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
        person.sees_video(FRAMES).await;
    }
    let to_peers = world.server.metrics().relayed("packets", "to_peer");
    assert!(to_peers > 0.0, "one hop, from the shared port to a browser's own socket");
    let crowd = Crowd::on(&world.network.host("wan"), PAIRS).await;

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
    crowd.has_talked_all_the_while().await;
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}

#[tokio::test]
async fn two_behind_one_nat_call_through_three_ports() {
    let Some((mut world, root)) = secure_world(&SHARE).await else { return };
    world.network.server().filter(THREE_PORTS);
    let hosts = [world.network.wired_client(1, Nat::Symmetric), world.network.guest_of(1)];
    let [one, two] = hosts.map(|host| introduce(host, &root));
    let (mut ada, mut bob) = chromium_and_firefox(&one, &two).await;
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
        let call = person.sees_video(FRAMES).await;
        assert_eq!(call.path, "relayed", "the house keeps its guests apart");
    }
    stop_frees_everything(&world, &mut ada, &mut bob).await;
}
