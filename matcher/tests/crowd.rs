//! Crowds of which many are alike, so that words and numbers are looked up and nobody is looked through, beside the model.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Attribute, Band, Kind, Mode, Profile, Rules, Seeks, Value};

use crate::hall::{Hall, SECOND};
use crate::model::Pair;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }

    fn words(&mut self, of: u64) -> Box<[Arc<str>]> {
        let count = 1 + self.roll(3);
        let mut words: Vec<u64> = (0..count).map(|_| self.roll(of)).collect();
        words.sort_unstable();
        words.dedup();
        words.iter().map(|word| format!("word {word}").into()).collect()
    }
}

/// Somebody joins every second or so, and now and then somebody goes.
fn run(attributes: &[Attribute], profile: impl Fn(&mut Dice) -> Profile) {
    let rules = Rules { attributes: attributes.to_vec(), ..Rules::default() };
    let (mut pair, mut dice, mut most) = (Pair::new(rules), Dice(1), 0);
    for id in 0..400 {
        let mut ticket = Hall::ticket(pair.now, id, &id.to_string());
        ticket.profile = profile(&mut dice);
        if dice.roll(8) == 0 {
            ticket.mode = Mode::BuddiesFirst;
        }
        pair.insert(ticket);
        if dice.roll(5) == 0 {
            let ids = pair.ids();
            pair.remove(ids[dice.roll(ids.len() as u64) as usize]);
        }
        if dice.roll(3) == 0 {
            let asked = pair.asked();
            asked.into_iter().for_each(|id| pair.acknowledge(id));
        }
        if dice.roll(4) == 0 {
            pair.pass(Duration::from_millis(dice.roll(4000)));
        }
        most = most.max(pair.ids().len());
    }
    assert!(most > 20 && pair.offered.len() > 50, "{most} {}", pair.offered.len());
}

fn tagged(dice: &mut Dice) -> Profile {
    const WORDS: u64 = 150;
    let is = Value::Tags(dice.words(WORDS));
    let seeks = match dice.roll(12) {
        0 => Some((0, Seeks::Anyone)),
        1..4 => Some((0, Seeks::Tags(dice.words(WORDS)))),
        _ => None,
    };
    Profile { is: Box::new([(0, is)]), seeks: seeks.into_iter().collect() }
}

#[test]
fn by_words() {
    run(&[Attribute { kind: Kind::Tags, widen: None }], tagged);
}

#[test]
fn by_words_that_are_not_insisted_on_for_ever() {
    run(&[Attribute { kind: Kind::Tags, widen: Some(30 * SECOND) }], tagged);
}

fn numbered(dice: &mut Dice, most: u64) -> Profile {
    let is = (dice.roll(10) > 0).then(|| (0, Value::Number(dice.roll(most) as i32)));
    let seeks = match dice.roll(24) {
        0 if is.is_some() => Some((0, Seeks::Anyone)),
        1 => Some((0, Seeks::Within(dice.roll(most / 5) as u32))),
        2 => Some((0, Seeks::Within(u32::MAX))),
        _ => None,
    };
    Profile { is: is.into_iter().collect(), seeks: seeks.into_iter().collect() }
}

#[test]
fn by_ratings_that_widen() {
    let band = Band { within: 3, step: 5, most: 60, around: None };
    let rating = Attribute { kind: Kind::Number(band), widen: Some(7 * SECOND) };
    run(&[rating], |dice| numbered(dice, 4000));
}

#[test]
fn by_numbers_on_a_circle() {
    let band = Band { within: 2, step: 1, most: 9, around: NonZeroU32::new(600) };
    let number = Attribute { kind: Kind::Number(band), widen: Some(9 * SECOND) };
    run(&[number], |dice| numbered(dice, 600));
    // A small one, most of whose numbers are near the seam.
    let band = Band { within: 1, step: 0, most: 1, around: NonZeroU32::new(90) };
    run(&[Attribute { kind: Kind::Number(band), widen: None }], |dice| {
        let mut profile = numbered(dice, 90);
        if let Some((_, Value::Number(number))) = profile.is.first_mut()
            && dice.roll(2) == 0
        {
            *number = (dice.roll(8) as i32 - 4).rem_euclid(90);
        }
        profile
    });
}

#[test]
fn by_words_and_numbers_at_once() {
    let band = Band { within: 20, step: 10, most: 60, around: None };
    let words = Attribute { kind: Kind::Tags, widen: Some(20 * SECOND) };
    let rating = Attribute { kind: Kind::Number(band), widen: Some(7 * SECOND) };
    run(&[words, rating], |dice| {
        let mut profile = tagged(dice);
        let is = [profile.is[0].clone(), (1, Value::Number(dice.roll(300) as i32))];
        profile.is = Box::new(is);
        profile
    });
}
