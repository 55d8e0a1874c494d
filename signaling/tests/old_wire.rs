//! The old wire, to the byte: next to a partner of the new one, a client of the old hears what it always did.

use std::time::Duration;

use hairpin_signaling::Departure;
use serde_json::json;

use crate::harness::World;

const FOUND: &str = r#""iceServers":[{"urls":["turn:relay.example:3478"],"username":"600:old","credential":"secret"}],"iceTtl":600}}"#;

#[test]
fn next_to_a_partner_of_the_new_wire_nothing_has_changed() {
    let mut world = World::new();
    world.connect(1);
    world.say_text(1, r#"{"type":"join_queue","data":{"userId":"old","matchMode":null}}"#);
    let new = world.hello(2, "new");
    world.say(2, "join_queue", json!({}));
    let session = world.session(2);
    let found = world.take(2).remove(0);
    assert_eq!(found["payload"]["partnerProtocol"], 0);
    world.signal(2, json!({ "description": { "type": "offer", "sdp": "v=0" } }));
    world.disconnect(2);
    world.pass_alive(Duration::from_secs(3), &[1]);
    world.hello_with(3, new.resume(1));
    world.say_text(
        1,
        &format!(r#"{{"type":"signal","data":{{"sessionId":"{session}","targetUserId":"new","signal":null}}}}"#),
    );
    let signal = world.take(3).pop().expect("a signal");
    assert_eq!(signal["payload"], json!({ "sessionId": session, "signal": null }));
    world.pass_alive(Duration::from_secs(600), &[1, 3]);
    world.depart(3, Departure::Goodbye);
    world.say_text(1, r#"{"type":"skip","data":{}}"#);
    world.say_text(1, r#"{"type":"dance"}"#);
    let expected = [
        r#"{"type":"queued","payload":{"position":1,"waiting":1}}"#.to_owned(),
        format!(
            r#"{{"type":"match_found","payload":{{"sessionId":"{session}","partnerId":"new","isInitiator":true,{FOUND}"#
        ),
        format!(
            r#"{{"type":"signal","payload":{{"sessionId":"{session}","signal":{{"description":{{"sdp":"v=0","type":"offer"}}}}}}}}"#
        ),
        format!(
            r#"{{"type":"partner_left","payload":{{"sessionId":"{session}","reason":"disconnected"}}}}"#
        ),
        r#"{"type":"queued","payload":{"position":1,"waiting":1}}"#.to_owned(),
    ];
    let texts = world.texts_of(1);
    assert_eq!(texts[..5], expected, "no seq, no tokens, no new types");
    assert!(
        texts[5].starts_with(r#"{"type":"error","payload":{"code":"unknown_type","message":""#)
    );
    assert_eq!(texts.len(), 6);
}

/// Unknown fields were always ignored, and apps put an `id` of their own kind into what they send.
#[test]
fn fields_of_the_new_wire_mean_nothing_to_who_has_not_said_hello() {
    let mut world = World::new();
    world.connect(1);
    world.connect(2);
    let own = r#""id":"6f1c-uuid","ack":true,"seq":-1"#;
    world.say_text(1, &format!(r#"{{"type":"join_queue","data":{{"userId":"a"}},{own}}}"#));
    world.say_text(2, &format!(r#"{{"type":"join_queue","data":{{"userId":"b"}},{own}}}"#));
    let session = world.session(1);
    world.take(2);
    for id in ["7", "7", "1", "null", "{}", "18446744073709551616"] {
        world.say_text(1, &format!(r#"{{"type":"signal","data":{{"signal":1}},"id":{id}}}"#));
    }
    assert_eq!(world.heard(2), ["signal"; 6]);
    world.take(1);
    world.say_text(1, r#"{"type":"signal","data":{"sessionId":"x","signal":1},"id":7}"#);
    let payload = json!({
        "code": "no_session", "message": "this is not the session you are in", "temporary": false,
    });
    assert_eq!(world.take(1), [json!({ "type": "error", "payload": payload })]);
    world.beat();
    assert!(world.take(1).is_empty(), "nor is anything acked");
    world.say(1, "end_session", json!({ "sessionId": session }));
    assert_eq!(world.heard(2), ["partner_left"]);
}

#[test]
fn one_that_waits_while_the_partner_comes_back_is_not_told_and_keeps_its_socket() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "old");
    world.disconnect(1);
    assert!(world.is_nobody_there() && world.seeking.is_empty(), "its seat goes with its socket");
}
