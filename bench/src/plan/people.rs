//! What is measured of WebSockets, and of the people behind them. hairpin alone has any.

use std::time::Duration;

use anyhow::Result;

use super::Plan;
use crate::drain::{self, Stop};
use crate::matching::{self, Matched};
use crate::report::{Report, disturbance, keys, micros, millis, ratio};
use crate::seat::Wire;
use crate::seats;
use crate::signals::{self, Load};
use crate::table::{Column, Figure, Role, Table, percent};
use crate::wishes::Wishes;

/// The figures of a crowd that finds partners.
const MATCHING: [&str; 7] = [
    "ms until the last match_found, server's clock",
    "clients' clock",
    "server CPU ms",
    "MiB RSS empty",
    "KiB RSS per idle WebSocket",
    "MiB RSS matched",
    "MiB RSS when all have left",
];

/// The figures of idle seats.
const SEATS: [&str; 5] = [
    "MiB RSS empty",
    "MiB RSS in pairs, idle",
    "KiB RSS per seat",
    "MiB RSS while all are away",
    "MiB RSS when none came back",
];

/// The figures of signals.
const SIGNALS: [&str; 4] = ["p50 µs", "p99 µs", "worst ms", "server CPU µs per signal"];

/// The figures of a deploy.
const DRAIN: [&str; 3] =
    ["s until all are in their sessions", "arrivals in the fullest 0.1 s", "longest gap ms"];

impl Plan {
    /// Lets a crowd of `clients` find partners, `rounds` times with each number of `workers` (`None` is hairpin's
    /// own choice) and each kind of `wishes`, one after the other in turns, and checks every match.
    ///
    /// # Errors
    /// When a round fails or breaks a rule of matching.
    pub fn matching(
        &self,
        clients: usize,
        workers: &[Option<usize>],
        wishes: &[Wishes],
    ) -> Result<Report> {
        let mut columns = keys(&["clients", "workers", "wishes"]);
        columns.extend(MATCHING.map(|name| Column::new(name, Role::Figure)));
        let mut table = Table::new(columns);
        let what = format!("{clients} clients find partners");
        let turns: Vec<_> = workers
            .iter()
            .flat_map(|workers| wishes.iter().map(move |wishes| (*workers, *wishes)))
            .collect();
        let samples = self.take_turns(&what, &turns, |(workers, wishes)| {
            matching::run(&self.programs, clients, workers, wishes)
        })?;
        let note = compare(&turns, &samples);
        for ((workers, wishes), samples) in turns.iter().zip(&samples) {
            let figure = |digits, value: &dyn Fn(&Matched) -> Option<f64>| {
                Figure::of(&samples.iter().filter_map(value).collect::<Vec<_>>()).show(digits)
            };
            let mib = |bytes: u64| Some(bytes as f64 / f64::from(1 << 20));
            let each = |sample: &Matched| {
                let grown = sample.resident_connected as f64 - sample.resident_empty as f64;
                Some(grown / 1024.0 / clients as f64)
            };
            table.push(vec![
                clients.to_string(),
                workers.map_or("default".to_owned(), |workers| workers.to_string()),
                match wishes {
                    Wishes::Plain => "anybody".to_owned(),
                    Wishes::Attributes => "other gender, shared interest".to_owned(),
                },
                figure(0, &|sample| sample.own_clock_millis),
                figure(0, &|sample| Some(millis(sample.until_last))),
                figure(0, &|sample| Some(millis(sample.cpu))),
                figure(1, &|sample| mib(sample.resident_empty)),
                figure(1, &each),
                figure(1, &|sample| mib(sample.resident_matched)),
                figure(1, &|sample| mib(sample.resident_left)),
            ]);
        }
        Ok(Report { table, note })
    }

    /// Pairs `clients` people up, `rounds` times, and cuts them off for longer than `window`, in which they could come
    /// back.
    ///
    /// # Errors
    /// When a round fails.
    pub fn seats(&self, clients: usize, window: Duration) -> Result<Report> {
        let mut columns = keys(&["clients"]);
        columns.extend(SEATS.map(|name| Column::new(name, Role::Figure)));
        let mut table = Table::new(columns);
        let what = format!("{clients} seats");
        let samples =
            self.take_turns(&what, &[()], |()| seats::measure(&self.programs, clients, window))?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let figure = |value: &dyn Fn(&seats::Sample) -> f64| {
            Figure::of(&samples[0].iter().map(value).collect::<Vec<_>>()).show(1)
        };
        table.push(vec![
            clients.to_string(),
            figure(&|sample| mib(sample.empty)),
            figure(&|sample| mib(sample.idle)),
            figure(&|sample| mib(sample.idle - sample.empty) * 1024.0 / clients as f64),
            figure(&|sample| mib(sample.away)),
            figure(&|sample| mib(sample.left)),
        ]);
        Ok(Report { table, note: None })
    }

    /// Lets pairs exchange signals, as each of `loads` says.
    ///
    /// # Errors
    /// When a round fails, or a signal does not arrive once and in order.
    pub fn signals(&self, loads: &[Load]) -> Result<Report> {
        let mut columns = keys(&["wire", "pairs", "signals/s", "bytes"]);
        columns.extend(SIGNALS.map(|name| Column::new(name, Role::Figure)));
        columns.extend(
            ["busy", "sent late, p99 µs", "arrived"].map(|name| Column::new(name, Role::Note)),
        );
        let mut table = Table::new(columns);
        let mut worst = 0_f64;
        for &load in loads {
            let what = format!("{} signals/s, {:?} wire", load.rate, load.wire);
            let samples = self.take_turns(&what, &[()], |()| {
                signals::measure(&self.programs, load, self.length)
            })?;
            let figure = |digits, value: &dyn Fn(&signals::Sample) -> f64| {
                Figure::of(&samples[0].iter().map(value).collect::<Vec<_>>()).show(digits)
            };
            let busy: Vec<f64> = samples[0].iter().map(|sample| sample.busy).collect();
            table.push(vec![
                match load.wire {
                    Wire::New => "new".to_owned(),
                    Wire::Old => "old".to_owned(),
                },
                load.pairs.to_string(),
                load.rate.to_string(),
                signals::SIGNAL_LEN.to_string(),
                figure(0, &|sample| micros(sample.latency.p50)),
                figure(0, &|sample| micros(sample.latency.p99)),
                figure(1, &|sample| millis(sample.latency.worst)),
                figure(1, &|sample| sample.micros),
                percent(Figure::of(&busy).median),
                figure(0, &|sample| micros(sample.late.p99)),
                format!("all {}", samples[0].iter().map(|sample| sample.sent).sum::<u64>()),
            ]);
            worst = samples[0].iter().map(|sample| sample.disturbed).fold(worst, f64::max);
        }
        Ok(Report { table, note: disturbance(worst) })
    }

    /// Ends the server of `clients` people in each of these ways, and counts them as they come to another one.
    ///
    /// # Errors
    /// When a round fails, or anybody hears what it should not.
    pub fn drain(&self, clients: usize, stops: &[Stop], spread: Duration) -> Result<Report> {
        let mut columns = keys(&["clients", "the server is"]);
        columns.extend(DRAIN.map(|name| Column::new(name, Role::Figure)));
        columns.extend(
            ["calls that went on", "arrivals in each second"]
                .map(|name| Column::new(name, Role::Note)),
        );
        let mut table = Table::new(columns);
        let what = format!("{clients} clients go elsewhere");
        let samples = self.take_turns(&what, stops, |stop| {
            drain::measure(&self.programs, clients, stop, spread)
        })?;
        for (stop, samples) in stops.iter().zip(&samples) {
            let figure = |digits, value: &dyn Fn(&drain::Sample) -> f64| {
                Figure::of(&samples.iter().map(value).collect::<Vec<_>>()).show(digits)
            };
            let continued = samples.iter().map(|sample| sample.continued).min().unwrap_or(0);
            let arrivals =
                samples.first().map_or(Vec::new(), |sample| sample.arrivals.per_second());
            let arrivals: Vec<String> = arrivals.iter().map(u32::to_string).collect();
            table.push(vec![
                clients.to_string(),
                match stop {
                    Stop::Drain => format!("drained within {} s", spread.as_secs()),
                    Stop::Kill => "killed, all come at once".to_owned(),
                },
                figure(2, &|sample| sample.took.as_secs_f64()),
                figure(0, &|sample| f64::from(sample.arrivals.peak())),
                figure(0, &|sample| millis(sample.longest_gap)),
                format!("{continued} of {}", clients / 2),
                arrivals.join(" "),
            ]);
        }
        Ok(Report { table, note: None })
    }
}

/// By how much those take longer who have wishes, turn by turn with those beside them who have none.
fn compare(turns: &[(Option<usize>, Wishes)], samples: &[Vec<Matched>]) -> Option<String> {
    let clock = |samples: &[Matched]| -> Option<Vec<f64>> {
        samples.iter().map(|sample| sample.own_clock_millis).collect()
    };
    let of = |n: usize| clock(&samples[n]);
    let pairs = (1..turns.len()).filter(|&n| {
        let [(workers, first), (same, second)] = [turns[n - 1], turns[n]];
        workers == same && [first, second] == [Wishes::Plain, Wishes::Attributes]
    });
    let ratios: Vec<String> = pairs.filter_map(|n| Some(ratio(&of(n)?, &of(n - 1)?))).collect();
    let last = "time until the last match_found with wishes, in parts of that without";
    (!ratios.is_empty()).then(|| format!("{last}: {}.", ratios.join(" and ")))
}
