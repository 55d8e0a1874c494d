//! Whom one meets, through real WebSockets, by an app that knows the first wire and the fields that say whom one wants to
//! meet: `matchMode`, `buddies`, `blocked`, `attributes`, `seeks`, and what `queued` says of a place.

mod app;
mod documented;
mod filters;
mod places;

use serde_json::{Value, json};

use app::Place;

/// Whether two meet of whom one waits already when the other comes.
async fn meet(place: &Place, first: Value, second: Value) -> bool {
    let mut waits = place.app().await;
    waits.joins(first).await;
    waits.is_queued().await;
    let mut comes = place.app().await;
    comes.joins(second).await;
    comes.meets_or_leaves(&mut waits).await
}

#[tokio::test]
async fn who_meets_whom_is_as_the_table_of_modes_has_it() {
    #[derive(Clone, Copy)]
    enum Know {
        Strangers,
        OneSided,
        Mutual,
    }
    use Know::{Mutual, OneSided, Strangers};
    let place = Place::open(&[]).await;
    for (first, second, strangers, buddies) in [
        ("global", "global", true, true),
        ("global", "buddies_first", true, true),
        ("buddies_first", "buddies_first", true, true),
        ("global", "buddies", false, true),
        ("buddies_first", "buddies", false, true),
        ("buddies", "buddies", false, true),
    ] {
        for (know, expected) in [(Strangers, strangers), (OneSided, strangers), (Mutual, buddies)] {
            for turned in [[first, second], [second, first]] {
                let names = place.names();
                let [a, b] = &names;
                let lists: [&[&String]; 2] = match know {
                    Strangers => [&[], &[]],
                    OneSided => [&[b], &[]],
                    Mutual => [&[b], &[a]],
                };
                let join = |n: usize| json!({ "userId": names[n], "matchMode": turned[n], "buddies": lists[n] });
                let met = meet(&place, join(0), join(1)).await;
                assert_eq!(met, expected, "{turned:?} {}", know as u8);
            }
        }
    }
}

#[tokio::test]
async fn absent_and_empty_and_default_are_global() {
    let place = Place::open(&[]).await;
    for mode in [json!(null), json!(""), json!("default"), json!("global")] {
        assert!(meet(&place, json!({ "matchMode": mode }), json!({})).await, "{mode}");
    }
}

#[tokio::test]
async fn a_buddy_is_met_before_who_has_waited_longer_but_only_by_who_wants_buddies_first() {
    let place = Place::open(&[]).await;
    for (mode, meets_buddy) in [("buddies_first", true), ("global", false)] {
        let [ann, bob] = place.names();
        let [mut stranger, mut buddy, mut comes] =
            [place.app().await, place.app().await, place.app().await];
        stranger.joins(json!({ "matchMode": "buddies_first", "buddies": ["nobody"] })).await;
        stranger.is_queued().await;
        // Only a pair of buddies leaves the stranger alone; these two are kept apart by a block until then.
        let block = json!({ "userId": bob, "matchMode": "global", "buddies": [ann], "blocked": [stranger.name] });
        buddy.joins(block).await;
        buddy.is_queued().await;
        comes.joins(json!({ "userId": ann, "matchMode": mode, "buddies": [bob] })).await;
        let other = if meets_buddy { &mut buddy } else { &mut stranger };
        comes.meets(other).await;
        for app in [stranger, buddy, comes] {
            app.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_pool_is_met_only_in_the_pool_and_other_names_are_refused() {
    let place = Place::open(&[("pool", "chess"), ("pool", "go")]).await;
    let mode = |mode: &str| json!({ "matchMode": mode });
    assert!(meet(&place, mode("chess"), mode("chess")).await);
    for [first, second] in [["chess", "go"], ["chess", "global"], ["buddies", "chess"]] {
        assert!(!meet(&place, mode(first), mode(second)).await, "{first} and {second}");
    }
    let [ann, bob] = place.names();
    let buddies = [(&ann, &bob, "chess"), (&bob, &ann, "go")]
        .map(|(me, other, mode)| json!({ "userId": me, "matchMode": mode, "buddies": [other] }));
    let [first, second] = buddies;
    assert!(!meet(&place, first, second).await, "buddies in two pools");
    for name in ["video", "Global", "buddy_first"] {
        let words = place.refuses(mode(name)).await;
        assert!(words.contains("matchMode") && words.contains("chess, go"), "{name}: {words}");
    }
}

#[tokio::test]
async fn blocks_hold_both_ways_and_the_next_one_is_met() {
    let place = Place::open(&[]).await;
    for who_blocks in [0, 1] {
        let [ann, bob] = place.names();
        let join = |n: usize, me: &str, other: &str| {
            let blocked: &[&str] = if n == who_blocks { &[other] } else { &[] };
            json!({ "userId": me, "blocked": blocked })
        };
        let [mut first, mut second, mut third] =
            [place.app().await, place.app().await, place.app().await];
        first.joins(join(0, &ann, &bob)).await;
        first.is_queued().await;
        second.joins(join(1, &bob, &ann)).await;
        second.is_queued().await;
        third.joins(json!({})).await;
        third.meets(&mut first).await;
        for app in [first, second, third] {
            app.leaves().await;
        }
    }
}

#[tokio::test]
async fn two_who_are_alone_meet_again_after_five_seconds_and_not_before() {
    let place = Place::open(&[]).await;
    let [mut ann, mut bob] = [place.app().await, place.app().await];
    ann.joins(json!({})).await;
    bob.joins(json!({})).await;
    ann.meets(&mut bob).await;
    let parted = tokio::time::Instant::now();
    ann.says(json!({ "type": "skip" })).await;
    ann.is_queued().await;
    bob.joins(json!({})).await;
    bob.hears("partner_left").await;
    bob.is_queued().await;
    ann.meets(&mut bob).await;
    let apart = parted.elapsed().as_secs_f64();
    assert!(apart >= 5.0, "after {apart} s");
    assert!(apart < 15.0, "they are alone, and need not wait as if others were there: {apart} s");
}

#[tokio::test]
async fn a_refusal_names_the_field_and_what_it_may_be() {
    let place = Place::open(&[
        ("attribute", "gender=choice:woman/man/nonbinary"),
        ("attribute", "interests=tags:widen=1"),
        ("attribute", "rating=number:within=100"),
    ])
    .await;
    for (field, value, words) in [
        ("matchMode", json!(3), "matchMode"),
        ("matchMode", json!("x".repeat(65)), "matchMode"),
        ("buddies", json!("bob"), "buddies must be a list"),
        ("buddies", json!([""]), "buddies must be a list"),
        ("blocked", json!([3]), "blocked must be a list"),
        ("blocked", json!(vec!["a"; 201]), "at most 200"),
        ("attributes", json!("man"), "attributes must be an object"),
        ("attributes", json!({ "height": 3 }), "attributes.height"),
        ("attributes", json!({ "height": 3 }), "gender, interests, rating"),
        ("attributes", json!({ "gender": "boy" }), "attributes.gender must be one of \"woman\""),
        ("attributes", json!({ "gender": ["man"] }), "attributes.gender must be"),
        ("attributes", json!({ "interests": "go" }), "attributes.interests must be a list"),
        ("attributes", json!({ "interests": vec!["a"; 17] }), "at most 16"),
        ("attributes", json!({ "interests": ["a".repeat(65)] }), "64 bytes"),
        ("attributes", json!({ "rating": "high" }), "attributes.rating must be a number"),
        ("seeks", json!({ "height": 3 }), "seeks.height"),
        ("seeks", json!({ "gender": "boy" }), "seeks.gender must be one of"),
        ("seeks", json!({ "gender": [] }), "seeks.gender must be"),
        ("seeks", json!({ "interests": [] }), "seeks.interests must be \"anyone\""),
        ("seeks", json!({ "rating": 3 }), "seeks.rating must be \"anyone\" or"),
    ] {
        let mut join = json!({});
        join[field] = value;
        let said = place.refuses(join.clone()).await;
        assert!(said.contains(words), "{join}: {said}");
    }
}
