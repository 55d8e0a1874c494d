//! Two strangers meet and call each other.

use std::time::Duration;

use hairpin_sim::{NatKind, Path, Person, PersonId, System};

const SOON: Duration = Duration::from_secs(5);

/// Two people behind these routers, some seconds after both have joined.
fn call(a: NatKind, b: NatKind) -> (System, [PersonId; 2]) {
    let mut system = System::new(1, 4);
    let people = [system.add("ann", a), system.add("bob", b)];
    for id in people {
        system.connect(id);
        system.join(id, "global");
    }
    system.run(SOON);
    (system, people)
}

fn hears_directly(person: &Person) -> bool {
    let direct = |text: &str| text.ends_with("by Direct");
    person.received.iter().any(|probe| probe.path == Path::Direct && direct(&probe.text))
}

#[test]
fn behind_symmetric_nats_every_packet_takes_the_relay_and_arrives() {
    let (system, [a, b]) = call(NatKind::Symmetric, NatKind::Symmetric);
    for (id, other) in [(a, b), (b, a)] {
        let (person, other) = (system.person(id), system.person(other));
        assert_eq!(person.met.len(), 1);
        assert_eq!(person.met[0].partner, other.user());
        assert!(person.received.iter().all(|probe| probe.path == Path::Relay));
        let from_socket =
            person.received.iter().find(|probe| probe.from.ip() == other.nat().public());
        let by_direct = format!("{} by Direct", other.user());
        assert_eq!(from_socket.expect("one hop, from a peer-reflexive address").text, by_direct);
        let by_relay = format!("{} by Relay", other.user());
        assert!(person.received.iter().any(|probe| probe.text == by_relay), "relayed at both ends");
    }
    assert_ne!(system.person(a).met[0].initiator, system.person(b).met[0].initiator);
    assert_eq!(system.person(a).met[0].session, system.person(b).met[0].session);
    assert_eq!(system.shards().counters().hairpins, 4, "two rounds of probes, both ways");
    assert_eq!(system.shards().allocations().iter().sum::<usize>(), 2);
    let refused = &system.shards().counters().refused;
    assert_eq!(
        refused.iter().collect::<Vec<_>>(),
        [(&401, &2)],
        "a challenge each and nothing else"
    );
}

#[test]
fn a_direct_way_is_found_where_the_routers_leave_one() {
    use NatKind::{FullCone, Open, PortRestricted, Symmetric};
    for (a, b, a_hears, b_hears) in [
        (Open, Open, true, true),
        (FullCone, FullCone, true, true),
        (FullCone, PortRestricted, true, true),
        (PortRestricted, PortRestricted, true, true),
        (FullCone, Symmetric, true, false),
        (PortRestricted, Symmetric, false, false),
        (Symmetric, Symmetric, false, false),
    ] {
        let (system, [first, second]) = call(a, b);
        let heard = [first, second].map(|id| hears_directly(system.person(id)));
        assert_eq!(heard, [a_hears, b_hears], "{a:?} and {b:?}");
        for id in [first, second] {
            let relayed = system.person(id).received.iter().any(|probe| probe.path == Path::Relay);
            assert!(relayed, "and the relay always works: {a:?} and {b:?}");
        }
    }
}

#[test]
fn a_packet_finds_its_way_from_any_shard_to_any_other() {
    let mut system = System::new(2, 4);
    let people: Vec<_> =
        (0..40).map(|n| system.add(&format!("user-{n}"), NatKind::Symmetric)).collect();
    for &id in &people {
        system.connect(id);
        system.join(id, "");
    }
    system.run(SOON);
    let shards = system.shards();
    assert!(shards.allocations().iter().all(|count| *count > 0), "{:?}", shards.allocations());
    assert_eq!(shards.counters().hairpins, 2 * 40);
    for &id in &people {
        let person = system.person(id);
        let partner = &person.met[0].partner;
        assert_eq!(person.received.len(), 4, "two ways, two rounds");
        assert!(person.received.iter().all(|probe| probe.text.starts_with(partner.as_str())));
    }
}

#[test]
fn hanging_up_gives_everything_back() {
    let (mut system, [a, b]) = call(NatKind::Symmetric, NatKind::PortRestricted);
    system.end(a);
    system.run(SOON);
    assert_eq!(system.person(b).heard_types().last(), Some(&"partner_left"));
    assert_eq!((system.hub().sessions(), system.hub().queue_len()), (0, 0));
    assert_eq!(system.shards().allocations(), [0; 4]);
    assert_eq!(system.shards().sockets(), 0);
}

#[test]
fn next_brings_the_next_partner() {
    let (mut system, [a, b]) = call(NatKind::Symmetric, NatKind::Symmetric);
    let c = system.add("cleo", NatKind::Symmetric);
    system.connect(c);
    system.join(c, "global");
    system.skip(a);
    system.run(SOON);
    assert_eq!(system.person(a).met[1].partner, "cleo");
    assert_eq!(system.person(c).met[0].partner, "ann");
    assert!(system.person(c).received.iter().any(|probe| probe.text == "ann by Relay"));
    assert_eq!(system.person(b).heard_types().last(), Some(&"partner_left"));
    assert_eq!(system.shards().allocations().iter().sum::<usize>(), 2);
}

#[test]
fn both_pressing_next_at_once_meet_again_when_nobody_else_is_there() {
    let (mut system, [a, b]) = call(NatKind::FullCone, NatKind::FullCone);
    system.skip(a);
    system.skip(b);
    system.run(SOON);
    assert_eq!([a, b].map(|id| system.person(id).met.len()), [1, 1], "not at once");
    // They are kept apart for five seconds, even when nobody else is there.
    system.run(Duration::from_secs(6));
    for id in [a, b] {
        assert_eq!(system.person(id).met.len(), 2);
        assert!(!system.person(id).heard_types().contains(&"no_session"));
    }
    assert_eq!(system.person(a).met[1].session, system.person(b).met[1].session);
}

#[test]
fn who_vanishes_is_missed_within_the_heartbeat_and_its_allocation_expires() {
    let (mut system, [a, b]) = call(NatKind::Symmetric, NatKind::Symmetric);
    system.vanish(a);
    system.run(Duration::from_secs(70));
    let left = system.person(b).heard.last().expect("b is told");
    assert_eq!(
        (&left["type"], &left["payload"]["reason"]),
        (&"partner_left".into(), &"disconnected".into())
    );
    assert_eq!(system.hub().connections(), 1);
    assert_eq!(system.shards().allocations().iter().sum::<usize>(), 1);
    system.run(Duration::from_secs(600));
    assert_eq!((system.shards().allocations(), system.shards().sockets()), (vec![0; 4], 0));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let (system, people) = call(NatKind::Symmetric, NatKind::PortRestricted);
        people.map(|id| (system.person(id).heard.clone(), system.person(id).received.clone()))
    };
    assert_eq!(run(), run());
}
