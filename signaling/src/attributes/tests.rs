//! What is understood of wishes, and what is said of the rest.

use std::time::Duration;

use hairpin_matcher::Band;
use serde_json::json;

use super::*;

fn declared() -> Declared {
    let declare = |name: &str, kind, values: &[&str]| Declaration {
        name: name.into(),
        attribute: Attribute { kind, widen: Some(Duration::from_secs(10)) },
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let day = Band { within: 300, step: 0, most: 300, around: std::num::NonZeroU32::new(2400) };
    let band = Band { within: 10_000, step: 5_000, most: 40_000, around: None };
    Declared(vec![
        declare("gender", Kind::Choice, &["woman", "man", "nonbinary"]),
        declare("interests", Kind::Tags, &[]),
        declare("timezone", Kind::Number(day), &[]),
        declare("rating", Kind::Number(band), &[]),
    ])
}

fn read(attributes: Json, seeks: Json) -> Result<Profile, String> {
    let fields =
        WishFields { attributes: Some(&attributes), seeks: Some(&seeks), ..WishFields::default() };
    declared()
        .wishes(fields)
        .map(|wishes| wishes.profile)
        .map_err(|refusal| refusal.message.into_owned())
}

fn tags(tags: &[&str]) -> Box<[Arc<str>]> {
    tags.iter().map(|tag| (*tag).into()).collect()
}

#[test]
fn each_kind_is_read_in_its_own_form() {
    let is = json!({ "rating": 1500.25, "interests": ["go", "art", "go"], "gender": "man", "timezone": -5 });
    let profile = read(
        is,
        json!({ "gender": ["woman", "nonbinary"], "rating": { "within": 50 }, "interests": "anyone" }),
    );
    let profile = profile.expect("all of it is right");
    let art_and_go = Value::Tags(tags(&["art", "go"]));
    assert_eq!(
        *profile.is,
        [
            (0, Value::Choice(1)),
            (1, art_and_go),
            (2, Value::Number(1900)),
            (3, Value::Number(150_025))
        ]
    );
    assert_eq!(
        *profile.seeks,
        [(0, Seeks::OneOf(0b101)), (1, Seeks::Anyone), (3, Seeks::Within(5000))]
    );
    assert_eq!(read(json!(null), json!({ "gender": null })), Ok(Profile::default()));
    let one = read(json!({}), json!({ "gender": "woman" })).expect("one is enough");
    assert_eq!(*one.seeks, [(0, Seeks::OneOf(1))]);
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (is, seeks, words) in [
        (json!([]), json!({}), "attributes must be an object"),
        (
            json!({ "mood": 1 }),
            json!({}),
            "attributes.mood is no attribute of this server, which has gender, interests, timezone, rating",
        ),
        (
            json!({ "gender": "x" }),
            json!({}),
            r#"attributes.gender must be one of "woman", "man", "nonbinary""#,
        ),
        (
            json!({ "interests": "go" }),
            json!({}),
            "attributes.interests must be a list of at most 16 strings",
        ),
        (json!({ "interests": vec!["x"; 17] }), json!({}), "attributes.interests"),
        (json!({ "interests": [""] }), json!({}), "attributes.interests"),
        (json!({ "rating": "1" }), json!({}), "attributes.rating must be a number"),
        (json!({ "rating": 1e300 }), json!({}), "attributes.rating must be a number"),
        (json!({}), json!({ "gender": [] }), "seeks.gender must be one of"),
        (json!({}), json!({ "gender": ["man", "x"] }), "seeks.gender must be one of"),
        (json!({}), json!({ "interests": [] }), r#"seeks.interests must be "anyone", or a list"#),
        (
            json!({}),
            json!({ "rating": 5 }),
            r#"seeks.rating must be "anyone" or {"within": a number}"#,
        ),
        (json!({}), json!({ "rating": { "within": -1 } }), "seeks.rating"),
    ] {
        let message = read(is, seeks).expect_err(words);
        assert!(message.starts_with(words), "{message}");
    }
    let nothing = Declared::default()
        .wishes(WishFields { seeks: Some(&json!({ "a": 1 })), ..WishFields::default() });
    assert!(
        nothing
            .expect_err("none is declared")
            .message
            .contains("which declares none (--attribute)")
    );
}

#[test]
fn lists_of_people_are_bounded_and_hold_each_once() {
    let read = |json: Json| {
        declared().wishes(WishFields { buddies: Some(&json), ..WishFields::default() })
    };
    let names: Box<[User]> = ["ann".into(), "bob".into()].into();
    assert_eq!(read(json!(["bob", "ann", "bob"])).expect("names").buddies, Some(names));
    assert_eq!(read(json!(null)).expect("nothing said").buddies, None);
    for wrong in
        [json!("ann"), json!([""]), json!([7]), json!(["x".repeat(129)]), json!(vec!["x"; 201])]
    {
        let refusal = read(wrong).expect_err("wrong");
        assert!(
            refusal.message.starts_with("buddies must be a list of at most 200 userIds"),
            "{}",
            refusal.message
        );
    }
}

#[test]
fn who_knows_better_is_believed_attribute_by_attribute_and_blocks_add_up() {
    let wishes = |buddies: Json, blocked: Json, attributes: Json| {
        let fields = WishFields {
            buddies: Some(&buddies),
            blocked: Some(&blocked),
            attributes: Some(&attributes),
            seeks: None,
        };
        declared().wishes(fields).expect("right")
    };
    let token = wishes(json!(null), json!(["eve"]), json!({ "gender": "man" }));
    let client =
        wishes(json!(["ann"]), json!(["bob", "eve"]), json!({ "gender": "woman", "rating": 1 }));
    let both = token.over(client);
    assert_eq!(both.buddies.as_deref(), Some(&["ann".into()][..]));
    assert_eq!(*both.blocked, ["bob".into(), "eve".into()] as [User; 2]);
    assert_eq!(*both.profile.is, [(0, Value::Choice(1)), (3, Value::Number(100))]);
}

#[test]
fn a_choice_that_is_sought_twice_is_sought_once() {
    let profile = read(json!({}), json!({ "gender": ["woman", "woman", "nonbinary"] }));
    assert_eq!(*profile.expect("it is right").seeks, [(0, Seeks::OneOf(0b101))]);
    let most = read(json!({}), json!({ "gender": vec!["nonbinary"; MOST_VALUES] }));
    assert_eq!(*most.expect("it is right").seeks, [(0, Seeks::OneOf(0b100))]);
    assert!(read(json!({}), json!({ "gender": vec!["man"; MOST_VALUES + 1] })).is_err());
}
