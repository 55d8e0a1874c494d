//! The rules of who meets whom, one by one.

use std::num::NonZeroU32;
use std::time::Duration;

use hairpin_matcher::{Attribute, Band, Kind, Mode, Recent, Seeks, TicketId, Value};

use crate::hall::{Hall, SECOND, START, names};

fn choice(widen: Option<Duration>) -> Attribute {
    Attribute { kind: Kind::Choice, widen }
}

fn is(value: Value) -> Box<[(u8, Value)]> {
    Box::new([(0, value)])
}

fn seeks(what: Seeks) -> Box<[(u8, Seeks)]> {
    Box::new([(0, what)])
}

/// Who has these modes and whether they are mutual buddies decide who meets.
#[test]
fn modes_meet_as_the_table_says() {
    let modes = [
        Mode::Global,
        Mode::BuddiesFirst,
        Mode::Buddies,
        Mode::Pool("chess".into()),
        Mode::Pool("go".into()),
    ];
    // Each with each: `x` meets anybody, `b` mutual buddies, ` ` nobody.
    let table = ["xxb  ", "xxb  ", "bbb  ", "   x ", "    x"];
    for (a, line) in modes.iter().zip(table) {
        for (b, cell) in modes.iter().zip(line.chars()) {
            for (anns, bobs) in [(&["bob"][..], &["ann"][..]), (&["bob"], &[]), (&[], &[])] {
                let mut hall = Hall::new(&[]);
                let join = |hall: &mut Hall, user: &str, mode: &Mode, buddies: &[&str]| {
                    hall.join(user, |ticket| {
                        (ticket.mode, ticket.buddies) = (mode.clone(), names(buddies));
                    })
                };
                assert_eq!(join(&mut hall, "ann", a, anns), None);
                let is_mutual = !anns.is_empty() && !bobs.is_empty();
                let meets = cell == 'x' || cell == 'b' && is_mutual;
                let found = join(&mut hall, "bob", b, bobs);
                assert_eq!(found, meets.then_some(1), "{a:?} {b:?} {is_mutual}");
            }
        }
    }
}

#[test]
fn global_is_the_oldest_and_buddies_first_is_the_oldest_buddy() {
    let strangers_and_friends = |mode: Mode| {
        let mut hall = Hall::new(&[]);
        for (user, buddies) in [("stranger", &[][..]), ("friend", &["me"]), ("friend too", &["me"])]
        {
            // They do not meet each other.
            hall.join(user, |ticket| {
                ticket.buddies = names(buddies);
                ticket.blocked = names(&["stranger", "friend", "friend too"]);
            });
        }
        hall.join("me", |ticket| {
            (ticket.mode, ticket.buddies) = (mode, names(&["friend too", "friend"]));
        })
    };
    assert_eq!(strangers_and_friends(Mode::Global), Some(1));
    assert_eq!(strangers_and_friends(Mode::BuddiesFirst), Some(2));
    assert_eq!(strangers_and_friends(Mode::Buddies), Some(2));
}

#[test]
fn a_user_does_not_meet_itself_and_its_newer_ticket_counts() {
    let mut hall = Hall::new(&[]);
    hall.join("ann", |_| ());
    assert_eq!(hall.join("ann", |_| ()), None);
    assert!(!hall.matcher.holds(TicketId(1)) && hall.matcher.holds(TicketId(2)));
    assert_eq!(hall.join("bob", |_| ()), Some(2));
}

#[test]
fn a_block_holds_in_both_directions() {
    for (anns, bobs) in [(&["bob"][..], &[][..]), (&[], &["ann"])] {
        let mut hall = Hall::new(&[]);
        hall.join("ann", |ticket| ticket.blocked = names(anns));
        assert_eq!(hall.join("bob", |ticket| ticket.blocked = names(bobs)), None);
        assert_eq!(hall.join("eve", |_| ()), Some(1));
    }
}

#[test]
fn opposite_genders_meet_and_filters_are_mutual() {
    let [woman, man, nonbinary] = [0, 1, 2];
    let one_of = |choices: &[u8]| Seeks::OneOf(choices.iter().map(|choice| 1 << choice).sum());
    let mut hall = Hall::new(&[choice(None)]);
    let mut join = |user: &str, gender: Option<u8>, sought: Option<Seeks>| {
        hall.join(user, |ticket| {
            ticket.profile.is =
                gender.map(|gender| (0, Value::Choice(gender))).into_iter().collect();
            ticket.profile.seeks = sought.map(|sought| (0, sought)).into_iter().collect();
        })
    };
    assert_eq!(join("man who seeks women", Some(man), Some(one_of(&[woman]))), None);
    assert_eq!(join("man who seeks women, too", Some(man), Some(one_of(&[woman]))), None);
    assert_eq!(join("man who seeks anyone", Some(man), Some(Seeks::Anyone)), None);
    assert_eq!(join("woman who seeks women", Some(woman), Some(one_of(&[woman]))), None);
    assert_eq!(join("who does not say", None, Some(one_of(&[nonbinary]))), None);
    assert_eq!(join("woman who seeks men", Some(woman), Some(one_of(&[man]))), Some(1));
    assert_eq!(join("seeks several", Some(woman), Some(one_of(&[man, nonbinary]))), Some(2));
    assert_eq!(join("nonbinary, anyone", Some(nonbinary), None), Some(3));
    assert_eq!(join("nonbinary, anyone, too", Some(nonbinary), None), Some(5));
    assert_eq!(join("woman, anyone", Some(woman), None), Some(4));
}

#[test]
fn a_region_is_sought_first_and_anybody_later() {
    let mut hall = Hall::new(&[choice(Some(15 * SECOND))]);
    let mut join = |user: &str, region: u8| {
        hall.join(user, |ticket| {
            ticket.profile.is = is(Value::Choice(region));
            ticket.profile.seeks = seeks(Seeks::OneOf(1 << region));
        })
    };
    assert_eq!((join("ann", 0), join("bob", 1)), (None, None));
    // Bob came a second later, and has to accept her, too.
    assert_eq!(hall.wait_for_offer(), Some((16 * SECOND, [1, 2])));
}

#[test]
fn who_shares_an_interest_comes_first_and_anyone_later() {
    let interests = Attribute { kind: Kind::Tags, widen: Some(10 * SECOND) };
    let mut hall = Hall::new(&[interests]);
    let mut join = |user: &str, words: &[&str]| {
        hall.join(user, |ticket| ticket.profile.is = is(Value::Tags(names(words))))
    };
    assert_eq!(join("ann", &["music", "chess"]), None);
    assert_eq!(join("bob", &["sports"]), None);
    assert_eq!(join("eve", &["films", "chess"]), Some(1));
    assert_eq!(join("dan", &["games"]), None);
    // Nobody insists any more when the younger one has waited for ten seconds, who came at second 3.
    assert_eq!(hall.wait_for_offer(), Some((13 * SECOND, [2, 4])));
}

#[test]
fn other_words_than_ones_own_can_be_sought() {
    let mut hall = Hall::new(&[Attribute { kind: Kind::Tags, widen: None }]);
    let mut join = |user: &str, words: &[&str], sought: Option<&[&str]>| {
        hall.join(user, |ticket| {
            ticket.profile.is = is(Value::Tags(names(words)));
            let sought = sought.map(|sought| (0, Seeks::Tags(names(sought))));
            ticket.profile.seeks = sought.into_iter().collect();
        })
    };
    assert_eq!(join("German who learns French", &["de"], Some(&["fr"])), None);
    assert_eq!(join("German", &["de"], None), None);
    assert_eq!(join("French", &["fr"], None), None);
    assert_eq!(join("French who learns German", &["fr"], Some(&["de", "nl"])), Some(1));
    // Who says nothing takes anybody, and is taken by nobody who insists.
    assert_eq!(join("says nothing", &[], None), None);
    assert_eq!(join("says nothing, too", &[], None), Some(5));
}

#[test]
fn timezones_are_on_a_circle() {
    let around = NonZeroU32::new(24);
    let band = Band { within: 3, step: 0, most: 3, around };
    let near = |a: i32, b: i32| {
        let mut hall = Hall::new(&[Attribute { kind: Kind::Number(band), widen: None }]);
        hall.join("ann", |ticket| ticket.profile.is = is(Value::Number(a)));
        hall.join("bob", |ticket| ticket.profile.is = is(Value::Number(b))).is_some()
    };
    for a in 0..24 {
        let others: Vec<i32> = (0..24).filter(|&b| near(a, b)).collect();
        let mut expected: Vec<i32> = (a - 3..=a + 3).map(|b| b.rem_euclid(24)).collect();
        expected.sort_unstable();
        assert_eq!(others, expected, "{a}");
    }
}

#[test]
fn a_rating_band_widens_in_steps_up_to_its_most() {
    let band = Band { within: 100, step: 50, most: 250, around: None };
    let rating = Attribute { kind: Kind::Number(band), widen: Some(5 * SECOND) };
    let after = |apart: i32, within: Option<u32>| {
        let mut hall = Hall::new(std::slice::from_ref(&rating));
        for (user, number) in [("ann", 1500), ("bob", 1500 + apart)] {
            let found = hall.join(user, |ticket| {
                ticket.profile.is = is(Value::Number(number));
                let within = within.map(|within| (0, Seeks::Within(within)));
                ticket.profile.seeks = within.into_iter().collect();
            });
            if found.is_some() {
                return Some(0);
            }
        }
        // Bob, who came a second later, is the last to accept.
        hall.wait_for_offer().map(|(after, _)| after.as_secs() - 1)
    };
    let expected = [(100, Some(0)), (101, Some(5)), (150, Some(5)), (151, Some(10))];
    for (apart, seconds) in expected.into_iter().chain([(250, Some(15)), (251, None)]) {
        assert_eq!(after(apart, None), seconds, "{apart}");
    }
    assert_eq!(
        [after(60, Some(50)), after(300, Some(300)), after(301, Some(300))],
        [Some(5), Some(0), None]
    );
}

#[test]
fn who_have_just_parted_meet_again_when_they_must() {
    let hall = |in_company: bool| {
        let mut hall = Hall::new(&[]);
        hall.matcher.set_in_company(in_company);
        let recent = |user: &str| Box::new([Recent { user: user.into(), parted: START }]);
        hall.join("ann", |ticket| ticket.recent = recent("bob"));
        assert_eq!(hall.join("bob", |ticket| ticket.recent = recent("ann")), None);
        hall
    };
    assert_eq!(hall(false).wait_for_offer(), Some((5 * SECOND, [1, 2])));
    assert_eq!(hall(true).wait_for_offer(), Some((20 * SECOND, [1, 2])));
    // Nobody else is there any more: at once.
    let mut hall = hall(true);
    hall.now = START + 8 * SECOND;
    hall.matcher.handle_timeout(hall.now);
    assert_eq!(hall.offers(), [[0; 2]; 0]);
    hall.matcher.set_in_company(false);
    assert_eq!(hall.wait_for_offer(), Some((8 * SECOND, [1, 2])));
}

#[test]
fn who_meets_buddies_alone_is_not_kept_from_them_because_strangers_are_there() {
    for modes in [[Mode::Buddies, Mode::Global], [Mode::Buddies, Mode::Buddies]] {
        let mut hall = Hall::new(&[]);
        hall.matcher.set_in_company(true);
        for ((user, other), mode) in [("ann", "bob"), ("bob", "ann")].into_iter().zip(modes) {
            let offered = hall.join(user, |ticket| {
                ticket.mode = mode.clone();
                ticket.buddies = Box::new([other.into()]);
                ticket.recent = Box::new([Recent { user: other.into(), parted: START }]);
            });
            assert_eq!(offered, None);
        }
        assert_eq!(hall.wait_for_offer(), Some((5 * SECOND, [1, 2])));
    }
}

#[test]
fn nobody_is_looked_at_again_when_all_have_gone() {
    let mut hall = Hall::new(&[]);
    hall.matcher.set_in_company(true);
    hall.join("ann", |_| ());
    hall.matcher.set_in_company(false);
    assert_eq!(hall.matcher.poll_timeout(), Some(START));
    hall.matcher.remove(hall.now, TicketId(1));
    assert_eq!(hall.matcher.poll_timeout(), None);
}
