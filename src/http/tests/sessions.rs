//! Two clients and what stands between them.

use std::time::Instant;

use hairpin_signaling::{CloseCode, Rate};
use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::{Client, Site, patiently};

/// Two clients in a session, and its id.
async fn pair(site: &Site) -> (Client, Client, Value) {
    let (mut ada, mut bob) = (site.client("/ws").await, site.client("/").await);
    ada.join("ada").await;
    ada.expect("queued").await;
    bob.join("bob").await;
    let found = bob.expect("match_found").await;
    ada.expect("match_found").await;
    let session = found["sessionId"].clone();
    (ada, bob, session)
}

#[tokio::test]
async fn two_clients_are_paired_and_hear_each_other() {
    let site = Site::start(|_| ()).await;
    let (mut ada, mut bob) = (site.client("/ws").await, site.client("/").await);
    ada.join("ada").await;
    assert_eq!(ada.expect("queued").await["position"], 1);
    bob.join("bob").await;
    let (for_bob, for_ada) = (bob.expect("match_found").await, ada.expect("match_found").await);
    assert_eq!(for_ada["sessionId"], for_bob["sessionId"]);
    assert_eq!((&for_ada["partnerId"], &for_bob["partnerId"]), (&json!("bob"), &json!("ada")));
    assert_ne!(for_ada["isInitiator"], for_bob["isInitiator"]);
    assert_eq!(for_ada["iceTtl"], 600);
    let username = |found: &Value| found["iceServers"][1]["username"].as_str().map(str::to_owned);
    let id = |username: String| username.split_once(':').expect("expiry:id").1.to_owned();
    let ids = [&for_ada, &for_bob].map(|found| id(username(found).expect("a username")));
    assert_ne!(ids[0], ids[1], "each is counted for itself, and neither is named");
    // Who it is, and which session: both keyed hashes.
    let [(ada_is, hers), (bob_is, his)] =
        ids.each_ref().map(|id| id.split_once('.').expect("a mark"));
    assert_eq!((ada_is.len(), bob_is.len(), hers), (25, 25, his));
    assert!(ids.iter().all(|id| !id.contains("ada") && !id.contains("bob")));
    let stun = format!("stun:{}:3478", site.address.ip());
    assert_eq!(for_ada["iceServers"][0]["urls"][0], stun);

    let offer = json!({ "sdp": "v=0", "nested": [1, null, "ü"] });
    let session = &for_ada["sessionId"];
    let signal = json!({ "sessionId": session, "targetUserId": "somebody else", "signal": offer });
    ada.send("signal", signal).await;
    assert_eq!(bob.expect("signal").await, json!({ "sessionId": session, "signal": offer }));

    assert_eq!(site.metric("matchmaking_latency_ms_count"), Some(2.0));
    patiently(ada.0.close(None)).await.expect("closed");
    let left = bob.expect("partner_left").await;
    assert_eq!(left, json!({ "sessionId": session, "reason": "disconnected" }));
}

#[tokio::test]
async fn a_burst_is_timed_from_the_first_join_to_the_last_match_written() {
    let site = Site::start(|_| ()).await;
    assert_eq!(site.metric("hairpin_matchmaking_burst_seconds"), Some(0.0));
    let start = Instant::now();
    let (mut ada, mut bob, session) = pair(&site).await;
    // The figure follows the messages.
    let burst = |site: &Site| site.metric("hairpin_matchmaking_burst_seconds").expect("a figure");
    patiently(async {
        while burst(&site) == 0.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let seconds = start.elapsed().as_secs_f64();
    assert!(burst(&site) <= seconds, "{} of {seconds} s", burst(&site));

    ada.send("end_session", json!({ "sessionId": session })).await;
    bob.expect("partner_left").await;
    bob.join("bob").await;
    bob.expect("queued").await;
    assert_eq!(burst(&site), 0.0, "another one has begun, and has no match yet");
}

#[tokio::test]
async fn the_gauges_follow_connections_queue_and_sessions() {
    let site = Site::start(|_| ()).await;
    let (mut ada, mut bob, session) = pair(&site).await;
    let mut eve = site.client("/ws").await;
    eve.join("eve").await;
    eve.expect("queued").await;
    bob.send("end_session", json!({ "sessionId": session })).await;
    ada.expect("partner_left").await;
    // The gauges follow the answers; when what was asked after an answer is answered, they are there.
    eve.join("eve").await;
    eve.expect("queued").await;
    assert_eq!(site.metric("websocket_connections"), Some(3.0));
    assert_eq!(site.metric("matchmaking_queue_length"), Some(1.0));
    assert_eq!(site.metric("active_sessions_count"), Some(0.0));
    assert_eq!(site.metric("hairpin_sessions_ended_total{reason=\"ended\"}"), Some(1.0));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_its_partner_told() {
    let site = Site::start(|_| ()).await;
    let slow = tokio::net::TcpSocket::new_v4().expect("a socket");
    slow.set_recv_buffer_size(4096).expect("a small receive buffer");
    let slow = slow.connect(site.address).await.expect("connected");
    let mut slow = site.client_on(slow, "/ws").await;
    let mut fast = site.client("/ws").await;
    slow.join("slow").await;
    slow.expect("queued").await;
    fast.join("fast").await;
    let session = fast.expect("match_found").await["sessionId"].clone();

    // Under the flood limits, over what socket buffers and the queue hold.
    let signal = json!({ "sessionId": session, "signal": "x".repeat(1500) });
    for _ in 0..240 {
        fast.send("signal", signal.clone()).await;
    }
    assert_eq!(fast.expect("partner_left").await["reason"], "disconnected");
    slow.closed_as(CloseCode::SlowReader).await;
}

#[tokio::test]
async fn stopping_tells_every_client_and_waits_for_them() {
    let site = Site::start(|_| ()).await;
    let mut ada = site.client("/ws").await;
    ada.join("ada").await;
    ada.expect("queued").await;
    site.stop.cancel();
    let error = ada.expect("error").await;
    assert_eq!((&error["code"], &error["temporary"]), (&json!("shutting_down"), &json!(true)));
    ada.closed_as(CloseCode::GoingAway).await;
    drop(ada);
    patiently(site.web).await.expect("no panic");
}

#[tokio::test]
async fn who_asks_for_partners_too_often_is_told_when_to_come_back() {
    let site = Site::start(|config| {
        config.signaling.joins = Rate::per_minute(2);
        config.signaling.skips = Rate::per_minute(1);
    })
    .await;
    let (mut ada, _bob, session) = pair(&site).await;
    ada.send("skip", json!({ "sessionId": session })).await;
    ada.expect("queued").await;
    ada.send("leave_queue", json!({})).await;
    ada.join("ada").await;
    ada.expect("queued").await;
    patiently(ada.0.close(None)).await.expect("closed");

    let mut again = site.client("/ws").await;
    again.join("ada").await;
    let refusal = again.expect("error").await;
    assert_eq!((&refusal["code"], &refusal["temporary"]), (&json!("too_often"), &json!(true)));
    let wait = refusal["retryAfterMs"].as_u64().expect("a time");
    assert!((1..=30_000).contains(&wait), "{wait}");
    assert_eq!(site.metric("hairpin_signaling_errors_total{code=\"too_often\"}"), Some(1.0));
}

#[tokio::test]
async fn names_that_one_address_makes_up_share_its_bound() {
    let site = Site::start(|config| {
        config.http.client_ip_header = Some(HeaderName::from_static("x-forwarded-for"));
        config.signaling.joins = Rate::per_minute(1);
    })
    .await;
    let mut here = site.client_from("192.0.2.7").await;
    for n in 0..100 {
        here.send("join_queue", json!({ "userId": format!("made-up-{n}") })).await;
        here.expect("queued").await;
        here.send("leave_queue", json!({})).await;
    }
    // A hundred may come at once, and some more while they do.
    for n in 100..120 {
        here.send("join_queue", json!({ "userId": format!("made-up-{n}") })).await;
        here.send("leave_queue", json!({})).await;
    }
    let until_refused = async {
        while site.metric("hairpin_signaling_errors_total{code=\"too_often\"}").is_none() {
            tokio::task::yield_now().await;
        }
    };
    patiently(until_refused).await;
    let mut there = site.client_from("192.0.2.8").await;
    there.join("bob").await;
    there.expect("queued").await;
}
