//! What a measurement is written up as: a table, and the figures in its cells.

use std::fmt;
use std::time::Duration;

use crate::table::{Column, Figure, Role, Table, percent};

/// How much of the server's CPU others may take before a figure is called disturbed.
const DISTURBED: f64 = 0.05;

/// A table, and what has to be said about all of it.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) table: Table,
    pub(crate) note: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table.markdown())?;
        self.note.iter().try_for_each(|note| write!(f, "\n{note}\n"))
    }
}

/// Columns that say what was measured.
pub(crate) fn keys(names: &[&str]) -> Vec<Column> {
    names.iter().map(|&name| Column::new(name, Role::Key)).collect()
}

/// The median and range of a figure for each engine, and the ratio of the first two.
pub(crate) fn figures<S>(samples: &[Vec<S>], value: impl Fn(&S) -> f64) -> Vec<String> {
    let values: Vec<Vec<f64>> =
        samples.iter().map(|samples| samples.iter().map(&value).collect()).collect();
    let mut cells: Vec<String> = values.iter().map(|values| Figure::of(values).show(2)).collect();
    if let [first, second, ..] = &values[..] {
        cells.push(ratio(first, second));
    }
    cells
}

/// The ratio of two figures turn by turn: what disturbs one turn tends to disturb its neighbour as well.
pub(crate) fn ratio(first: &[f64], second: &[f64]) -> String {
    let ratios: Vec<f64> = first.iter().zip(second).map(|(first, second)| first / second).collect();
    Figure::of(&ratios).show(2)
}

/// A figure for each engine, those without one left out.
pub(crate) fn side_by_side<S>(samples: &[Vec<S>], value: impl Fn(&S) -> Option<f64>) -> String {
    let figure = |samples: &Vec<S>| {
        Figure::of(&samples.iter().filter_map(&value).collect::<Vec<_>>()).show(0)
    };
    let figures: Vec<String> = samples.iter().map(figure).collect();
    if figures.iter().all(|figure| figure == "-") { "-".to_owned() } else { figures.join(" / ") }
}

/// The medians of a part of 1, engine by engine.
pub(crate) fn parts<S>(samples: &[Vec<S>], value: impl Fn(&S) -> f64) -> String {
    let median = |samples: &Vec<S>| {
        percent(Figure::of(&samples.iter().map(&value).collect::<Vec<_>>()).median)
    };
    samples.iter().map(median).collect::<Vec<_>>().join(" / ")
}

/// What to say when others took up to this part of the server's CPU.
pub(crate) fn disturbance(worst: f64) -> Option<String> {
    let who = "other processes took up to";
    (worst > DISTURBED).then(|| {
        format!("Disturbed: {who} {} of the server's CPU during a measurement.", percent(worst))
    })
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_turn_by_turn() {
        // The machine was half as fast in the second turn, for both.
        assert_eq!(ratio(&[1.0, 2.0, 1.0], &[2.0, 4.0, 2.0]), "0.50");
        assert_eq!(ratio(&[1.0, 3.0], &[2.0, 2.0]), "1.00 (0.50-1.50)");
        assert_eq!(ratio(&[0.0], &[0.0]), "-");
    }

    #[test]
    fn engines_without_a_figure_share_one_dash() {
        let samples = [vec![Some(3.0), Some(5.0)], vec![Some(7.0), None]];
        assert_eq!(side_by_side(&samples, |sample| *sample), "4 (3-5) / 7");
        assert_eq!(side_by_side(&[vec![None], vec![None::<f64>]], |sample| *sample), "-");
    }
}
