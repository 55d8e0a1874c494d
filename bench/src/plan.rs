//! How to measure: engines take turns, and medians are compared.

mod matcher;
mod people;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::engine::{Engine, Programs};
use crate::relay::{Case, Ports, Workers};
use crate::report::{
    Report, disturbance, figures, keys, micros, millis, parts, ratio, side_by_side,
};
use crate::table::{Better, Column, Figure, Role, Row, Table};
use crate::{binding, cases, handshakes, memory, pause, relay};

/// How to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the engines are.
    pub programs: Programs,
    /// The engines to compare, in the order they take turns.
    pub engines: Vec<Engine>,
    /// Turns of each engine; medians are taken over them.
    pub rounds: usize,
    /// The length of each counting.
    pub length: Duration,
}

impl Plan {
    /// Measures CPU time per relayed packet in every one of `cases`.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn relay(&self, cases: &[Case]) -> Result<Report> {
        let mut columns = keys(&cases::COLUMNS);
        columns.extend(self.columns(" µs"));
        columns.push(Column::new("p50 µs", Role::Figure));
        columns.push(Column::new("p99 µs", Role::Figure));
        columns.extend(["busy", "lost"].map(|name| Column::new(name, Role::Note)));
        let mut table = Table::new(columns);
        let mut worst = 0_f64;
        for case in cases {
            let samples = self.take_turns(&case.to_string(), &self.engines, |engine| {
                relay::measure(&self.programs, engine, case, self.length)
            })?;
            let mut cells = cases::describe(case);
            cells.extend(figures(&samples, |sample| sample.micros));
            cells.push(side_by_side(&samples, |sample| Some(micros(sample.latency?.p50))));
            cells.push(side_by_side(&samples, |sample| Some(micros(sample.latency?.p99))));
            cells.push(parts(&samples, |sample| sample.busy));
            cells.push(parts(&samples, |sample| sample.loss));
            table.push(cells);
            worst = samples.iter().flatten().map(|sample| sample.disturbed).fold(worst, f64::max);
        }
        Ok(Report { table, note: disturbance(worst) })
    }

    /// Measures pairs on hairpin with two workers: each within one of them, and across both.
    ///
    /// # Errors
    /// When any single measurement fails, and where there are fewer than three CPUs.
    pub fn workers(&self, cases: &[Case]) -> Result<Report> {
        let within = |case: &Case| Case { workers: Workers::TwoWithin, ..*case };
        let across = |case: &Case| Case { workers: Workers::TwoAcross, ..*case };
        let names = ["within one, µs", "across two, µs", "across / within"];
        self.two_ways(cases, names, [&within, &across])
    }

    /// Measures hairpin with a range of relay ports and with one that all share, each client with a peer of its own.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn shared_port(&self, cases: &[Case]) -> Result<Report> {
        let range = |case: &Case| Case { ports: Ports::RangeWithPeers, ..*case };
        let shared = |case: &Case| Case { ports: Ports::Shared, ..*case };
        self.two_ways(cases, ["range, µs", "shared, µs", "shared / range"], [&range, &shared])
    }

    /// Measures hairpin in each case in two ways, and the ratio of the second to the first.
    fn two_ways(
        &self,
        cases: &[Case],
        names: [&str; 3],
        ways: [&dyn Fn(&Case) -> Case; 2],
    ) -> Result<Report> {
        let mut columns = keys(&cases::COLUMNS);
        let roles = [Role::Figure, Role::Figure, Role::Ratio];
        columns.extend(names.into_iter().zip(roles).map(|(name, role)| Column::new(name, role)));
        columns.extend(["busy", "lost"].map(|name| Column::new(name, Role::Note)));
        let mut table = Table::new(columns);
        let mut worst = 0_f64;
        for case in cases {
            let samples = self.take_turns(&format!("{case}: {}", names[2]), &ways, |way| {
                relay::measure(&self.programs, Engine::Hairpin, &way(case), self.length)
            })?;
            let mut cells = cases::describe(case);
            let values = |way: usize| -> Vec<f64> {
                samples[way].iter().map(|sample| sample.micros).collect()
            };
            cells.push(Figure::of(&values(0)).show(2));
            cells.push(Figure::of(&values(1)).show(2));
            cells.push(ratio(&values(1), &values(0)));
            cells.push(parts(&samples, |sample| sample.busy));
            cells.push(parts(&samples, |sample| sample.loss));
            table.push(cells);
            worst = samples.iter().flatten().map(|sample| sample.disturbed).fold(worst, f64::max);
        }
        Ok(Report { table, note: disturbance(worst) })
    }

    /// Measures memory and CPU time per allocation with each of `counts` allocations.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn memory(&self, counts: &[usize]) -> Result<Report> {
        let mut columns = keys(&["allocations", "figure"]);
        columns.extend(self.columns(""));
        let mut table = Table::new(columns);
        for &count in counts {
            let what = format!("{count} allocations");
            let samples = self.take_turns(&what, &self.engines, |engine| {
                memory::measure(&self.programs, engine, count)
            })?;
            let mut row = |figure: &str, value: fn(&memory::Sample) -> f64| {
                let mut cells = vec![count.to_string(), figure.to_owned()];
                cells.extend(figures(&samples, value));
                table.push(cells);
            };
            row("MiB RSS of the server before", |sample| sample.empty / f64::from(1 << 20));
            row("KiB RSS each", |sample| sample.bytes / 1024.0);
            row("KiB RSS each, one channel bound", |sample| sample.bytes_with_channel / 1024.0);
            row("CPU µs to allocate (challenge and signed request)", |s| s.allocate_micros);
            row("CPU µs to refresh", |sample| sample.refresh_micros);
            row("CPU µs to allocate and refresh", |s| s.allocate_micros + s.refresh_micros);
            row("CPU µs to bind a channel", |sample| sample.bind_micros);
        }
        Ok(Report { table, note: None })
    }

    /// Measures CPU time per Binding request.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn binding(&self) -> Result<Report> {
        let samples = self.take_turns("Binding", &self.engines, |engine| {
            binding::measure(&self.programs, engine, self.length)
        })?;
        let mut columns = keys(&["figure"]);
        columns.extend(self.columns(""));
        let mut table = Table::new(columns);
        let mut row = |figure: &str, better, value: fn(&binding::Sample) -> f64| {
            let mut cells = vec![figure.to_owned()];
            cells.extend(figures(&samples, value));
            table.push_row(Row { cells, better });
        };
        row("CPU µs per Binding", Better::Less, |sample| sample.micros);
        row("thousand answers/s", Better::More, |sample| sample.rate / 1000.0);
        row("% unanswered", Better::Less, |sample| sample.loss * 100.0);
        Ok(Report { table, note: None })
    }

    /// Measures new connections: over TCP alone, and with full and resumed handshakes of TLS.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn handshakes(&self) -> Result<Report> {
        let mut columns = keys(&["connection", "figure"]);
        columns.extend(self.columns(""));
        columns.extend(["busy", "resumed"].map(|name| Column::new(name, Role::Note)));
        let mut table = Table::new(columns);
        for kind in handshakes::Kind::ALL {
            let samples = self.take_turns(&kind.to_string(), &self.engines, |engine| {
                handshakes::measure(&self.programs, engine, kind, self.length)
            })?;
            let mut row = |figure: &str, better, value: fn(&handshakes::Sample) -> f64| {
                let mut cells = vec![kind.to_string(), figure.to_owned()];
                cells.extend(figures(&samples, value));
                cells.push(parts(&samples, |sample| sample.busy));
                cells.push(parts(&samples, |sample| sample.resumed));
                table.push_row(Row { cells, better });
            };
            row("a second", Better::More, |sample| sample.rate);
            row("CPU µs each", Better::Less, |sample| sample.micros);
        }
        Ok(Report { table, note: None })
    }

    /// Lets `count` allocations end at once, for each of `counts`, and measures what a call notices.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn pause(&self, counts: &[usize]) -> Result<Report> {
        let mut columns = keys(&["allocations", "figure"]);
        columns.extend(self.columns(""));
        let mut table = Table::new(columns);
        for &count in counts {
            let what = format!("{count} allocations end");
            let samples = self.take_turns(&what, &self.engines, |engine| {
                pause::measure(&self.programs, engine, count)
            })?;
            let mut row = |figure: &str, value: fn(&pause::Sample) -> f64| {
                let mut cells = vec![count.to_string(), figure.to_owned()];
                cells.extend(figures(&samples, value));
                table.push(cells);
            };
            row("ms, worst round trip before", |sample| millis(sample.before.worst));
            row("ms, worst round trip meanwhile", |sample| millis(sample.meanwhile.worst));
            row("ms, p99 of round trips meanwhile", |sample| millis(sample.meanwhile.p99));
            row("ms until all are deleted", |sample| millis(sample.took));
            row("CPU µs to delete one", |sample| sample.micros);
        }
        Ok(Report { table, note: None })
    }

    /// Lets each of `contestants` take its turn at `measure`, round after round: A B A B ...
    pub(crate) fn take_turns<T: Copy, S>(
        &self,
        what: &str,
        contestants: &[T],
        measure: impl Fn(T) -> Result<S>,
    ) -> Result<Vec<Vec<S>>> {
        ensure!(self.rounds > 0 && !contestants.is_empty(), "nothing to measure");
        eprintln!("{what}");
        let mut samples: Vec<Vec<S>> = contestants.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (&contestant, samples) in contestants.iter().zip(&mut samples) {
                samples.push(measure(contestant)?);
            }
        }
        Ok(samples)
    }

    /// A column for each engine, `what` behind its name, and one for the ratio of the first two. With a ratio
    /// it is that which is compared with other results.
    fn columns(&self, what: &str) -> Vec<Column> {
        let role = if self.engines.len() > 1 { Role::Note } else { Role::Figure };
        let mut columns: Vec<Column> = self
            .engines
            .iter()
            .map(|engine| Column::new(format!("{engine}{what}"), role))
            .collect();
        if let [first, second, ..] = self.engines[..] {
            columns.push(Column::new(format!("{first} / {second}"), Role::Ratio));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_engine_alone_is_compared_by_its_figures_and_two_by_their_ratio() {
        let columns = |engines: &[Engine]| {
            let programs = Programs { hairpin: "hairpin".into(), coturn: "turnserver".into() };
            let (engines, length) = (engines.to_vec(), Duration::ZERO);
            let columns = Plan { programs, engines, rounds: 1, length }.columns(" µs");
            columns.into_iter().map(|column| (column.name, column.role)).collect::<Vec<_>>()
        };
        assert_eq!(columns(&[Engine::Hairpin]), [("hairpin µs".into(), Role::Figure)]);
        let both = columns(&[Engine::Hairpin, Engine::Coturn]);
        assert_eq!(
            both[1..],
            [("coturn µs".into(), Role::Note), ("hairpin / coturn".into(), Role::Ratio),]
        );
    }
}
