//! Pair tokens: a call goes on at a server that knows nothing of it.

use std::time::Duration;

use hairpin_signaling::{CloseCode, Departure};
use serde_json::{Value, json};

use crate::callers::{Ticket, kinds};
use crate::harness::World;

/// A pair whose server has been started anew.
fn restarted(secret: &[u8]) -> (World, String, [Ticket; 2]) {
    let mut world = World::new();
    let (session, tickets) = world.meet_with_hello();
    world.restart(9, secret);
    (world, session, tickets)
}

#[test]
fn a_server_started_anew_puts_a_call_together_again() {
    let (mut world, session, [a, b]) = restarted(b"north");
    let heard = world.hello_with(3, b.resume_pair(1));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    assert_eq!(heard[1]["payload"]["reason"], "server_restarted");
    let rejoined = &heard[2]["payload"];
    let fields = ["sessionId", "partnerId", "isInitiator", "partnerAway", "partnerProtocol"];
    assert_eq!(
        fields.map(|field| rejoined[field].clone()),
        [json!(session), json!("a"), json!(false), json!(true), json!(1)]
    );
    assert_eq!((world.hub.sessions(), world.hub.away()), (1, 1));
    world.signal(3, json!("early"));
    let heard = world.hello_with(4, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    let rejoined = &heard[2]["payload"];
    assert_eq!((&rejoined["isInitiator"], &rejoined["partnerAway"]), (&json!(true), &json!(false)));
    assert_eq!(
        world.take(3),
        [json!({ "type": "partner_back", "payload": { "sessionId": session }, "seq": 2 })]
    );
    for (from, to) in [(3, 4), (4, 3)] {
        world.say(from, "signal", json!({ "sessionId": session, "signal": from }));
        assert_eq!(world.take(to)[0]["payload"]["signal"], from);
    }
    world.say(3, "end_session", json!({}));
    assert_eq!(world.heard(4), ["partner_left"]);
    for id in [3, 4] {
        world.depart(id, Departure::Goodbye);
    }
    assert!(world.is_nobody_there());
}

/// A tunnel longer than the window: media may have gone on all the same.
#[test]
fn whoever_comes_back_too_late_finds_a_partner_that_has_done_nothing_else() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.pass_alive(Duration::from_secs(31), &[2]);
    assert_eq!(world.heard(2), ["partner_away", "partner_left"]);
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"]);
    assert_eq!(heard[2]["payload"]["partnerAway"], false);
    let rejoined = &world.take(2)[0];
    let fields = ["sessionId", "partnerId", "isInitiator", "partnerAway"];
    assert_eq!(rejoined["type"], "rejoined");
    assert_eq!(
        fields.map(|field| rejoined["payload"][field].clone()),
        [json!(session), json!("a"), json!(false), json!(false)]
    );
    for (from, to) in [(3, 2), (2, 3)] {
        world.say(from, "signal", json!({ "sessionId": session, "signal": from }));
        assert_eq!(world.take(to)[0]["payload"]["signal"], from);
    }
}

#[test]
fn whoever_comes_back_too_late_does_not_disturb_a_partner_that_looks_for_another() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.pass_alive(Duration::from_secs(31), &[2]);
    world.say(2, "skip", json!({}));
    world.take(2);
    assert_eq!(
        kinds(&world.hello_with(3, a.resume_pair(2))),
        ["welcome", "restart", "partner_left"]
    );
    assert_eq!(world.take(2), [] as [Value; 0]);
}

#[test]
fn a_partner_that_never_comes_has_left_when_the_window_closes() {
    let (mut world, session, [a, b]) = restarted(b"north");
    world.hello_with(3, a.resume_pair(2));
    world.pass_alive(Duration::from_secs(30), &[3]);
    let left = json!({ "sessionId": session, "reason": "disconnected" });
    assert_eq!(world.take(3), [json!({ "type": "partner_left", "payload": left, "seq": 2 })]);
    assert_eq!((world.hub.away(), world.hub.sessions()), (0, 0));
    // Until the other one does something else.
    world.say(3, "join_queue", json!({}));
    world.take(3);
    let heard = world.hello_with(4, b.resume_pair(1));
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    assert_eq!(heard[2]["payload"], json!({ "sessionId": session, "reason": "ended" }));
}

#[test]
fn a_token_alone_is_enough_and_takes_over_a_session_that_lives() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    let hello = json!({ "userId": "a", "pairToken": a.pair_token });
    let heard = world.hello_with(3, hello.clone());
    assert_eq!(kinds(&heard), ["welcome", "rejoined"]);
    assert_eq!(heard[1]["payload"]["sessionId"], session);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    world.restart(3, b"north");
    assert_eq!(kinds(&world.hello_with(4, hello)), ["welcome", "rejoined"]);
}

#[test]
fn a_session_that_has_ended_stays_so() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.say(2, "end_session", json!({}));
    world.depart(1, Departure::Goodbye);
    let hello = json!({ "userId": "a", "pairToken": a.pair_token });
    let heard = world.hello_with(3, hello);
    assert_eq!(kinds(&heard), ["welcome", "partner_left"]);
    assert_eq!(heard[1]["payload"], json!({ "sessionId": session, "reason": "ended" }));
    world.say(3, "end_session", json!({ "sessionId": session }));
    assert!(world.take(3).is_empty(), "that is known to be over");
}

#[test]
fn a_partner_who_is_here_and_has_not_come_for_the_call_has_left_it() {
    let (mut world, session, [a, _]) = restarted(b"north");
    world.hello(3, "b");
    let heard = world.hello_with(4, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    assert_eq!(heard[2]["payload"], json!({ "sessionId": session, "reason": "ended" }));
    assert!(world.take(3).is_empty());
    // And one that comes later without its token leaves it then.
    let (mut world, _, [a, _]) = restarted(b"north");
    world.hello_with(3, a.resume_pair(2));
    world.hello(4, "b");
    assert_eq!(world.heard(3), ["partner_left"]);
}

#[test]
fn forged_foreign_and_old_tokens_lead_to_nothing() {
    let (mut world, _, [a, _]) = restarted(b"south");
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart"]);
    assert_eq!((world.hub.sessions(), world.hub.away()), (0, 0));

    let (mut world, _, [mut a, b]) = restarted(b"north");
    let good = a.pair_token.as_str().expect("a string").to_owned();
    let wrong = [
        Value::Null,
        json!(""),
        json!("."),
        json!(good.to_lowercase()),
        json!(&good[..good.len() - 1]),
        json!(format!("{good}A")),
        json!("ä".repeat(3000)),
        b.pair_token,
    ];
    for (id, token) in (10..).zip(wrong) {
        a.pair_token = token.clone();
        let heard = world.hello_with(id, a.resume_pair(2));
        assert_eq!(kinds(&heard), ["welcome", "restart"], "{token}");
    }
    a.pair_token = json!(good);
    world.pass(Duration::from_secs(24 * 3600));
    let heard = world.hello_with(30, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "rejoined"], "it is a day old");
    world.restart(10, b"north");
    world.pass(Duration::from_secs(1));
    let heard = world.hello_with(31, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart"], "and now older");
}

/// Its first answer was lost with the socket.
#[test]
fn who_is_cut_off_while_it_comes_back_comes_back_again() {
    let (mut world, session, [a, b]) = restarted(b"north");
    for id in [3, 4, 5] {
        let heard = world.hello_with(id, a.resume_pair(2));
        assert_eq!(heard[2]["payload"]["sessionId"], session, "{id}");
        if id == 4 {
            world.disconnect(4);
        }
    }
    world.hello_with(6, b.resume_pair(1));
    assert_eq!(world.heard(5), ["partner_back"]);
    world.signal(6, json!(1));
    assert_eq!(world.heard(5), ["signal"]);
}
