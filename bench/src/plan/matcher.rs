//! What is measured of the matcher alone.

use anyhow::Result;

use super::Plan;
use crate::report::{Report, keys, millis};
use crate::table::{Column, Figure, Role, Table};
use crate::tickets::{self, Case, Crowd, Widened};

/// Below which a figure is to be while 100,000 wait: microseconds a join, milliseconds a call, bytes a ticket.
const JOINS: [(Crowd, Option<f64>); 4] = [
    (Crowd::Plain, Some(0.3)),
    (Crowd::Opposite, Some(0.5)),
    (Crowd::Interests, Some(0.6)),
    (Crowd::Rating, None),
];
const PAUSE: f64 = 5.0;
const BYTES: f64 = 200.0;

impl Plan {
    /// Measures the matcher in this process: `joins` join while `waiting` wait, and all of those widen at once.
    ///
    /// # Errors
    /// When the matcher does anything but what it must.
    pub fn tickets(&self, waiting: usize, joins: usize) -> Result<Report> {
        let mut columns = keys(&["tickets", "figure"]);
        columns.push(Column::new("hairpin", Role::Figure));
        columns.push(Column::new("aim", Role::Note));
        columns.push(Column::new("found somebody", Role::Note));
        let mut table = Table::new(columns);
        let mut row =
            |figure: String, values: Vec<f64>, digits, aim: Option<f64>, found: String| {
                let aim = aim.map_or("-".to_owned(), |aim| {
                    let missed = if Figure::of(&values).median < aim { "" } else { ", missed" };
                    format!("{aim}{missed}")
                });
                table.push(vec![
                    waiting.to_string(),
                    figure,
                    Figure::of(&values).show(digits),
                    aim,
                    found,
                ]);
            };
        for (crowd, aim) in JOINS {
            let what = crowd.describe();
            let case = Case { crowd, waiting, joins };
            let samples = self.take_turns(what, &[()], |()| tickets::joins(case))?.remove(0);
            let found = samples[0].found;
            let micros = |nanos: fn(&tickets::Joins) -> f64| {
                samples.iter().map(|sample| nanos(sample) / 1000.0).collect::<Vec<_>>()
            };
            let joined = format!("{found} of {joins}");
            row(format!("CPU µs a join: {what}"), micros(|s| s.join), 2, aim, joined);
            let figure = format!("CPU µs to acknowledge, a pair: {what}");
            row(figure, micros(|s| s.acknowledge), 2, None, "-".to_owned());
        }
        for (widened, whom) in [(Widened::ForAll, "all find one"), (Widened::InVain, "in vain")] {
            let what = format!("all widen at once, {whom}");
            let samples =
                self.take_turns(&what, &[()], |()| tickets::widening(waiting, widened))?.remove(0);
            let found =
                format!("{} of {waiting} in {} calls", samples[0].found * 2, samples[0].calls);
            let values = samples.iter().map(|sample| millis(sample.pause)).collect();
            row(format!("CPU ms, longest call: {what}"), values, 2, Some(PAUSE), found);
            let values = samples.iter().map(|sample| millis(sample.all)).collect();
            row(format!("CPU ms, all calls: {what}"), values, 1, None, "-".to_owned());
        }
        for crowd in Crowd::ALL {
            let what = crowd.describe();
            let measure = |()| tickets::memory_elsewhere(crowd, waiting);
            let values = self.take_turns(&format!("memory: {what}"), &[()], measure)?.remove(0);
            // What else they say is theirs.
            let aim = matches!(crowd, Crowd::Plain | Crowd::Opposite).then_some(BYTES);
            let figure = format!("bytes RSS a ticket, its user's name aside: {what}");
            row(figure, values, 0, aim, "-".to_owned());
        }
        Ok(Report { table, note: None })
    }
}
