//! What people are and seek, as an app declares it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::app::Place;
use super::meet;

const GENDER: (&str, &str) = ("attribute", "gender=choice:woman/man/nonbinary");

fn gender(is: &str, seeks: Value) -> Value {
    json!({ "attributes": { "gender": is }, "seeks": { "gender": seeks } })
}

#[tokio::test]
async fn both_must_be_what_the_other_seeks() {
    let place = Place::open(&[GENDER]).await;
    for (first, second, expected) in [
        (gender("woman", json!("man")), gender("man", json!("woman")), true),
        (gender("woman", json!("man")), gender("woman", json!("man")), false),
        (gender("woman", json!("man")), gender("man", json!("man")), false),
        (gender("man", json!("man")), gender("man", json!("man")), true),
        (gender("woman", json!("anyone")), gender("man", json!("woman")), true),
        (gender("woman", json!(null)), gender("man", json!("woman")), true),
        (gender("woman", json!("anyone")), gender("man", json!("man")), false),
        (gender("nonbinary", json!(["woman", "man"])), gender("man", json!("anyone")), true),
        (gender("nonbinary", json!(["woman", "nonbinary"])), gender("man", json!("anyone")), false),
        // Who says nothing of itself is nobody's choice, and anybody's where there is none.
        (gender("woman", json!("man")), json!({}), false),
        (gender("woman", json!("anyone")), json!({}), true),
    ] {
        for [one, other] in [[&first, &second], [&second, &first]] {
            let met = meet(&place, one.clone(), other.clone()).await;
            assert_eq!(met, expected, "{one} and {other}");
        }
    }
}

#[tokio::test]
async fn of_many_the_oldest_of_the_other_gender_is_met() {
    let place = Place::open(&[GENDER]).await;
    let mut men = Vec::new();
    for _ in 0..9 {
        let mut man = place.app().await;
        man.joins(gender("man", json!("woman"))).await;
        man.is_queued().await;
        men.push(man);
    }
    for mut man in men {
        let mut woman = place.app().await;
        woman.joins(gender("woman", json!("man"))).await;
        woman.meets(&mut man).await;
    }
}

#[tokio::test]
async fn who_shares_an_interest_comes_first_and_after_a_while_anybody_does() {
    let place = Place::open(&[("attribute", "interests=tags:widen=1")]).await;
    let likes = |interests: &[&str]| json!({ "attributes": { "interests": interests } });
    let [mut music, mut chess, mut both] =
        [place.app().await, place.app().await, place.app().await];
    music.joins(likes(&["music"])).await;
    music.is_queued().await;
    let came = Instant::now();
    chess.joins(likes(&["chess", "go"])).await;
    chess.is_queued().await;
    both.joins(likes(&["films", "go"])).await;
    // Not the oldest: on a machine that has stood still for a second, that may be.
    if came.elapsed() < Duration::from_secs(1) {
        both.meets(&mut chess).await;
        let came = Instant::now();
        let mut other = place.app().await;
        other.joins(likes(&["cooking"])).await;
        other.meets(&mut music).await;
        assert!(came.elapsed() >= Duration::from_secs(1), "both must have waited");
    }
}

#[tokio::test]
async fn who_seeks_an_interest_that_another_has_meets_it_at_once() {
    let place = Place::open(&[("attribute", "interests=tags")]).await;
    let seeks =
        json!({ "attributes": { "interests": ["go"] }, "seeks": { "interests": ["chess"] } });
    let has = |interests: &[&str]| json!({ "attributes": { "interests": interests }, "seeks": { "interests": "anyone" } });
    assert!(meet(&place, seeks.clone(), has(&["chess"])).await);
    assert!(!meet(&place, seeks.clone(), has(&["go"])).await);
    assert!(!meet(&place, seeks, json!({})).await);
}

#[tokio::test]
async fn hours_are_on_a_circle() {
    let place = Place::open(&[("attribute", "timezone=number:within=3:around=24")]).await;
    let at = |hours: f64| json!({ "attributes": { "timezone": hours } });
    for (first, second, expected) in [
        (23.0, 1.0, true),
        (1.0, 22.0, true),
        (1.0, 21.5, false),
        (0.0, 12.0, false),
        (5.5, 8.5, true),
        (5.5, 8.75, false),
        // West of Greenwich, as JavaScript says it.
        (-2.0, 1.0, true),
        (-2.0, 2.0, false),
    ] {
        let met = meet(&place, at(first), at(second)).await;
        assert_eq!(met, expected, "{first} and {second}");
    }
    let narrow =
        json!({ "attributes": { "timezone": 1 }, "seeks": { "timezone": { "within": 1 } } });
    assert!(!meet(&place, narrow.clone(), at(3.0)).await, "one of them takes only who is nearer");
    assert!(meet(&place, narrow, at(2.0)).await);
}

#[tokio::test]
async fn a_band_of_ratings_widens_step_by_step_to_its_end() {
    let band = "rating=number:within=100:step=100:most=300:widen=1";
    let place = Place::open(&[("attribute", band)]).await;
    let rated = |rating: u32| json!({ "attributes": { "rating": rating } });
    let mut apps = Vec::new();
    for rating in [1000, 1400] {
        let mut app = place.app().await;
        app.joins(rated(rating)).await;
        app.is_queued().await;
        apps.push(app);
    }
    let [low, far] = &mut apps[..] else { unreachable!("there are two") };
    let came = Instant::now();
    let mut near = place.app().await;
    near.joins(rated(1250)).await;
    near.meets(far).await;
    assert!(came.elapsed() >= Duration::from_secs(1), "150 apart after a second");
    let came = Instant::now();
    let mut next = place.app().await;
    next.joins(rated(1240)).await;
    next.meets(low).await;
    assert!(came.elapsed() >= Duration::from_secs(2), "240 apart after two");
    // Those two waited for longer than that, and 400 apart is never near.
    assert!(meet(&place, rated(1000), rated(1100)).await);
}

#[tokio::test]
async fn a_shared_language_is_enough_and_a_region_widens() {
    let settings = [("attribute", "language=tags"), ("attribute", "region=choice:eu/us:widen=1")];
    let place = Place::open(&settings).await;
    let speaks = |languages: &[&str]| json!({ "attributes": { "language": languages } });
    assert!(meet(&place, speaks(&["en", "de"]), speaks(&["de", "fr"])).await);
    assert!(!meet(&place, speaks(&["en"]), speaks(&["fr"])).await);
    let lives =
        |region: &str| json!({ "attributes": { "region": region }, "seeks": { "region": region } });
    let [mut here, mut there] = [place.app().await, place.app().await];
    here.joins(lives("eu")).await;
    here.is_queued().await;
    let came = Instant::now();
    there.joins(lives("us")).await;
    here.meets(&mut there).await;
    assert!(came.elapsed() >= Duration::from_secs(1), "only after both have waited");
}
