//! Days of a server's life beside a model of RFC 8656: they never disagree. `examples/long_lives.rs` does it for longer.

use std::collections::BTreeSet;
use std::time::Duration;

use hairpin_sim::lives::Lives;

#[test]
fn two_days_of_a_server_are_as_the_rfc_says() {
    let two_days = Duration::from_secs(2 * 86_400);
    let tally = Lives { seed: 1, shards: 3, people: 40, time: two_days }.pass();
    println!("{tally:?}");
    // Nothing is shown by rules that nobody came near.
    assert!(tally.allocations > 1000 && tally.most > 20, "{tally:?}");
    assert!(tally.relayed > 2000 && tally.hairpins > 40 && tally.dropped > 5000, "{tally:?}");
    assert!(tally.repeated > 1000, "{tally:?}");
    let refused: BTreeSet<u16> = tally.refused.keys().copied().collect();
    assert_eq!(refused, [400, 401, 403, 437, 438, 441, 443, 486, 508].into());
}

#[test]
fn the_same_seed_gives_the_same_lives() {
    let day =
        |seed, shards| Lives { seed, shards, people: 6, time: Duration::from_secs(20_000) }.pass();
    assert_eq!(day(2, 1), day(2, 1));
    assert_ne!(day(2, 1), day(3, 1));
    // How many workers there are makes no difference to anybody.
    assert_eq!(day(2, 1), day(2, 4));
}
