//! Coming back by a resume token: all that was missed, or a plain restart.

use std::time::Duration;

use hairpin_matcher::Place;
use hairpin_signaling::{CloseCode, Departure};
use serde_json::{Value, json};

use crate::callers::{Ticket, kinds, numbers};
use crate::harness::{ALONE, World};

#[test]
fn a_welcome_is_first_and_says_how_to_come_back() {
    let mut world = World::new();
    world.connect(1);
    world.say(1, "hello", json!({ "userId": "a" }));
    let heard = world.take(1);
    let payload = &heard[0]["payload"];
    let (epoch, token) = (payload["epoch"].as_str(), payload["resumeToken"].as_str());
    let (epoch, token) = (epoch.expect("a string"), token.expect("a string"));
    assert!(epoch.len() == 16 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let text = format!(
        "{{\"type\":\"welcome\",\"payload\":{{\"epoch\":\"{epoch}\",\"resumeToken\":\"{token}\",\"resumed\":false,\
         \"received\":0,\"resumeWindowMs\":30000,\"pingMs\":{{\"setup\":3000,\"idle\":15000}}}}}}"
    );
    assert_eq!(world.texts_of(1), [text]);
}

#[test]
fn who_was_cut_off_hears_all_it_missed_in_order_and_nothing_twice() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    for n in 1..=3 {
        world.signal(2, json!(n));
    }
    let heard = world.take(1);
    assert_eq!(numbers(&heard), [3, 4, 5], "after queued and match_found");
    world.disconnect(1);
    world.signal(2, json!(4));
    // The first of the three has arrived.
    let heard = world.hello_with(3, a.resume(3));
    assert_eq!(kinds(&heard), ["welcome", "signal", "signal", "signal"]);
    assert_eq!((&heard[0]["payload"]["resumed"], &heard[0]["seq"]), (&json!(true), &Value::Null));
    for (message, n) in heard[1..].iter().zip(2..) {
        let payload = json!({ "sessionId": session, "signal": n });
        assert_eq!(*message, json!({ "type": "signal", "payload": payload, "seq": n + 2 }));
    }
}

#[test]
fn a_token_is_good_until_its_successor_is_known_to_have_arrived() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    for id in 3..6 {
        // The welcome is lost with its socket, each time.
        let heard = world.hello_with(id, a.resume(2));
        assert_eq!(heard[0]["payload"]["resumed"], true, "{id}");
    }
    world.say(5, "ping", json!({}));
    world.disconnect(5);
    let heard = world.hello_with(6, a.resume(2));
    assert_eq!(kinds(&heard)[..2], ["welcome", "restart"]);
    assert_eq!(heard[1]["payload"], json!({ "reason": "expired" }));
}

#[test]
fn a_token_used_leads_no_further_once_the_next_was_used() {
    let mut world = World::new();
    let (_, [mut a, _]) = world.meet_with_hello();
    let first = a.clone();
    let heard = world.hello_with(3, a.resume(2));
    a.token = heard[0]["payload"]["resumeToken"].clone();
    let heard = world.hello_with(4, a.resume(2));
    assert_eq!(heard[0]["payload"]["resumed"], true);
    assert_ne!(heard[0]["payload"]["resumeToken"], a.token, "each is new");
    let heard = world.hello_with(5, first.resume(2));
    assert_eq!(heard[1]["payload"]["reason"], "expired");
}

#[test]
fn coming_back_takes_over_from_a_socket_that_lives() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(heard[0]["payload"]["resumed"], true);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    assert!(world.take(2).is_empty(), "it was never away");
    world.say(1, "end_session", json!({}));
    world.disconnect(1);
    world.signal(3, json!("still here"));
    assert_eq!(world.heard(2), ["signal"]);
}

#[test]
fn a_page_that_has_forgotten_what_it_heard_is_told_how_things_are() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.signal(2, json!(1));
    let heard = world.hello_with(3, a.resume(Value::Null));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    assert_eq!(heard[0]["payload"]["resumed"], false);
    assert_eq!(
        heard[1],
        json!({ "type": "restart", "payload": { "reason": "state_asked" } }),
        "without a number"
    );
    let mut rejoined = heard[2].clone();
    let token = rejoined["payload"].as_object_mut().expect("fields").remove("pairToken");
    assert!(token.is_some_and(|token| token.is_string()));
    let server = json!({
        "urls": ["turn:relay.example:3478"], "username": "600:a", "credential": "secret",
    });
    let payload = json!({
        "sessionId": session, "partnerId": "b", "isInitiator": true, "partnerAway": false,
        "partnerProtocol": 1, "iceServers": [server], "iceTtl": 600,
    });
    assert_eq!(rejoined, json!({ "type": "rejoined", "payload": payload, "seq": 1 }));
}

#[test]
fn a_page_that_waits_and_is_reloaded_keeps_its_place() {
    let mut world = World::new();
    world.matching = false;
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    let ticket = world.tickets()[0];
    world.hub.queued(ticket, Place { position: 4, ..ALONE });
    world.settle();
    let place = world.take(1).remove(0);
    let since = world.seeking[0].since;
    world.pass(Duration::from_secs(2));
    world.disconnect(1);
    assert!(world.seeking.is_empty(), "nobody is matched while away");
    let heard = world.hello_with(2, a.resume(Value::Null));
    assert_eq!(kinds(&heard), ["welcome", "restart", "queued"]);
    assert_eq!(heard[2]["payload"], place["payload"], "the place is the same, and its token");
    assert_eq!((world.tickets()[0], world.seeking[0].since), (ticket, since));
}

#[test]
fn an_idle_seat_is_not_kept_and_another_epoch_is_another_server() {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.disconnect(1);
    assert!(world.is_nobody_there());
    let heard = world.hello_with(2, a.resume(0));
    assert_eq!(kinds(&heard), ["welcome", "restart"]);
    assert_eq!(heard[1]["payload"]["reason"], "expired");
    world.restart(7, b"north");
    let heard = world.hello_with(3, a.resume(0));
    assert_eq!(kinds(&heard), ["welcome", "restart"]);
    assert_eq!(heard[1]["payload"]["reason"], "server_restarted");
    assert_ne!(heard[0]["payload"]["epoch"], a.epoch);
}

#[test]
fn a_token_is_its_user_s_alone() {
    let mut world = World::new();
    let (_, [mut a, _]) = world.meet_with_hello();
    a.user = "mallory".into();
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(heard[1]["payload"]["reason"], "expired");
    assert_eq!(world.code(1), None);
}

#[test]
fn what_nobody_keeps_so_long_is_a_restart_and_never_a_part() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    for n in 0..300 {
        world.signal(2, json!(n));
        world.pass(Duration::from_millis(20));
    }
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    assert_eq!(heard[1]["payload"]["reason"], "missed_too_much");
    world.signal(2, json!("next"));
    assert_eq!(numbers(&world.take(3)), [2], "numbers begin anew, rejoined was 1");
}

/// Both numberings know a message 6, and it is not the same.
#[test]
fn who_has_not_heard_of_a_restart_is_restarted_again() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    // A reload whose answer is lost: the page never hears that numbers begin anew.
    world.hello_with(3, a.resume(Value::Null));
    world.disconnect(3);
    for n in 0..10 {
        world.signal(2, json!(n));
    }
    let heard = world.hello_with(4, a.resume(5));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    let token = heard[0]["payload"]["resumeToken"].clone();
    world.disconnect(4);
    world.signal(2, json!("missed"));
    // It has heard this time, if it knows the token that came with it.
    let heard = world.hello_with(5, Ticket { token, ..a }.resume(1));
    assert_eq!((kinds(&heard), numbers(&heard)), (vec!["welcome", "signal"], vec![0, 2]));
}

#[test]
fn a_goodbye_ends_the_seat_at_once_and_a_lost_one_is_kept_for_the_window() {
    let mut world = World::new();
    let (session, [a, b]) = world.meet_with_hello();
    world.depart(1, Departure::Goodbye);
    let left = json!({ "sessionId": session, "reason": "disconnected" });
    assert_eq!(world.take(2), [json!({ "type": "partner_left", "payload": left, "seq": 2 })]);
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(heard[1]["payload"]["reason"], "expired");
    world.depart(3, Departure::Goodbye);
    let heard = world.hello_with(4, b.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "partner_left"], "2 has not gone, and is replaced");
    world.depart(4, Departure::Goodbye);
    assert!(world.is_nobody_there());
}

#[test]
fn hello_comes_first_and_once_and_says_who() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "hello", json!({ "userId": "a" }));
    assert_eq!(world.heard(1), ["bad_message"]);
    world.connect(2);
    world.join(2, "b");
    world.say(2, "hello", json!({ "userId": "b" }));
    assert_eq!(world.heard(2), ["queued", "bad_message"]);
    for wrong in [json!({}), json!({ "userId": "" }), json!({ "userId": "c", "resume": 7 })] {
        assert_eq!(world.hello_with(3 + world.now.as_secs(), wrong.clone())[0]["type"], "error");
        world.pass(Duration::from_secs(1));
    }
}
