//! What got slower since the results that were written before.

use std::collections::HashMap;

use crate::table::{Better, Figure, Role, Table};

/// A figure has to be worse by more than this part of it to be called so.
const NOISE: f64 = 0.10;

/// Results as an earlier run wrote them.
#[derive(Debug, Default)]
pub(crate) struct Previous {
    /// Rows by the title of their section.
    sections: HashMap<String, Vec<Cells>>,
    /// Whether they were taken on the machine this runs on.
    same_machine: bool,
}

/// The texts of a row by the names of their columns.
type Cells = HashMap<String, String>;

impl Previous {
    /// Reads the tables of a results file. `machine` is the machine of this run, as such a file names it.
    pub(crate) fn read(text: &str, machine: &str) -> Self {
        let same_machine = text.lines().any(|line| line.strip_prefix("- ") == Some(machine));
        let sections = text.split("\n## ").skip(1).map(|section| {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            (title.to_owned(), rows(body))
        });
        Self { sections: sections.collect(), same_machine }
    }

    /// A line that says what of `table` is worse than in the section of the same title.
    pub(crate) fn judge(&self, title: &str, table: &Table) -> String {
        let before = self.sections.get(title).map_or(&[][..], Vec::as_slice);
        let (mut compared, mut worse) = (0, Vec::new());
        for row in &table.rows {
            let cells = || table.columns.iter().zip(&row.cells);
            let keys = || cells().filter(|(column, _)| column.role == Role::Key);
            let is_same = |old: &&Cells| keys().all(|(key, cell)| old.get(&key.name) == Some(cell));
            let Some(old) = before.iter().find(is_same) else { continue };
            compared += 1;
            for (column, cell) in cells() {
                let counts = match column.role {
                    Role::Ratio => true,
                    Role::Figure => self.same_machine,
                    Role::Key | Role::Note => false,
                };
                let figures = || Some((Figure::read(old.get(&column.name)?)?, Figure::read(cell)?));
                let Some((old, new)) = figures().filter(|_| counts) else { continue };
                if is_worse(old, new, row.better) {
                    let keys = keys().map(|(_, cell)| cell.as_str()).filter(|&cell| cell != "-");
                    let keys = keys.collect::<Vec<_>>().join(", ");
                    worse.push(format!("{keys}: {} {} -> {}", column.name, old.median, new.median));
                }
            }
        }
        let mut line = match (compared, &worse[..]) {
            (0, _) => "No earlier figures to compare with.".to_owned(),
            (_, []) => "Nothing got slower.".to_owned(),
            _ => format!("Got slower, or larger: {}.", worse.join("; ")),
        };
        let new = table.rows.len() - compared;
        if compared > 0 && new > 0 {
            line += &format!(" {new} of {} rows are new.", table.rows.len());
        }
        let has_figures = table.columns.iter().any(|column| column.role == Role::Figure);
        if compared > 0 && has_figures && !self.same_machine {
            line += " The earlier figures are another machine's: only ratios are compared.";
        }
        line
    }
}

/// By more than noise: a tenth, and no value of then among those of now.
fn is_worse(old: Figure, new: Figure, better: Better) -> bool {
    match better {
        Better::Less => new.median > old.median * (1.0 + NOISE) && new.least > old.most,
        Better::More => new.median < old.median / (1.0 + NOISE) && new.most < old.least,
    }
}

/// The rows of a table, the first in `text`.
fn rows(text: &str) -> Vec<Cells> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = text.lines().skip_while(|line| !line.starts_with('|'));
    let Some(header) = lines.next().map(cells) else { return Vec::new() };
    // The line of dashes stands between.
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| header.iter().cloned().zip(cells(row)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Row};

    const MACHINE: &str = "a computer, 4 CPUs";

    fn table(rows: &[(&str, &str, &str, Better)]) -> Table {
        let columns = [("route", Role::Key), ("µs", Role::Figure), ("ratio", Role::Ratio)];
        let mut table = Table::new(columns.map(|(name, role)| Column::new(name, role)).to_vec());
        for &(key, figure, ratio, better) in rows {
            table.push_row(Row { cells: [key, figure, ratio].map(Into::into).to_vec(), better });
        }
        table
    }

    /// What is said of `now` after `then` had been written on `machine`.
    fn judge(then: &Table, machine: &str, now: &Table) -> String {
        let text = format!("# Results\n\n## What\n\n- {machine}\n\n## CPU\n\n{}", then.markdown());
        Previous::read(&text, MACHINE).judge("CPU", now)
    }

    #[test]
    fn equal_figures_got_no_slower() {
        let same = table(&[("echo", "3.0 (2.9-3.1)", "0.60 (0.58-0.61)", Better::Less)]);
        assert_eq!(judge(&same, MACHINE, &same), "Nothing got slower.");
    }

    #[test]
    fn a_worse_ratio_is_named_with_its_row_and_both_values() {
        let then =
            table(&[("echo", "3", "0.60", Better::Less), ("pair", "3", "0.5", Better::Less)]);
        let now = table(&[("echo", "3", "0.7", Better::Less), ("pair", "3", "0.5", Better::Less)]);
        let said = judge(&then, MACHINE, &now);
        assert_eq!(said, "Got slower, or larger: echo: ratio 0.6 -> 0.7.");
    }

    #[test]
    fn what_is_within_a_tenth_or_the_brackets_is_noise() {
        let then = table(&[("echo", "3", "0.60 (0.50-0.72)", Better::Less)]);
        let overlapping = table(&[("echo", "3", "0.80 (0.71-0.90)", Better::Less)]);
        assert_eq!(judge(&then, MACHINE, &overlapping), "Nothing got slower.");
        let then = table(&[("echo", "3", "0.60", Better::Less)]);
        let little = table(&[("echo", "3", "0.65", Better::Less)]);
        assert_eq!(judge(&then, MACHINE, &little), "Nothing got slower.");
    }

    #[test]
    fn a_rate_is_worse_when_it_falls() {
        let then = table(&[("answers/s", "300", "1.60", Better::More)]);
        let now = table(&[("answers/s", "200", "1.90", Better::More)]);
        assert!(judge(&then, MACHINE, &now).ends_with("answers/s: µs 300 -> 200."));
    }

    #[test]
    fn figures_of_another_machine_are_not_compared_but_ratios_are() {
        let then = table(&[("echo", "3", "0.6", Better::Less)]);
        let now = table(&[("echo", "6", "0.9", Better::Less)]);
        let said = judge(&then, "another computer", &now);
        assert!(said.starts_with("Got slower, or larger: echo: ratio 0.6 -> 0.9."), "{said}");
        assert!(said.contains("another machine"), "{said}");
        assert!(judge(&then, MACHINE, &now).contains("echo: µs 3 -> 6; echo: ratio 0.6 -> 0.9"));
    }

    #[test]
    fn new_rows_and_new_sections_are_said_to_be_new() {
        let then = table(&[("echo", "3", "0.6", Better::Less)]);
        let now = table(&[("echo", "3", "0.6", Better::Less), ("pair", "3", "9", Better::Less)]);
        assert_eq!(judge(&then, MACHINE, &now), "Nothing got slower. 1 of 2 rows are new.");
        let said = Previous::default().judge("CPU", &now);
        assert_eq!(said, "No earlier figures to compare with.");
    }
}
