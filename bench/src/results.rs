//! Whole measurements: engines take turns, medians are compared, tables come out.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::engine::{self, Engine, Programs};
use crate::load::Pace;
use crate::relay::{Case, Framing, Route};
use crate::socket::Transport;
use crate::table::{Table, median, percent, with_range};
use crate::{binding, matching, memory, process, relay};

/// How much of the server's CPU others may take before a figure is called disturbed.
const DISTURBED: f64 = 0.05;

/// How the written results begin.
const HEAD: &str = "# Results

Written by `cargo run --release -p hairpin-bench -- results`. [README.md](README.md) says how each
figure is taken and what it means. Medians, with the smallest and the largest value in brackets;
two figures with a slash between them belong to the engines in the order of the columns.
";

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
    /// Lets every engine take its turn at `measure`, round after round: A B A B ...
    fn take_turns<S>(
        &self,
        what: &str,
        measure: impl Fn(Engine) -> Result<S>,
    ) -> Result<Vec<Vec<S>>> {
        ensure!(self.rounds > 0 && !self.engines.is_empty(), "nothing to measure");
        eprintln!("{what}");
        let mut samples: Vec<Vec<S>> = self.engines.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (&engine, samples) in self.engines.iter().zip(&mut samples) {
                samples.push(measure(engine)?);
            }
        }
        Ok(samples)
    }

    /// A heading for each engine, `what` behind its name, and one for the ratio of the first two.
    fn columns(&self, what: &str) -> Vec<String> {
        let mut columns: Vec<String> =
            self.engines.iter().map(|engine| format!("{engine}{what}")).collect();
        if let [first, second, ..] = self.engines[..] {
            columns.push(format!("{first} / {second}"));
        }
        columns
    }

    /// Measures CPU time per relayed packet in every one of `cases`.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn relay(&self, cases: &[Case]) -> Result<String> {
        let mut header = ["route", "framing", "over", "load", "allocations", "bytes"]
            .map(str::to_owned)
            .to_vec();
        header.extend(self.columns(" µs"));
        header.extend(["busy", "lost"].map(str::to_owned));
        let mut table = Table::new(header);
        let mut worst = 0_f64;
        for case in cases {
            let samples = self.take_turns(&case.to_string(), |engine| {
                relay::measure(&self.programs, engine, case, self.length)
            })?;
            let mut row = describe(case);
            row.extend(figures(&samples, |sample| sample.micros));
            row.push(side_by_side(&samples, |sample| sample.busy));
            row.push(side_by_side(&samples, |sample| sample.loss));
            table.push(row);
            worst = samples.iter().flatten().map(|sample| sample.disturbed).fold(worst, f64::max);
        }
        let mut text = table.markdown();
        if worst > DISTURBED {
            text += &format!(
                "\nDisturbed: other processes took up to {} of the server's CPU during a measurement.\n",
                percent(worst)
            );
        }
        Ok(text)
    }

    /// Measures memory and CPU time per allocation with each of `counts` allocations.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn memory(&self, counts: &[usize]) -> Result<String> {
        let mut header = vec!["allocations".to_owned(), "figure".to_owned()];
        header.extend(self.columns(""));
        let mut table = Table::new(header);
        for &count in counts {
            let samples = self.take_turns(&format!("{count} allocations"), |engine| {
                memory::measure(&self.programs, engine, count)
            })?;
            let mut row = |figure: &str, value: fn(&memory::Sample) -> f64| {
                let mut row = vec![count.to_string(), figure.to_owned()];
                row.extend(figures(&samples, value));
                table.push(row);
            };
            row("MiB RSS of the server before", |sample| sample.empty / f64::from(1 << 20));
            row("KiB RSS each", |sample| sample.bytes / 1024.0);
            row("KiB RSS each, one channel bound", |sample| sample.bytes_with_channel / 1024.0);
            row("CPU µs to allocate (challenge and signed request)", |s| s.allocate_micros);
            row("CPU µs to bind a channel", |sample| sample.bind_micros);
        }
        Ok(table.markdown())
    }

    /// Measures CPU time per Binding request.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn binding(&self) -> Result<String> {
        let samples = self.take_turns("Binding", |engine| {
            binding::measure(&self.programs, engine, self.length)
        })?;
        let mut header = vec!["figure".to_owned()];
        header.extend(self.columns(""));
        let mut table = Table::new(header);
        let mut row = |figure: &str, value: fn(&binding::Sample) -> f64| {
            let mut row = vec![figure.to_owned()];
            row.extend(figures(&samples, value));
            table.push(row);
        };
        row("CPU µs per Binding", |sample| sample.micros);
        row("thousand answers/s", |sample| sample.rate / 1000.0);
        row("% unanswered", |sample| sample.loss * 100.0);
        Ok(table.markdown())
    }

    /// Lets a crowd of `clients` find partners, `rounds` times, and checks every match.
    ///
    /// # Errors
    /// When a round fails or breaks a rule of matching.
    pub fn matching(&self, clients: usize) -> Result<String> {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        let millis = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3);
        let mut table = Table::new([
            "clients",
            "ms until the last match_found",
            "server CPU ms",
            "MiB RSS empty",
            "connected",
            "matched",
        ]);
        for _ in 0..self.rounds {
            eprintln!("{clients} clients find partners");
            let matched = matching::run(&self.programs, clients)?;
            table.push(vec![
                clients.to_string(),
                millis(matched.until_last),
                millis(matched.cpu),
                mib(matched.resident_empty),
                mib(matched.resident_connected),
                mib(matched.resident_matched),
            ]);
        }
        Ok(table.markdown())
    }

    /// Runs everything and writes it up.
    ///
    /// # Errors
    /// When any single measurement fails.
    pub fn everything(&self) -> Result<String> {
        let mut text = HEAD.to_owned();
        text += &format!("\n## What was measured\n\n- {}\n", process::machine()?);
        text += &format!("- {} turns of {} s each\n", self.rounds, self.length.as_secs_f64());
        for &engine in &self.engines {
            let version = engine::version(&self.programs, engine)?;
            text += &format!("- {version}: `{}`\n", engine::describe(engine, true));
        }
        let mut section = |title: &str, body: String| text += &format!("\n## {title}\n\n{body}");
        section("CPU per relayed packet", self.relay(&standard_cases())?);
        section("CPU per relayed packet, in indications and over TCP", self.relay(&other_ways())?);
        section("Allocations", self.memory(&[1000, 5000])?);
        section("Binding", self.binding()?);
        section("Ten thousand find partners", self.matching(10_000)?);
        Ok(text)
    }
}

/// Both routes, channels over UDP, at every pace, number of allocations and size.
fn standard_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in [Route::Echo, Route::Pair] {
        for pace in [Pace::Saturated, Pace::PerSecond(20_000)] {
            for allocations in [1, 50, 500] {
                for size in [160, 1200] {
                    let (framing, transport) = (Framing::Channel, Transport::Udp);
                    cases.push(Case { route, framing, transport, pace, allocations, size });
                }
            }
        }
    }
    cases
}

/// Send and Data indications, and clients over TCP, with 50 allocations.
fn other_ways() -> Vec<Case> {
    let mut cases = Vec::new();
    for (framing, transport) in
        [(Framing::Indication, Transport::Udp), (Framing::Channel, Transport::Tcp)]
    {
        for pace in [Pace::Saturated, Pace::PerSecond(20_000)] {
            for size in [160, 1200] {
                let (route, allocations) = (Route::Echo, 50);
                cases.push(Case { route, framing, transport, pace, allocations, size });
            }
        }
    }
    cases
}

fn describe(case: &Case) -> Vec<String> {
    let route = match case.route {
        Route::Echo => "client - peer",
        Route::Pair => "client - client",
    };
    let framing = match case.framing {
        Framing::Channel => "channel",
        Framing::Indication => "indication",
    };
    let over = match case.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    let load = match case.pace {
        Pace::Saturated => "saturated".to_owned(),
        Pace::PerSecond(rate) => format!("{rate}/s"),
    };
    let mut cells = [route, framing, over].map(str::to_owned).to_vec();
    cells.extend([load, case.allocations.to_string(), case.size.to_string()]);
    cells
}

/// The median and range of a figure for each engine, and the ratio of the first two medians.
fn figures<S>(samples: &[Vec<S>], value: impl Fn(&S) -> f64) -> Vec<String> {
    let values: Vec<Vec<f64>> =
        samples.iter().map(|samples| samples.iter().map(&value).collect()).collect();
    let mut cells: Vec<String> = values.iter().map(|values| with_range(values)).collect();
    if let [first, second, ..] = &values[..] {
        let ratio = median(first.clone()) / median(second.clone());
        cells.push(if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() });
    }
    cells
}

/// The medians of a part of 1, engine by engine.
fn side_by_side<S>(samples: &[Vec<S>], value: impl Fn(&S) -> f64) -> String {
    let medians =
        samples.iter().map(|samples| percent(median(samples.iter().map(&value).collect())));
    medians.collect::<Vec<_>>().join(" / ")
}
