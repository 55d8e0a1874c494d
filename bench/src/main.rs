//! `hairpin-bench`: the command line of the measurements.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use hairpin_bench::relay::{Case, Framing, Route};
use hairpin_bench::results::Plan;
use hairpin_bench::{Engine, Pace, Programs, Transport};

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
    /// Server CPU time per relayed packet.
    Relay(Relay),
    /// Resident memory and CPU time per allocation.
    Memory {
        /// How many allocations to make.
        #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
        allocations: Vec<usize>,
    },
    /// Server CPU time per Binding request.
    Binding,
    /// Many WebSocket clients find partners at once; fails when a rule of matching is broken.
    Match {
        /// How many, an even number.
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
    },
    /// All of it, written to a file.
    Results {
        /// The file to write.
        #[arg(long, default_value = "bench/RESULTS.md")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Relay {
    /// Client to echo peer, or client to client.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "echo,pair")]
    route: Vec<Route>,
    /// ChannelData, or Send and Data indications.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "channel")]
    framing: Vec<Framing>,
    /// What clients speak to the server over.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "udp")]
    transport: Vec<Transport>,
    /// `saturated`, or packets a second.
    #[arg(long, value_delimiter = ',', default_value = "saturated,20000")]
    pace: Vec<Pace>,
    /// Numbers of allocations.
    #[arg(long, value_delimiter = ',', default_value = "1,50,500")]
    allocations: Vec<usize>,
    /// Bytes of data in a packet, at most 1400.
    #[arg(long, value_delimiter = ',', default_value = "160,1200")]
    sizes: Vec<usize>,
}

impl Relay {
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for &route in &self.route {
            for &framing in &self.framing {
                for &transport in &self.transport {
                    for &pace in &self.pace {
                        for &allocations in &self.allocations {
                            cases.extend(self.sizes.iter().map(|&size| Case {
                                route,
                                framing,
                                transport,
                                pace,
                                allocations,
                                size,
                            }));
                        }
                    }
                }
            }
        }
        cases
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
    let absolute = |path: &PathBuf| match path.components().count() {
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
    let text = match &cli.command {
        Command::Relay(relay) => plan.relay(&relay.cases())?,
        Command::Memory { allocations } => plan.memory(allocations)?,
        Command::Binding => plan.binding()?,
        Command::Match { clients } => plan.matching(*clients)?,
        Command::Results { output } => {
            let text = plan.everything()?;
            fs::write(output, &text)
                .with_context(|| format!("cannot write {}", output.display()))?;
            text
        }
    };
    print!("{text}");
    Ok(())
}
