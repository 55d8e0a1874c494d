//! Everything there is to measure, written up beside what an earlier run found.

use std::time::Duration;

use anyhow::Result;

use crate::compare::Previous;
use crate::drain::Stop;
use crate::plan::Plan;
use crate::report::Report;
use crate::seat::Wire;
use crate::signals::Load;
use crate::wishes::Wishes;
use crate::{cases, engine, process};

/// How the written results begin.
const HEAD: &str = "# Results

Written by `cargo run --release -p hairpin-bench -- results`. [README.md](README.md) says how each
figure is taken and what it means. Medians, with the smallest and the largest value in brackets;
two figures with a slash between them belong to the engines in the order of the columns. The line
under a table compares it with the results that this file held before.
";

/// Allocations of the table of memory, and of those that end at once.
const ALLOCATIONS: [usize; 2] = [1000, 5000];
const ENDING: usize = 10_000;
/// Clients that find partners at once.
const CROWD: usize = 10_000;
const WISHES: [Wishes; 2] = [Wishes::Plain, Wishes::Attributes];
/// How long seats are kept for who is away: long enough to be measured.
const WINDOW: Duration = Duration::from_secs(15);
/// Pairs that exchange so many signals a second.
const PAIRS: usize = 1000;
const SIGNALS: u32 = 50_000;
/// Tickets that wait, and that join then.
const TICKETS: usize = 100_000;
/// Within which a server that drains sends its clients away.
const SPREAD: Duration = Duration::from_secs(10);

/// Runs everything and writes it up. `previous` is the text of the results before, empty if there are none.
///
/// # Errors
/// When any single measurement fails.
pub fn everything(plan: &Plan, previous: &str) -> Result<String> {
    let machine = process::machine()?;
    let previous = Previous::read(previous, &machine);
    let mut text = HEAD.to_owned();
    text += &format!("\n## What was measured\n\n- {machine}\n");
    text += &format!("- {} turns of {} s each\n", plan.rounds, plan.length.as_secs_f64());
    for &engine in &plan.engines {
        let version = engine::version(&plan.programs, engine)?;
        text += &format!("- {version}: `{}`\n", engine::describe(engine));
    }
    let mut section = |title: &str, report: Report| {
        let comparison = previous.judge(title, &report.table);
        text += &format!("\n## {title}\n\n{report}\n{comparison}\n");
    };
    section("CPU per relayed packet", plan.relay(&cases::standard())?);
    let title = "CPU per relayed packet, in indications and over TCP";
    section(title, plan.relay(&cases::other_ways())?);
    section("CPU per relayed packet under TLS", plan.relay(&cases::under_tls())?);
    section("New connections", plan.handshakes()?);
    section("A port for each allocation and one for all", plan.shared_port(&cases::shared_port())?);
    // Two workers and the generator each want a CPU of their own.
    if process::allowed_cpus()?.len() > 2 {
        section("Pairs within a worker and across two", plan.workers(&cases::two_workers())?);
    }
    section("Allocations", plan.memory(&ALLOCATIONS)?);
    section("The end of many allocations", plan.pause(&[ENDING])?);
    section("Binding", plan.binding()?);
    section("Ten thousand find partners", plan.matching(CROWD, &[None, Some(1)], &WISHES)?);
    section("Ten thousand idle seats", plan.seats(CROWD, WINDOW)?);
    let signals = [Wire::New, Wire::Old].map(|wire| Load { wire, pairs: PAIRS, rate: SIGNALS });
    section("Signals", plan.signals(&signals)?);
    section("A hundred thousand wait", plan.tickets(TICKETS, TICKETS)?);
    section(
        "Ten thousand move to another server",
        plan.drain(CROWD, &[Stop::Drain, Stop::Kill], SPREAD)?,
    );
    Ok(text)
}
