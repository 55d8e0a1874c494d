//! `hairpin-bench`: the command line of the measurements.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use hairpin_bench::relay::{Case, Framing, Ports, Route, Workers};
use hairpin_bench::tickets::{self, Crowd};
use hairpin_bench::{
    Engine, Load as Signals, Pace, Plan, Programs, Stop, Transport, Wire, Wishes, results,
};

/// What hairpin runs with, for the matcher that is measured here.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures hairpin and coturn, one beside the other: CPU per packet, memory, matching.
#[derive(Debug, Parser)]
struct Cli {
    /// The hairpin binary, a release build.
    #[arg(long, global = true, default_value = "target/release/hairpin")]
    hairpin: PathBuf,
    /// coturn's binary.
    #[arg(long, global = true, default_value = "turnserver")]
    coturn: PathBuf,
    /// The engines to compare.
    #[arg(
        long,
        global = true,
        value_enum,
        value_delimiter = ',',
        default_value = "hairpin,coturn"
    )]
    engines: Vec<Engine>,
    /// Turns of each engine.
    #[arg(long, global = true, default_value_t = 3)]
    rounds: usize,
    /// Seconds of counting in each turn.
    #[arg(long, global = true, default_value_t = 2.0)]
    seconds: f64,
    /// One short turn: does it work at all? The figures mean nothing.
    #[arg(long, global = true)]
    quick: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Server CPU time per relayed packet, and how long packets are on their way.
    Relay(Relay),
    /// The same for pairs on hairpin with two workers: within one of them, and across both.
    Workers(Load),
    /// The same on hairpin with a range of relay ports, and with one port that all allocations share.
    SharedPort(Relay),
    /// Resident memory and CPU time per allocation.
    Memory {
        /// How many allocations to make.
        #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
        allocations: Vec<usize>,
    },
    /// What a call notices when many allocations end at once.
    Pause {
        /// How many allocations to end.
        #[arg(long, value_delimiter = ',', default_value = "10000")]
        allocations: Vec<usize>,
    },
    /// Server CPU time per Binding request.
    Binding,
    /// Server CPU time per connection, and connections a second: TCP alone, full and resumed handshakes of TLS.
    Handshakes,
    /// Many WebSocket clients find partners at once; fails when a rule of matching is broken.
    Match {
        /// How many, an even number.
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
        /// How many workers hairpin has: a number, or `default`.
        #[arg(long, value_delimiter = ',', value_parser = workers, default_value = "default")]
        workers: Vec<WorkerCount>,
        /// Whom they want to meet, in turns.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "plain,attributes")]
        wishes: Vec<Wishes>,
    },
    /// What idle seats take in memory, with their clients there and away.
    Seats {
        /// How many, an even number.
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
        /// Seconds in which a client may come back: none does.
        #[arg(long, default_value_t = 15)]
        window: u64,
    },
    /// How long signals take from partner to partner; fails when one is lost, doubled or overtaken.
    Signals {
        /// How many pairs.
        #[arg(long, default_value_t = 1000)]
        pairs: usize,
        /// Signals a second of all clients together; a client may send 50.
        #[arg(long, value_delimiter = ',', default_value = "50000")]
        rate: Vec<u32>,
        /// What clients speak.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "new,old")]
        wire: Vec<Wire>,
    },
    /// When the clients of a server that stops come to another one; fails when a call does not go on.
    Drain {
        /// How many, an even number.
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
        /// How the server ends.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "drain,kill")]
        stop: Vec<Stop>,
        /// Seconds within which a server that drains sends its clients away.
        #[arg(long, default_value_t = 10)]
        spread: u64,
    },
    /// The matcher alone: what a join costs, how long all take to widen, and what a ticket takes in memory.
    Tickets {
        /// How many wait.
        #[arg(long, default_value_t = 100_000)]
        waiting: usize,
        /// How many join then.
        #[arg(long, default_value_t = 100_000)]
        joins: usize,
        /// Only how many bytes each of such a crowd takes, told as a number.
        #[arg(long, value_enum, hide = true)]
        memory_of: Option<Crowd>,
    },
    /// All of it, written to a file, with what got slower since that file was written.
    Results {
        /// The file to compare with and then to write.
        #[arg(long, default_value = "bench/RESULTS.md")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Relay {
    /// Client to echo peer, or client to client.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "echo,pair")]
    route: Vec<Route>,
    #[command(flatten)]
    load: Load,
}

/// What clients send, and how much of it.
#[derive(Debug, Args)]
struct Load {
    /// ChannelData, or Send and Data indications.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "channel")]
    framing: Vec<Framing>,
    /// What clients speak to the server over.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "udp")]
    transport: Vec<Transport>,
    /// `saturated`, or packets a second.
    #[arg(long, value_delimiter = ',', default_value = "saturated,20000")]
    pace: Vec<Pace>,
    /// Packets on their way at a time when saturated.
    #[arg(long, value_delimiter = ',', default_value = "64")]
    window: Vec<NonZero<u32>>,
    /// Numbers of allocations.
    #[arg(long, value_delimiter = ',', default_value = "1,50,500")]
    allocations: Vec<usize>,
    /// Bytes of data in a packet, at most 1400, and at least 12 unless saturated.
    #[arg(long, value_delimiter = ',', default_value = "160,1200")]
    sizes: Vec<usize>,
}

/// A number of workers, or hairpin's own choice.
#[derive(Clone, Copy, Debug)]
struct WorkerCount(Option<usize>);

fn workers(text: &str) -> Result<WorkerCount, String> {
    match text.parse() {
        _ if text == "default" => Ok(WorkerCount(None)),
        Ok(count) if count > 0 => Ok(WorkerCount(Some(count))),
        _ => Err("\"default\" or a number of workers is wanted".to_owned()),
    }
}

impl Load {
    fn cases(&self, routes: &[Route]) -> Vec<Case> {
        let mut cases = Vec::new();
        for &route in routes {
            for &framing in &self.framing {
                for &transport in &self.transport {
                    for pace in self.paces() {
                        for &allocations in &self.allocations {
                            cases.extend(self.sizes.iter().map(|&size| Case {
                                route,
                                framing,
                                transport,
                                pace,
                                allocations,
                                size,
                                ports: Ports::Range,
                                workers: Workers::One,
                            }));
                        }
                    }
                }
            }
        }
        cases
    }

    /// Saturated with each window, and the rates.
    fn paces(&self) -> Vec<Pace> {
        let windows = || self.window.iter().map(|window| Pace::Saturated { window: window.get() });
        let paces = self.pace.iter().flat_map(|&pace| match pace {
            Pace::Saturated { .. } => windows().collect(),
            Pace::PerSecond(_) => vec![pace],
        });
        paces.collect()
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hairpin-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    if let Command::Tickets { waiting, memory_of: Some(crowd), .. } = cli.command {
        println!("{}", tickets::memory(crowd, waiting)?);
        return Ok(());
    }
    let absolute = |path: &PathBuf| match path.components().count() {
        // The matcher is in this program.
        _ if matches!(cli.command, Command::Tickets { .. }) => Ok(path.clone()),
        // A bare name is looked up in PATH; anything else must hold from another directory too.
        1 => Ok(path.clone()),
        _ => fs::canonicalize(path).with_context(|| format!("no program at {}", path.display())),
    };
    let plan = Plan {
        programs: Programs { hairpin: absolute(&cli.hairpin)?, coturn: absolute(&cli.coturn)? },
        engines: cli.engines.clone(),
        rounds: if cli.quick { 1 } else { cli.rounds },
        length: Duration::from_secs_f64(if cli.quick { 0.2 } else { cli.seconds }),
    };
    let report = match &cli.command {
        Command::Relay(relay) => plan.relay(&relay.load.cases(&relay.route))?,
        Command::Workers(load) => plan.workers(&load.cases(&[Route::Pair]))?,
        Command::SharedPort(relay) => plan.shared_port(&relay.load.cases(&relay.route))?,
        Command::Memory { allocations } => plan.memory(allocations)?,
        Command::Pause { allocations } => plan.pause(allocations)?,
        Command::Binding => plan.binding()?,
        Command::Handshakes => plan.handshakes()?,
        Command::Match { clients, workers, wishes } => {
            let workers: Vec<_> = workers.iter().map(|&WorkerCount(workers)| workers).collect();
            plan.matching(*clients, &workers, wishes)?
        }
        Command::Seats { clients, window } => plan.seats(*clients, Duration::from_secs(*window))?,
        Command::Signals { pairs, rate, wire } => {
            let loads = wire.iter().flat_map(|&wire| {
                rate.iter().map(move |&rate| Signals { wire, pairs: *pairs, rate })
            });
            plan.signals(&loads.collect::<Vec<_>>())?
        }
        Command::Drain { clients, stop, spread } => {
            plan.drain(*clients, stop, Duration::from_secs(*spread))?
        }
        Command::Tickets { waiting, joins, .. } => {
            let few = if cli.quick { 20 } else { 1 };
            plan.tickets(waiting / few, joins / few)?
        }
        Command::Results { output } => return write_results(&plan, output),
    };
    print!("{report}");
    Ok(())
}

fn write_results(plan: &Plan, output: &Path) -> Result<()> {
    let previous = match fs::read_to_string(output) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", output.display()))?,
    };
    let text = results::everything(plan, &previous)?;
    fs::write(output, &text).with_context(|| format!("cannot write {}", output.display()))?;
    print!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(line: &str) -> Vec<Case> {
        let words = ["hairpin-bench", "relay"].into_iter().chain(line.split_ascii_whitespace());
        match Cli::try_parse_from(words).expect("a valid command line").command {
            Command::Relay(relay) => relay.load.cases(&relay.route),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_window_is_a_case_and_a_rate_has_none() {
        let cases = cases(
            "--route echo --pace saturated,2000 --window 16,256 --allocations 50 --sizes 160",
        );
        let paces: Vec<Pace> = cases.iter().map(|case| case.pace).collect();
        let saturated = |window| Pace::Saturated { window };
        assert_eq!(paces, [saturated(16), saturated(256), Pace::PerSecond(2000)]);
    }

    #[test]
    fn a_window_is_64_unless_it_is_named() {
        let saturated = cases("--pace saturated");
        assert!(!saturated.is_empty());
        assert!(saturated.iter().all(|case| case.pace == Pace::Saturated { window: 64 }));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["relay --window 0", "relay --pace 0", "relay --pace quick", "match --workers 0"]
        {
            let words = ["hairpin-bench"].into_iter().chain(line.split_ascii_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn workers_are_hairpin_s_own_choice_or_a_number() {
        let words = ["hairpin-bench", "match", "--workers", "default,1"];
        let Command::Match { workers, .. } = Cli::try_parse_from(words).unwrap().command else {
            panic!("match was asked for");
        };
        assert!(matches!(workers[..], [WorkerCount(None), WorkerCount(Some(1))]));
    }
}
