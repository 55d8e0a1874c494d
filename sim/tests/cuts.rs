//! Sockets cut at every message in both directions: each signal is heard once and in order, nobody is lost, matched
//! twice or told of a partner it does not have, and nothing is left behind.

use hairpin_signaling::{Departure, Protocol};
use hairpin_sim::{Step, Wires};
use proptest::prelude::*;

/// Few, so that they meet.
const CLIENTS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let few = || 0..4usize;
    prop_oneof![
        4 => client().prop_map(Step::Open),
        6 => (client(), few()).prop_map(|(client, count)| Step::Up(client, count)),
        6 => (client(), few()).prop_map(|(client, count)| Step::Down(client, count)),
        2 => (client(), few()).prop_map(|(client, count)| Step::Late(client, count)),
        5 => (client(), few(), few()).prop_map(|(client, up, down)| Step::Cut(client, up, down)),
        2 => client().prop_map(Step::Notice),
        1 => client().prop_map(Step::Goodbye),
        1 => client().prop_map(Step::Reload),
        6 => client().prop_map(Step::Join),
        1 => client().prop_map(Step::Leave),
        2 => client().prop_map(Step::Skip),
        1 => client().prop_map(Step::End),
        6 => (client(), 1..4usize).prop_map(|(client, count)| Step::Signal(client, count)),
        2 => client().prop_map(|client| Step::Signal(client, 300)),
        2 => client().prop_map(Step::Ping),
        4 => Just(Step::Settle),
        3 => (0..8u64).prop_map(Step::Pass),
        1 => (0..70u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![3 => Just(Protocol::Resumable), 1 => Just(Protocol::Plain)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_cut_wherever_all_is_heard_once_and_in_order(
        protocols in prop::collection::vec(protocol(), CLIENTS),
        steps in prop::collection::vec(step(), 1..150),
        departure in prop_oneof![Just(Departure::Lost), Just(Departure::Goodbye)],
    ) {
        let mut wires = Wires::new(&protocols);
        for step in steps {
            wires.apply(step);
        }
        wires.heal();
        wires.all_leave(departure);
    }
}

#[test]
fn a_stranger_with_tokens_of_its_own_making_hears_of_nobody() {
    let mut wires = Wires::new(&[Protocol::Resumable; 2]);
    for step in [Step::Open(0), Step::Open(1), Step::Join(0), Step::Join(1), Step::Settle] {
        wires.apply(step);
    }
    for token in ["", ".", "a.b", "e30.AAAAAAAAAAAAAAAAAAAAAA", "\u{10ffff}", &"A".repeat(5000)] {
        wires.stranger(token, "0000000000000000", token, 7);
    }
    wires.heal();
    wires.all_leave(Departure::Goodbye);
}

/// Its wishes cross what came of an earlier one.
#[test]
fn who_changes_its_mind_while_it_is_away_gets_what_it_asked_for_last() {
    let mut wires = Wires::new(&[Protocol::Resumable; 3]);
    for step in [
        Step::Open(0),
        Step::Join(0),
        Step::Settle,
        Step::Open(0),
        Step::Goodbye(0),
        Step::Join(1),
        Step::Goodbye(1),
        Step::Join(0),
        Step::Join(2),
        Step::Join(1),
    ] {
        wires.apply(step);
    }
    wires.heal();
    wires.all_leave(Departure::Lost);
}
