//! Place tokens: seniority goes with whoever waited, to a server that knows nothing of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::World;

/// Somebody waits since some seconds in a server that was then started anew; its token, and since when.
fn waited(pool: &str) -> (World, Value, Duration) {
    let mut world = World::new();
    world.hello(1, "a");
    let since = world.now;
    world.say(1, "join_queue", json!({ "matchMode": pool }));
    let token = world.take(1)[0]["payload"]["placeToken"].clone();
    assert!(token.is_string());
    world.restart(8, b"north");
    world.pass(Duration::from_secs(100));
    (world, token, since)
}

fn since(world: &mut World, user: &str, pool: &str, token: Value) -> Duration {
    world.hello(7, user);
    world.say(7, "join_queue", json!({ "matchMode": pool, "placeToken": token }));
    world.seeking[0].since
}

#[test]
fn a_place_is_kept_by_its_token() {
    let (mut world, token, before) = waited("go");
    assert_eq!(since(&mut world, "a", "go", token), before);
    assert!(world.seeking[0].expires > world.now + Duration::from_secs(100), "it waits anew");
}

#[test]
fn another_s_token_or_another_pool_s_or_an_old_one_is_ignored() {
    for (user, pool) in [("b", "go"), ("a", "chess")] {
        let (mut world, token, _) = waited("go");
        assert_eq!(since(&mut world, user, pool, token), world.now);
    }
    let (mut world, token, _) = waited("go");
    let forged = json!(token.as_str().expect("a string").replace('.', "A."));
    assert_eq!(since(&mut world, "a", "go", forged), world.now);
    let (mut world, token, _) = waited("go");
    world.pass(Duration::from_secs(3600 - 100));
    assert_ne!(since(&mut world, "a", "go", token), world.now, "an hour is not too old");
    let (mut world, token, _) = waited("go");
    world.pass(Duration::from_secs(3601 - 100));
    assert_eq!(since(&mut world, "a", "go", token), world.now);
}
