//! The reader and the documented shape of what clients send agree, in both directions.

use std::time::Duration;

use hairpin_matcher::{Attribute as Declares, Band, Kind};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Number, Value, json};

use super::super::{ClientMessage, Envelope, decode};
use super::check::valid;
use super::golden::with_data;
use super::schemas::{self, CLIENT};
use super::shapes::*;
use crate::attributes::ANYONE;
use crate::refusal::Refusal;
use crate::{Declaration, Declared};

/// Strings of as many bytes, of one to four bytes a character.
fn text(bytes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    let (least, most) = bytes.into_inner();
    let fitting = move |text: String| {
        let mut end = text.len().min(most);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text[..end].to_owned();
        text + &"x".repeat(least.saturating_sub(end))
    };
    prop_oneof![
        4 => "[a-zé\"\\\\ ]{0,8}".prop_map(fitting),
        1 => Just("ä".repeat(most / 2)).prop_map(fitting),
        1 => Just("x".repeat(most)),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    let user_id = option::of(text(UserId::BYTES).prop_map(UserId));
    let token = option::of(text(Token::BYTES).prop_map(Token));
    (user_id, token).prop_map(|(user_id, token)| Who { user_id, token })
}

fn which() -> impl Strategy<Value = Which> {
    let id = prop_oneof!["[0-9a-f]{32}", "[0-9A-F]{30,34}", Just(String::new())];
    option::of(id).prop_map(|session_id| Which { session_id })
}

fn tag() -> impl Strategy<Value = Tag> {
    text(Tag::BYTES).prop_map(Tag)
}

/// What the server of these tests declares: one of each kind.
fn declared() -> Declared {
    let declare = |name: &str, kind, values: &[&str]| Declaration {
        name: name.into(),
        attribute: Declares { kind, widen: Some(Duration::from_secs(10)) },
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let band = Band { within: 10_000, step: 5_000, most: 40_000, around: None };
    Declared(vec![
        declare("choice", Kind::Choice, &CHOICES),
        declare("tags", Kind::Tags, &[]),
        declare("number", Kind::Number(band), &[]),
    ])
}

const CHOICES: [&str; 3] = ["woman", "man", "nonbinary"];

fn number(quarters: i32) -> Number {
    Number::from_f64(f64::from(quarters) / 4.0).expect("it is finite")
}

fn attributes() -> impl Strategy<Value = std::collections::BTreeMap<String, Attribute>> {
    let one = prop_oneof![
        select(&CHOICES[..])
            .prop_map(|value| ("choice".to_owned(), Attribute::Choice(value.into()))),
        vec(tag(), 0..=16).prop_map(|tags| ("tags".to_owned(), Attribute::Tags(tags))),
        (-40_000..40_000_i32).prop_map(|n| ("number".to_owned(), Attribute::Number(number(n)))),
    ];
    vec(one, 0..3).prop_map(|all| all.into_iter().collect())
}

fn wishes() -> impl Strategy<Value = std::collections::BTreeMap<String, Wish>> {
    let value = || select(&CHOICES[..]);
    let values = vec(value().prop_map(|value| Tag(value.into())), 1..=64).prop_map(Wish::Several);
    let one = prop_oneof![
        value().prop_map(|value| ("choice".to_owned(), Wish::Word(value.into()))),
        values.prop_map(|values| ("choice".to_owned(), values)),
        vec(tag(), 1..=16).prop_map(|tags| ("tags".to_owned(), Wish::Several(tags))),
        (0..40_000_i32).prop_map(|n| ("number".to_owned(), Wish::Number { within: number(n) })),
        select(vec!["choice", "tags", "number"])
            .prop_map(|name| (name.to_owned(), Wish::Word(ANYONE.into()))),
    ];
    vec(one, 0..3).prop_map(|all| all.into_iter().collect())
}

fn json_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\\\\\"é]{0,6}".prop_map(Value::from),
        vec(any::<u8>(), 0..3).prop_map(Value::from),
        btree_map("[a-z]{1,3}", any::<u8>(), 0..3).prop_map(|fields| json!(fields)),
    ]
}

fn client() -> impl Strategy<Value = Client> {
    let users = || option::of(vec(text(UserId::BYTES).prop_map(UserId), 0..5));
    let opaque = || option::of("[a-zA-Z0-9_.-]{0,40}");
    let seat = ("[a-z]{0,4}", opaque(), option::of(any::<u64>()))
        .prop_map(|(token, epoch, received)| Seat { token, epoch, received });
    let mode = option::of(text(MatchMode::BYTES).prop_map(MatchMode));
    let join =
        (who(), mode, opaque(), users(), users(), option::of(attributes()), option::of(wishes()));
    prop_oneof![
        2 => (who(), option::of(seat), opaque())
            .prop_map(|(who, resume, pair_token)| Client::Hello { who, resume, pair_token }),
        3 => join.prop_map(|(who, match_mode, place_token, buddies, blocked, attributes, seeks)| {
            Client::JoinQueue { who, match_mode, place_token, buddies, blocked, attributes, seeks }
        }),
        1 => (which(), json_value()).prop_map(|(which, signal)| Client::Signal { which, signal }),
        1 => which().prop_map(|which| Client::Skip { which }),
        1 => which().prop_map(|which| Client::EndSession { which }),
        1 => who().prop_map(|who| Client::CreateRoom { who }),
        1 => (who(), text(RoomCode::BYTES))
            .prop_map(|(who, code)| Client::JoinRoom { who, code: RoomCode(code) }),
        1 => (which(), text(Text::BYTES))
            .prop_map(|(which, text)| Client::Message { which, text: Text(text) }),
        1 => (which(), text(ReportReason::BYTES))
            .prop_map(|(which, reason)| Client::Report { which, reason: ReportReason(reason) }),
        1 => option::of(text(UserId::BYTES).prop_map(UserId))
            .prop_map(|user_id| Client::Block { user_id }),
        1 => text(UserId::BYTES).prop_map(|user| Client::Unblock { user_id: UserId(user) }),
        1 => (which(), any::<bool>())
            .prop_map(|(which, relayed)| Client::Path { which, relayed }),
        1 => text(Token::BYTES).prop_map(|token| Client::RenewToken { token: Token(token) }),
        1 => Just(()).prop_map(|()| Client::LeaveQueue),
        1 => Just(()).prop_map(|()| Client::Accept),
        1 => Just(()).prop_map(|()| Client::IceServers),
        1 => Just(()).prop_map(|()| Client::Ping),
        1 => Just(()).prop_map(|()| Client::Ack),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    (client(), option::of(any::<u64>()), option::of(any::<u64>()))
        .prop_map(|(message, id, ack)| Said { message, id, ack })
}

/// Something in a message is taken away, or is something else.
fn changed(said: Said, field: &str, to: Option<Value>) -> Value {
    let mut message = serde_json::to_value(said).expect("it is JSON");
    let inside = message["data"].get(field).is_some();
    let place = if inside { &mut message["data"] } else { &mut message };
    let fields = place.as_object_mut().expect("it is one");
    match to {
        Some(value) => drop(fields.insert(field.to_owned(), value)),
        None => drop(fields.remove(field)),
    }
    message
}

const FIELDS: [&str; 21] = [
    "type",
    "data",
    "id",
    "ack",
    "userId",
    "token",
    "resume",
    "pairToken",
    "placeToken",
    "matchMode",
    "sessionId",
    "signal",
    "code",
    "text",
    "reason",
    "relayed",
    "buddies",
    "blocked",
    "attributes",
    "seeks",
    "mood",
];

fn odd_value() -> impl Strategy<Value = Value> {
    const LENGTHS: &[usize] = &[0, 1, 32, 33, 64, 65, 128, 129, 500, 501, 4000, 4001, 8192, 8193];
    prop_oneof![
        json_value(),
        select(LENGTHS).prop_map(|bytes| json!("x".repeat(bytes))),
        select(LENGTHS).prop_map(|bytes| json!("ä".repeat(bytes.div_ceil(2)))),
        json_value().prop_map(|token| json!({ "token": token })),
        ("[a-z]", json_value())
            .prop_map(|(token, received)| json!({ "token": token, "received": received })),
        (0..210_usize).prop_map(|names| json!(vec!["ann"; names])),
        select(&["choice", "tags", "number", "mood"][..])
            .prop_flat_map(|name| json_value().prop_map(move |value| json!({ name: value }))),
    ]
}

/// Null is as good as absent, and a field that the message has not is not looked at. Both are forgiven, and neither is
/// documented as a form of the message.
fn documented(message: &Value) -> Value {
    let mut message = message.clone();
    let kind = message["type"].as_str().expect("it was read").to_owned();
    let fields = message.as_object_mut().expect("it was read");
    fields.retain(|_, value| !value.is_null());
    if schemas::of(&CLIENT, &kind)["properties"].get("data").is_none() {
        fields.remove("data");
    }
    for inner in ["attributes", "seeks"] {
        if let Some(Value::Object(all)) = message.pointer_mut(&format!("/data/{inner}")) {
            all.retain(|_, value| !value.is_null());
        }
    }
    for place in ["/data", "/data/resume"] {
        if let Some(Value::Object(data)) = message.pointer_mut(place) {
            data.retain(|name, value| !value.is_null() || name == "signal");
        }
    }
    message
}

/// What the reader makes of a message.
fn read(text: &str) -> Result<String, String> {
    let message = understood(text)?;
    Ok(format!("{message:?}"))
}

fn understood(text: &str) -> Result<ClientMessage<'_>, String> {
    let Envelope { numbers, message } = decode(text).map_err(wrong)?;
    numbers.read().map_err(wrong)?;
    message.map_err(wrong)
}

/// And what the server's declarations make of its wishes.
fn acted_on(text: &str) -> Result<String, String> {
    let mut message = understood(text)?;
    let mut wishes = None;
    if let ClientMessage::JoinQueue(join) = &mut message {
        wishes = Some(declared().wishes(join.wishes()).map_err(wrong)?);
        (join.buddies, join.blocked, join.attributes, join.seeks) = (None, None, None, None);
    }
    Ok(format!("{message:?} {wishes:?}"))
}

fn wrong(refusal: Refusal) -> String {
    refusal.message.into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_valid_by_shape_is_valid_by_schema_and_read_with_the_same_meaning(said in said()) {
        let message = serde_json::to_value(&said).expect("it is JSON");
        prop_assert_eq!(valid(&message, &CLIENT), Ok(()));
        prop_assert_eq!(read(&message.to_string()), Ok(said.message.meaning()));
        prop_assert!(acted_on(&message.to_string()).is_ok());
        let text = message.to_string();
        let numbers = decode(&text).expect("an envelope").numbers.read();
        prop_assert_eq!(numbers, Ok((said.id, said.ack)));
    }

    #[test]
    fn what_is_read_is_valid_by_schema_once_what_is_forgiven_is_taken_out(
        said in said(), field in select(&FIELDS[..]), to in option::of(odd_value())
    ) {
        let message = changed(said, field, to);
        let Ok(meaning) = acted_on(&message.to_string()) else { return Ok(()) };
        let documented = documented(&message);
        prop_assert_eq!(valid(&documented, &CLIENT), Ok(()), "{}", message);
        let again: Said = serde_json::from_str(&with_data(&documented)).expect("it is of its shape");
        prop_assert_eq!(read(&documented.to_string()), Ok(again.message.meaning()));
        prop_assert_eq!(acted_on(&documented.to_string()), Ok(meaning));
    }

    #[test]
    fn what_is_valid_by_schema_is_read(
        said in said(), field in select(&FIELDS[..]), to in option::of(odd_value())
    ) {
        let message = changed(said, field, to);
        if valid(&message, &CLIENT).is_ok() {
            // Which names are declared, and how, is the server's configuration and not the schema's.
            let Err(wrong) = acted_on(&message.to_string()) else { return Ok(()) };
            prop_assert!(wrong.starts_with("attributes.") || wrong.starts_with("seeks."), "{}: {}", message, wrong);
        }
    }
}
