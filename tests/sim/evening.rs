//! A whole evening, which judges itself: see `sim/src/evening.rs` for what is looked at.

use std::fs;
use std::path::Path;
use std::time::Instant;

use hairpin_sim::evening::{End, Evening, Outcome};

/// The whole one takes minutes where nothing is optimised; then a smaller one of the same code is compared.
const EVENING: (Evening, &str) = if cfg!(debug_assertions) {
    (Evening { people: 1_500, seed: 1 }, "tests/sim/evening.svg")
} else {
    (Evening::WHOLE, "docs/evening.svg")
};

#[test]
fn nobody_meets_whom_it_may_not_or_waits_though_it_need_not_and_the_chart_is_of_today() {
    let began = Instant::now();
    let (evening, chart) = EVENING;
    let outcome = evening.pass();
    println!("{}\n{:?}", outcome.figures.table(), outcome.checks);
    println!("{} people in {:.1} s", evening.people, began.elapsed().as_secs_f64());
    saw_enough(&outcome);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(chart);
    if std::env::var_os("UPDATE_CHARTS").is_some() {
        fs::write(&path, outcome.chart()).expect("it can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == outcome.chart(),
        "{chart} is of another evening: UPDATE_CHARTS=1 cargo test --test hairpin sim::evening, and for \
         docs/evening.svg: cargo run --release -p hairpin-sim --example evening"
    );
}

/// What could have gone wrong did occur, and often.
fn saw_enough(outcome: &Outcome) {
    let people = outcome.evening.people as u64;
    let (checks, figures) = (outcome.checks, &outcome.figures);
    assert!(checks.matches > 5 * people && checks.foretold > 5 * people, "{checks:?}");
    assert!(checks.in_order > 3 * people, "{checks:?}");
    assert!(checks.looks > 200 && checks.pairs > 50 * people, "{checks:?}");
    assert!(checks.kept_seniority > 10, "{checks:?}");
    for end in [End::Matched, End::TimedOut, End::Unanswered, End::Left, End::Lost] {
        assert!(figures.ends.get(&end).is_some_and(|ended| *ended > 10), "{end:?}: {figures:?}");
    }
    let median = |class: &str| figures.classes[class].percentile(50).expect("some are matched");
    let [many, few] = ["global: man seeks woman", "global: woman seeks man"].map(median);
    assert!(few < many / 10, "who is sought waits less: {few:?} and {many:?}");
}

#[test]
fn the_same_seed_is_the_same_evening() {
    let pass = |seed| Evening { people: 60, seed }.pass();
    assert_eq!(pass(3), pass(3));
    assert_ne!(pass(3).figures, pass(4).figures);
}
