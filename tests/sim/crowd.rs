//! Many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_signaling::Event;
use hairpin_sim::{NatKind, PersonId, Rng, System};

fn crowd(system: &mut System, size: usize) -> Vec<PersonId> {
    let people: Vec<_> = (0..size).map(|n| system.add_bystander(&format!("user-{n}"))).collect();
    for &id in &people {
        system.connect(id);
        system.join(id, "");
    }
    people
}

#[test]
fn ten_thousand_who_join_at_once_are_each_matched_exactly_once() {
    let mut system = System::new(3, 1);
    let people = crowd(&mut system, 10_000);
    system.run(Duration::from_secs(1));
    let mut sessions: BTreeMap<&str, Vec<PersonId>> = BTreeMap::new();
    for &id in &people {
        let [meeting] = &system.person(id).met[..] else { panic!("not matched exactly once") };
        sessions.entry(&meeting.session).or_default().push(id);
    }
    assert_eq!(sessions.len(), 5_000);
    for pair in sessions.values() {
        let &[a, b] = &pair[..] else { panic!("a session of {}", pair.len()) };
        let (a, b) = (system.person(a), system.person(b));
        assert_ne!(a.user(), b.user());
        assert_eq!((&*a.met[0].partner, &*b.met[0].partner), (b.user(), a.user()));
        assert_ne!(a.met[0].initiator, b.met[0].initiator);
    }
    let matched = system.events().iter().filter(|event| matches!(event, Event::Matched { .. }));
    assert_eq!(matched.count(), 10_000);
    assert_eq!(
        (system.hub().queue_len(), system.hub().sessions(), system.matcher().len()),
        (0, 5_000, 0)
    );
}

#[test]
fn the_odd_one_out_hears_so_after_two_minutes() {
    let mut system = System::new(4, 1);
    let people = crowd(&mut system, 1_001);
    system.run(Duration::from_secs(121));
    let alone: Vec<_> = people.iter().filter(|id| system.person(**id).met.is_empty()).collect();
    let [alone] = alone[..] else { panic!("{} were left alone", alone.len()) };
    assert_eq!(system.person(*alone).heard_types(), ["queued", "queue_timeout"]);
    assert_eq!((system.hub().queue_len(), system.matcher().len()), (0, 0));
}

#[test]
fn a_storm_of_comings_and_goings_leaves_nothing_behind() {
    for seed in 0..8 {
        let mut system = System::new(seed, 3);
        let mut rng = Rng::new(seed);
        let kinds = [NatKind::Open, NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric];
        // Every name is used twice, so that people take over from each other as well.
        let people: Vec<_> = (0..60)
            .map(|n| system.add(&format!("user-{}", n / 2), kinds[rng.below(4) as usize]))
            .collect();
        for _ in 0..1_000 {
            let id = people[rng.below(people.len() as u64) as usize];
            match rng.below(9) {
                0 => system.close(id),
                1 => system.vanish(id),
                2 | 3 => system.skip(id),
                4 => system.end(id),
                5 => {
                    system.close(id);
                    system.connect(id);
                }
                _ => system.join(id, ["global", "buddies_first"][rng.below(2) as usize]),
            }
            system.run(Duration::from_millis(rng.below(2_000)));
            let met = system.matcher().len();
            assert_eq!(met, system.hub().queue_len());
            assert!(
                2 * system.hub().sessions() + system.hub().queue_len()
                    <= system.hub().connections()
            );
        }
        let met: usize = people.iter().map(|id| system.person(*id).met.len()).sum();
        assert!(met > 50, "seed {seed}: the storm has some calls in it: {met}");
        people.iter().for_each(|id| system.vanish(*id));
        system.run(Duration::from_secs(7_200));
        let hub = system.hub();
        assert_eq!((hub.connections(), hub.sessions(), hub.queue_len()), (0, 0, 0), "seed {seed}");
        assert_eq!((hub.poll_timeout(), system.matcher().len()), (None, 0), "seed {seed}");
        assert_eq!((system.shards().allocations(), system.shards().sockets()), (vec![0; 3], 0));
    }
}

#[test]
fn everybody_leaving_at_once_is_heard_by_nobody_s_ghost() {
    let mut system = System::new(5, 1);
    let people = crowd(&mut system, 2_000);
    system.run(Duration::from_secs(1));
    people.iter().step_by(2).for_each(|id| system.close(*id));
    system.run(Duration::from_secs(1));
    let (hub, left) = (system.hub(), people.iter().skip(1).step_by(2));
    assert_eq!((hub.connections(), hub.queue_len()), (1_000, 0));
    let told =
        left.filter(|id| system.person(**id).heard_types().contains(&"partner_left")).count();
    let still_paired = 2 * hub.sessions();
    assert_eq!(told + still_paired, 1_000, "who remains has been told, or has its partner still");
}

#[test]
fn a_stopping_server_tells_everybody_and_admits_nobody() {
    let mut system = System::new(6, 2);
    let mut people = crowd(&mut system, 101);
    for user in ["ann", "bob"] {
        let id = system.add(user, NatKind::Symmetric);
        system.connect(id);
        system.join(id, "global");
        people.push(id);
    }
    system.run(Duration::from_secs(5));
    assert_eq!(system.shards().allocations().iter().sum::<usize>(), 2);
    system.drain();
    system.run(Duration::from_secs(1));
    let mut sessions = BTreeSet::new();
    for &id in &people {
        let person = system.person(id);
        let kinds = person.heard_types();
        assert_eq!((kinds.last(), person.closed), (Some(&"shutting_down"), Some(1001)));
        assert!(!kinds.contains(&"partner_left"), "one reason is enough");
        sessions.extend(person.met.iter().map(|meeting| &meeting.session));
    }
    assert_eq!(sessions.len(), 51);
    let hub = system.hub();
    assert_eq!((hub.connections(), hub.sessions(), hub.queue_len()), (0, 0, 0));
    assert_eq!((hub.poll_timeout(), system.matcher().len()), (None, 0));
    assert_eq!(system.shards().sockets(), 0, "callers hang up");
    let late = people[0];
    system.connect(late);
    system.join(late, "");
    system.run(Duration::from_secs(1));
    assert_eq!(system.person(late).closed, Some(1001));
    assert_eq!(system.hub().connections(), 0);
}
