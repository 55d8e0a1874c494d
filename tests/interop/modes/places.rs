//! What people are told of their place while they wait.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::app::{App, Place};

const GENDER: [(&str, &str); 1] = [("attribute", "gender=choice:woman/man")];

fn man() -> Value {
    json!({ "attributes": { "gender": "man" }, "seeks": { "gender": "woman" } })
}

fn woman() -> Value {
    json!({ "attributes": { "gender": "woman" }, "seeks": { "gender": "man" } })
}

async fn waits(place: &Place) -> (App, Value) {
    let mut app = place.app().await;
    app.joins(man()).await;
    let told = app.is_queued().await;
    (app, told)
}

/// Listens until it is told that place, and says how often it was told one.
async fn until(app: &mut App, position: u64, waiting: u64) -> u32 {
    for times in 1.. {
        let place = app.is_queued().await;
        if place["position"] == position && place["waiting"] == waiting {
            return times;
        }
    }
    unreachable!("it listens as long as it takes")
}

#[tokio::test]
async fn a_place_is_told_anew_when_it_changes_and_not_more_than_once_a_second() {
    let place = Place::open(&GENDER).await;
    let began = Instant::now();
    let mut men = Vec::new();
    for n in 1..=8 {
        let (man, told) = waits(&place).await;
        assert_eq!([&told["position"], &told["waiting"]], [&json!(n), &json!(n)]);
        men.push(man);
    }
    // Seven have come after the first, one after the other, and it hears of them in one or two words.
    let mut times = until(&mut men[0], 1, 8).await;
    let mut last = men.pop().expect("the eighth");
    for _ in 0..3 {
        men.remove(1).leaves().await;
    }
    until(&mut last, 5, 5).await;
    times += until(&mut men[0], 1, 5).await;
    let seconds = began.elapsed().as_secs_f64();
    assert!(f64::from(times) <= seconds + 1.0, "told {times} times in {seconds} s");
}

#[tokio::test]
async fn once_some_have_been_matched_the_next_ones_hear_how_long_it_takes() {
    let place = Place::open(&GENDER).await;
    for _ in 0..20 {
        let (mut he, told) = waits(&place).await;
        if let Some(eta) = told.get("etaMs") {
            assert!(eta.as_u64().is_some_and(|eta| eta < 60_000), "{told}");
            return;
        }
        let mut she = place.app().await;
        she.joins(woman()).await;
        she.meets(&mut he).await;
    }
    panic!("twenty have waited for a moment each, and nobody is told");
}
