//! Thousands of people for days, over networks that lose them and with servers that are started anew.

use std::time::{Duration, Instant};

use hairpin_signaling::Protocol;
use hairpin_sim::{PersonId, Rng, State, System, WireClient};

const PEOPLE: u64 = 2_000;
const DAYS: u64 = 3;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// They all come within this time of an evening.
const EVENING: u64 = 1_200;

/// Somebody comes, does something every now and then, and goes.
enum Plan {
    Come,
    Act,
    Go,
}

fn plans(rng: &mut Rng, people: &[PersonId]) -> Vec<(Duration, PersonId, Plan)> {
    let mut plans = Vec::new();
    for &id in people {
        let comes = rng.below(EVENING * 1000);
        let stays = 30_000 + rng.below(300_000);
        plans.push((comes, id, Plan::Come));
        plans.push((comes + stays, id, Plan::Go));
        plans.extend((0..8).map(|_| (comes + rng.below(stays), id, Plan::Act)));
    }
    let mut plans: Vec<_> =
        plans.into_iter().map(|(at, id, plan)| (Duration::from_millis(at), id, plan)).collect();
    plans.sort_by_key(|(at, id, _)| (*at, *id));
    plans
}

fn act(system: &mut System, rng: &mut Rng, id: PersonId) {
    match rng.below(20) {
        0 => system.cut(id),
        1 => system.sleep(id, Duration::from_secs(rng.below(90))),
        2 => system.act(id, WireClient::skip),
        3 => {
            system.act(id, WireClient::end);
            system.act(id, |wire| wire.join("global"));
        }
        4 => system.reload(id),
        _ if *system.state(id) == State::Idle => system.act(id, |wire| wire.join("global")),
        _ => (0..1 + rng.below(3)).for_each(|_| system.signal(id)),
    }
}

#[test]
fn whoever_is_lost_on_the_way_is_found_again_and_nothing_is_heard_twice() {
    let began = Instant::now();
    let (mut system, mut rng) = (System::new(7, 1), Rng::new(7));
    let protocol = |n| if n % 8 == 0 { Protocol::Plain } else { Protocol::Resumable };
    let people: Vec<_> =
        (0..PEOPLE).map(|n| system.add_caller(&format!("user-{n}"), protocol(n))).collect();
    for day in 0..DAYS {
        let mut present = Duration::ZERO;
        let mut restarts = (1..=4).map(|n| Duration::from_secs(n * EVENING / 5)).peekable();
        for (at, id, plan) in plans(&mut rng, &people) {
            if let Some(restart) = restarts.next_if(|restart| *restart <= at) {
                system.run(restart.saturating_sub(present));
                present = present.max(restart);
                // Half of them are sent away before.
                if rng.below(2) == 0 {
                    system.drain_slowly(Duration::from_secs(10), Duration::from_secs(5));
                    system.run(Duration::from_secs(12));
                    present += Duration::from_secs(12);
                }
                system.restart();
            }
            system.run(at.saturating_sub(present));
            present = present.max(at);
            match plan {
                Plan::Come => system.come(id, "global"),
                Plan::Act => act(&mut system, &mut rng, id),
                Plan::Go => system.go(id),
            }
        }
        // The last ones stay for a while, and all is well with them.
        for &id in &people[..99] {
            system.come(id, "global");
        }
        system.run(Duration::from_secs(90));
        system.check_calls();
        people.iter().for_each(|id| system.go(*id));
        system.run(DAY - present);
        let hub = system.hub();
        let rest = [hub.connections(), hub.sessions(), hub.queue_len(), hub.away()];
        assert_eq!((rest, hub.poll_timeout()), ([0; 4], None), "day {day}");
    }
    let calls = system.calls();
    assert!(calls.sessions > 2_000 && calls.signals > 10_000, "{calls:?}");
    assert!(calls.restarted < calls.sessions / 2, "most went on undisturbed: {calls:?}");
    println!("{PEOPLE} people, {DAYS} days in {:.1} s: {calls:?}", began.elapsed().as_secs_f64());
}
