//! Calls through a server whose allocations all share one relayed address: ICE agents on both sides, full ones.

use std::time::Duration;

use hairpin_sim::NatKind;
use hairpin_sim::shared::{Agent, SHARED, Via, World};

const KINDS: [NatKind; 4] =
    [NatKind::Open, NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric];

/// Time enough for every pair of candidates to be checked.
const SETTLED: Duration = Duration::from_secs(4);
const SECOND: Duration = Duration::from_secs(1);

fn gathered(world: &mut World) {
    world.run(Duration::from_millis(300));
}

/// Both hear each other, and only each other.
fn assert_call(world: &mut World, people: [usize; 2], what: &str) {
    let heard = world.hears(&people, SECOND);
    assert!(heard.iter().all(|packets| *packets >= 15), "{what}: {heard:?} packets a second");
    assert_eq!(world.garbage(&people), 0, "{what}");
}

#[test]
fn behind_every_pair_of_routers_with_and_without_own_candidates() {
    for kinds in KINDS.map(|one| KINDS.map(|other| [one, other])).concat() {
        for relayed in [[false, false], [true, false], [false, true], [true, true]] {
            for same_router in [false, true] {
                let mut world = World::new(3, 7);
                let policy =
                    |only: bool| move |agent: Agent| if only { agent.relay_only() } else { agent };
                let address = if same_router { 1 } else { 2 };
                let ann = world.add(kinds[0], 1, 1, Some("s"), policy(relayed[0]));
                let bob = world.add(kinds[1], address, 1, Some("s"), policy(relayed[1]));
                gathered(&mut world);
                world.introduce(ann, bob);
                // Whatever they would prefer: what is tested is the relay.
                world.prefer(ann, Via::Relay(0));
                world.prefer(bob, Via::Relay(0));
                world.run(SETTLED);
                let what = format!("{kinds:?} {relayed:?} behind one: {same_router}");
                assert_call(&mut world, [ann, bob], &what);
            }
        }
    }
}

/// One is relayed and the other is not, however the other's router maps and filters.
#[test]
fn one_allocation_is_enough() {
    for kinds in KINDS.map(|one| KINDS.map(|other| [one, other])).concat() {
        let mut world = World::new(3, 11);
        let ann = world.add(kinds[0], 1, 1, Some("s"), Agent::relay_only);
        let bob = world.add(kinds[1], 2, 0, Some("s"), |bob| bob);
        gathered(&mut world);
        world.introduce(ann, bob);
        world.run(SETTLED);
        assert_eq!(world.agent(bob).selected(), Some((Via::Direct, SHARED)));
        assert_call(&mut world, [ann, bob], &format!("{kinds:?}"));
    }
}

#[test]
fn two_turn_urls_and_data_by_either_of_them() {
    let mut world = World::new(3, 13);
    let ann = world.add(NatKind::Symmetric, 1, 2, Some("s"), Agent::relay_only);
    let bob = world.add(NatKind::Symmetric, 2, 2, Some("s"), Agent::relay_only);
    let eve = world.add(NatKind::Symmetric, 3, 0, None, |eve| eve);
    gathered(&mut world);
    world.introduce(ann, bob);
    world.run(SETTLED);
    for choice in [[0, 0], [0, 1], [1, 0], [1, 1], [0, 0]] {
        world.prefer(ann, Via::Relay(choice[0]));
        world.prefer(bob, Via::Relay(choice[1]));
        assert_call(&mut world, [ann, bob], &format!("{choice:?}"));
    }
    // A browser gives up what it does not need.
    world.release(ann, 1);
    world.release(bob, 1);
    assert_call(&mut world, [ann, bob], "one allocation each is left");
    assert!(!world.agent(eve).is_connected());
}

#[test]
fn an_ice_restart_goes_through_and_so_does_a_call_after_the_call() {
    for relayed in [[true, true], [true, false]] {
        let mut world = World::new(2, 17);
        let ann = world.add(NatKind::Symmetric, 1, 2, Some("s"), Agent::relay_only);
        let turn = usize::from(relayed[1]);
        let bob = world.add(NatKind::PortRestricted, 2, turn, Some("s"), |bob| {
            if relayed[1] { bob.relay_only() } else { bob }
        });
        let cid = world.add(NatKind::Symmetric, 3, 1, Some("t"), Agent::relay_only);
        gathered(&mut world);
        world.introduce(ann, bob);
        world.run(SETTLED);
        assert_call(&mut world, [ann, bob], "before");
        for time in 1..=3 {
            world.restart(ann, bob);
            world.run(SETTLED);
            assert_call(&mut world, [ann, bob], &format!("{relayed:?}, after restart {time}"));
        }
        // Bob hangs up and calls Cid from the very same socket.
        world.restart(bob, cid);
        world.run(SETTLED);
        let before = world.garbage(&[bob]);
        let heard = world.hears(&[bob, cid], SECOND);
        assert!(heard.iter().all(|packets| *packets >= 15), "{heard:?}");
        assert_eq!(world.garbage(&[bob]), before, "what Ann still sends does not disturb it");
    }
}

#[test]
fn who_roams_is_found_again_by_its_checks() {
    let mut world = World::new(3, 19);
    let ann = world.add(NatKind::Symmetric, 1, 2, Some("s"), Agent::relay_only);
    let bob = world.add(NatKind::Symmetric, 2, 0, Some("s"), |bob| bob);
    gathered(&mut world);
    world.introduce(ann, bob);
    world.run(SETTLED);
    for (address, kind) in [(9, NatKind::Symmetric), (10, NatKind::PortRestricted)] {
        world.roam(bob, kind, address);
        // Ann's browser lets the new address in when signaling brings it.
        world.introduce(ann, bob);
        world.run(SETTLED);
        assert_call(&mut world, [ann, bob], "elsewhere");
    }
}

#[test]
fn a_hundred_pairs_at_once_and_nothing_is_left_of_them() {
    let mut world = World::new(4, 23);
    let pairs: Vec<[usize; 2]> = (0..100)
        .map(|pair: u8| {
            let session = format!("session {pair}");
            let kind = KINDS[usize::from(pair) % 4];
            // Every second pair is behind one router.
            let ann = world.add(kind, 2 * pair, 1, Some(&session), Agent::relay_only);
            let bob = world.add(kind, 2 * pair + pair % 2, 1, Some(&session), Agent::relay_only);
            [ann, bob]
        })
        .collect();
    gathered(&mut world);
    for [ann, bob] in &pairs {
        world.introduce(*ann, *bob);
    }
    world.run(Duration::from_secs(2));
    for pair in &pairs {
        assert!(pair.iter().all(|id| world.agent(*id).is_connected()));
    }
    let people = pairs.concat();
    let heard = world.hears(&people, SECOND);
    assert!(heard.iter().all(|packets| *packets >= 15), "{heard:?}");
    assert_eq!(world.garbage(&people), 0);
    assert_eq!(world.server.allocations(), 200);
    for id in people {
        world.release(id, 0);
    }
    world.run(Duration::from_millis(100));
    assert_eq!(world.server.allocations(), 0);
    assert_eq!(world.server.port().sizes(), [0, 0, 0]);
}
