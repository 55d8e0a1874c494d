//! Who somebody is by the word of a token.

use std::time::Duration;

use hairpin_signaling::{
    BadToken, ClaimedWishes, CloseCode, Config, ConnectionId, Declared, Identity, Naming, Origin,
};
use serde_json::{Value, json};

use crate::harness::{World, config};

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A hub that wants tokens, and knows `ann`, `bob` and `cat`, which say so for an hour.
fn world() -> World {
    let mut world = World::with(Config { naming: Naming::Tokens, ..config() });
    for user in ["ann", "bob", "cat"] {
        world.knows(user, user, HOUR);
    }
    world
}

impl World {
    fn knows(&mut self, token: &str, user: &str, lasts: Duration) {
        self.ice.tokens.insert(token.to_owned(), Ok(Identity::new(user, lasts)));
    }

    fn join_by(&mut self, id: u64, token: &str) {
        self.say(id, "join_queue", json!({ "token": token }));
    }

    /// `ann` and `bob` meet as 1 and 2.
    fn meet_by_tokens(&mut self) {
        for (id, token) in [(1, "ann"), (2, "bob")] {
            self.connect(id);
            self.say(id, "hello", json!({ "token": token }));
            self.say(id, "join_queue", json!({}));
        }
        self.session(1);
        self.take(1);
        self.take(2);
    }

    fn error(&mut self, id: u64) -> Value {
        let mut errors = self.take(id).into_iter().filter(|message| message["type"] == "error");
        errors.next().expect("an error")["payload"].clone()
    }
}

#[test]
fn without_a_token_nobody_is_anybody() {
    let mut world = world();
    world.connect(1);
    for (kind, data) in
        [("hello", json!({ "userId": "ann" })), ("join_queue", json!({ "userId": "ann" }))]
    {
        world.say(1, kind, data);
        assert_eq!(world.heard(1), ["token_missing"], "{kind}");
    }
    assert_eq!(world.code(1), None);
    world.join_by(1, "ann");
    assert_eq!(world.heard(1), ["queued"]);
}

#[test]
fn the_user_is_the_tokens_and_no_other_is_taken() {
    let mut world = world();
    world.connect(1);
    world.say(1, "join_queue", json!({ "token": "ann", "userId": "bob" }));
    assert_eq!(world.heard(1), ["wrong_user"]);
    world.say(1, "join_queue", json!({ "token": "ann", "userId": "ann" }));
    world.connect(2);
    world.join_by(2, "bob");
    let found = world.take(1).pop().expect("a match");
    assert_eq!(found["payload"]["partnerId"], "bob");
    let names: Vec<_> = world.ice.issued.iter().map(|(_, user)| user.as_str()).collect();
    assert_eq!(names, ["ann", "bob"], "quotas hang on them");
}

#[test]
fn a_bad_token_says_why_and_counts_for_nothing() {
    let mut world = world();
    let unverified = BadToken::Unverified { retry_after: seconds(2) };
    world.ice.tokens.insert("soon".into(), Err(unverified));
    world.ice.tokens.insert("old".into(), Err(BadToken::Expired));
    world.connect(1);
    for (token, code, temporary) in [
        ("soon", "token_unverified", true),
        ("old", "token_expired", false),
        ("x", "token_invalid", false),
    ] {
        world.say(1, "hello", json!({ "token": token }));
        let error = world.error(1);
        assert_eq!((&error["code"], &error["temporary"]), (&json!(code), &json!(temporary)));
        assert_eq!(error["retryAfterMs"], if temporary { json!(2000) } else { Value::Null });
    }
    world.say(1, "hello", json!({}));
    assert_eq!(world.heard(1), ["token_missing"]);
}

#[test]
fn a_stranger_may_bring_but_a_few_tokens_a_minute() {
    let mut world = world();
    world.connect(1);
    for n in 0..30 {
        world.say(1, "hello", json!({ "token": format!("made up {n}") }));
    }
    assert_eq!(world.ice.read.len(), 10);
    assert_eq!(world.heard(1).last().map(String::as_str), Some("too_often"));
    world.pass(seconds(6));
    world.say(1, "hello", json!({ "token": "ann" }));
    assert_eq!(world.heard(1), ["welcome"]);
}

#[test]
fn a_token_of_the_handshake_counts_from_the_first_message_on() {
    let mut world = world();
    world.connect(1);
    world.hub.identify(world.now, ConnectionId(1), Identity::new("ann", HOUR));
    world.say(1, "join_queue", json!({ "userId": "bob" }));
    world.say(1, "join_queue", json!({}));
    assert_eq!(world.heard(1), ["wrong_user", "queued"]);
    assert!(world.ice.read.is_empty(), "it was read at the handshake");
}

#[test]
fn a_token_that_counts_already_is_not_read_again() {
    let mut world = world();
    world.connect(1);
    for _ in 0..5 {
        world.join_by(1, "ann");
    }
    assert_eq!(world.ice.read.len(), 1);
}

#[test]
fn a_proven_name_is_taken_over_from_anywhere() {
    let mut world = world();
    world.connect_from(1, Some(Origin(1)));
    world.say(1, "hello", json!({ "token": "ann" }));
    world.connect_from(2, Some(Origin(2)));
    world.say(2, "hello", json!({ "token": "ann" }));
    assert_eq!(world.heard(2), ["welcome"]);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
}

#[test]
fn a_connection_stays_one_users() {
    let mut world = world();
    world.connect(1);
    world.join_by(1, "ann");
    world.take(1);
    world.join_by(1, "bob");
    assert_eq!(world.heard(1), ["wrong_user"]);
    world.say(1, "renew_token", json!({ "token": "bob" }));
    assert_eq!(world.heard(1), ["wrong_user"]);
}

#[test]
fn to_come_back_one_needs_a_token_still() {
    let mut world = world();
    world.connect(1);
    world.say(1, "hello", json!({ "token": "ann" }));
    let welcome = world.take(1).remove(0)["payload"].clone();
    world.join_by(1, "ann");
    world.take(1);
    world.disconnect(1);
    let resume =
        json!({ "token": welcome["resumeToken"], "epoch": welcome["epoch"], "received": 0 });
    for (id, token, heard) in [(2, None, "token_missing"), (3, Some("bob"), "welcome")] {
        world.connect(id);
        world.say(id, "hello", json!({ "token": token, "resume": resume }));
        let first = world.take(id).remove(0);
        let name =
            if first["type"] == "error" { &first["payload"]["code"] } else { &first["type"] };
        assert_eq!(name, heard);
        assert_ne!(first["payload"]["resumed"], true, "another's seat is not come back to");
    }
    world.connect(4);
    world.say(4, "hello", json!({ "token": "ann", "resume": resume }));
    assert_eq!(world.take(4)[0]["payload"]["resumed"], true);
}

#[test]
fn who_renews_its_token_goes_on() {
    let mut world = world();
    world.knows("ann", "ann", seconds(100));
    world.knows("ann again", "ann", HOUR);
    world.meet_by_tokens();
    world.pass_alive(seconds(39), &[1, 2]);
    assert!(world.take(1).is_empty());
    world.pass(seconds(1));
    let expiring = world.take(1).remove(0);
    assert_eq!(
        (&expiring["type"], &expiring["payload"]["expiresInMs"]),
        (&json!("token_expiring"), &json!(60_000))
    );
    assert_eq!(expiring["seq"], Value::Null, "what is numbered is heard again by who comes back");
    world.say(1, "renew_token", json!({ "token": "ann again" }));
    let renewed = world.take(1).remove(0);
    assert_eq!(
        (&renewed["type"], &renewed["payload"]["expiresInMs"]),
        (&json!("token_renewed"), &json!(3_600_000))
    );
    world.pass_alive(seconds(600), &[1, 2]);
    assert_eq!((world.code(1), world.hub.sessions()), (None, 1));
}

#[test]
fn who_does_not_is_sent_away_and_the_session_ends_for_both() {
    let mut world = world();
    world.knows("ann", "ann", seconds(100));
    world.meet_by_tokens();
    world.pass_alive(seconds(99), &[1, 2]);
    assert_eq!(world.hub.sessions(), 1);
    world.pass(seconds(1));
    assert_eq!(world.heard(1), ["token_expiring", "token_expired"]);
    assert_eq!(world.code(1), Some(CloseCode::TokenExpired));
    let left = world.take(2).remove(0);
    assert_eq!(
        (&left["type"], &left["payload"]["reason"]),
        (&json!("partner_left"), &json!("ended"))
    );
    assert_eq!((world.hub.sessions(), world.hub.away()), (0, 0));
    world.pass_alive(seconds(10), &[2]);
    assert_eq!(world.code(2), None);
}

#[test]
fn a_token_that_has_less_than_the_warning_left_is_warned_of_at_once() {
    let mut world = world();
    world.knows("short", "ann", seconds(20));
    world.connect(1);
    world.join_by(1, "short");
    world.pass(Duration::ZERO);
    assert_eq!(world.heard(1), ["queued", "token_expiring"]);
    world.pass(seconds(20));
    assert_eq!(world.code(1), Some(CloseCode::TokenExpired));
    assert_eq!((world.hub.queue_len(), world.hub.connections()), (0, 0));
}

#[test]
fn renewing_costs_a_budget_that_goes_with_the_user() {
    let mut world = world();
    (0..12).for_each(|n| world.knows(&format!("ann {n}"), "ann", HOUR));
    world.connect(1);
    world.join_by(1, "ann");
    world.take(1);
    (0..11).for_each(|n| world.say(1, "renew_token", json!({ "token": format!("ann {n}") })));
    let heard = world.heard(1);
    assert_eq!(heard.iter().filter(|kind| *kind == "token_renewed").count(), 10);
    assert_eq!(heard.last().map(String::as_str), Some("too_often"));
    world.connect(2);
    world.join_by(2, "ann");
    world.take(2);
    world.say(2, "renew_token", json!({ "token": "ann 11" }));
    assert_eq!(world.heard(2), ["too_often"]);
}

#[test]
fn what_a_token_claims_counts_before_what_its_bearer_says() {
    let mut world = world();
    let wishes = ClaimedWishes {
        buddies: Some(json!(["dan"])),
        blocked: Some(json!(["bob"])),
        ..ClaimedWishes::default()
    };
    let identity = Identity { wishes, ..Identity::new("ann", HOUR) };
    world.ice.tokens.insert("ann".into(), Ok(identity));
    world.connect(1);
    let join = json!({ "token": "ann", "buddies": ["eve"], "blocked": ["cat"] });
    world.say(1, "join_queue", join.clone());
    let ticket = &world.seeking[0];
    assert_eq!(ticket.buddies.iter().map(|user| &**user).collect::<Vec<_>>(), ["dan"]);
    assert_eq!(ticket.blocked.iter().map(|user| &**user).collect::<Vec<_>>(), ["bob", "cat"]);
    world.say(1, "join_queue", join);
    assert_eq!(world.tickets().len(), 1, "the same wish again keeps its place");
    for (id, token) in [(2, "bob"), (3, "cat")] {
        world.connect(id);
        world.join_by(id, token);
    }
    assert_eq!(world.hub.queue_len(), 1, "they meet each other, and not ann");
}

#[test]
fn claims_stay_with_the_seat() {
    let mut world = world();
    let wishes = ClaimedWishes { blocked: Some(json!(["cat"])), ..ClaimedWishes::default() };
    let identity = Identity { wishes, ..Identity::new("ann", HOUR) };
    world.ice.tokens.insert("ann".into(), Ok(identity));
    world.meet_by_tokens();
    world.say(1, "skip", json!({}));
    let ticket = world.seeking.iter().find(|ticket| *ticket.user == *"ann").expect("ann waits");
    assert_eq!(&*ticket.blocked[0], "cat");
}

#[test]
fn rooms_are_for_who_has_a_token_and_claims_keep_apart_there_too() {
    let mut world = world();
    let wishes = ClaimedWishes { blocked: Some(json!(["bob"])), ..ClaimedWishes::default() };
    let identity = Identity { wishes, ..Identity::new("ann", HOUR) };
    world.ice.tokens.insert("ann".into(), Ok(identity));
    (1..=3).for_each(|id| world.connect(id));
    world.say(1, "create_room", json!({ "userId": "ann" }));
    assert_eq!(world.heard(1), ["token_missing"]);
    world.say(1, "create_room", json!({ "token": "ann" }));
    let code = world.take(1).remove(0)["payload"]["code"].clone();
    world.say(2, "join_room", json!({ "code": code, "token": "bob" }));
    assert_eq!(world.heard(2), ["no_room"]);
    world.say(3, "join_room", json!({ "code": code, "token": "cat" }));
    assert_eq!(world.heard(3), ["match_found"]);
}

#[test]
fn claims_that_are_not_understood_are_no_tokens() {
    let mut world = world();
    assert_eq!(config().attributes, Declared::default());
    let wishes =
        ClaimedWishes { attributes: Some(json!({ "hair": "red" })), ..ClaimedWishes::default() };
    let identity = Identity { wishes, ..Identity::new("ann", HOUR) };
    world.ice.tokens.insert("ann".into(), Ok(identity));
    world.connect(1);
    world.join_by(1, "ann");
    let error = world.error(1);
    assert_eq!(error["code"], "token_invalid");
    assert!(error["message"].as_str().expect("words").contains("attributes.hair"), "{error}");
}

#[test]
fn in_open_mode_tokens_are_not_looked_at() {
    let mut world = World::new();
    world.connect(1);
    world.hub.identify(world.now, ConnectionId(1), Identity::new("eve", HOUR));
    world.say(1, "join_queue", json!({ "userId": "ann", "token": "made up" }));
    world.say(1, "renew_token", json!({ "token": "made up" }));
    assert_eq!(world.heard(1), ["queued", "bad_message"]);
    assert!(world.ice.read.is_empty());
}

#[test]
fn nothing_is_left_of_who_has_gone() {
    let mut world = world();
    world.connect(1);
    world.join_by(1, "ann");
    world.disconnect(1);
    assert_eq!(world.hub.poll_timeout(), None);
}
