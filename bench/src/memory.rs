//! What an allocation costs: resident memory, and the CPU time of asking for it.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::engine::{Engine, Launch, Programs, Server};
use crate::process::{self, Cpus};
use crate::socket::Transport;
use crate::turn;

/// Open files beside one for each client.
const SPARE_FILES: u64 = 200;

/// What allocations of one engine were found to cost, each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Resident bytes of the whole server before the first of them.
    pub(crate) empty: f64,
    /// Resident bytes of an allocation alone.
    pub(crate) bytes: f64,
    /// Resident bytes of an allocation with one bound channel (and its permission).
    pub(crate) bytes_with_channel: f64,
    /// Server CPU microseconds to get one: the refused first Allocate and the signed second.
    pub(crate) allocate_micros: f64,
    /// Server CPU microseconds of a ChannelBind.
    pub(crate) bind_micros: f64,
    /// Server CPU microseconds of a Refresh.
    pub(crate) refresh_micros: f64,
}

/// Starts a fresh `engine` and makes `count` allocations over UDP.
///
/// # Errors
/// When the server does not start or refuses a request.
pub(crate) fn measure(programs: &Programs, engine: Engine, count: usize) -> Result<Sample> {
    process::allow_open_files(count as u64 + SPARE_FILES)?;
    let cpus = Cpus::pick(1)?;
    let server = Server::start(programs, engine, &Launch::on_one_cpu(cpus.server[0]))?;
    let sample = process::on_cpus(&[cpus.generator], || load(&server, count))?;
    sample.with_context(|| format!("{engine}: {count} allocations"))
}

fn load(server: &Server, count: usize) -> Result<Sample> {
    // The first client pays for whatever a server sets up only once.
    let first = turn::allocate(Transport::Udp, server.turn, 1)?;
    let (empty, idle_cpu) = (server.resident_bytes()?, server.cpu_time()?);
    let mut clients = turn::allocate(Transport::Udp, server.turn, count)?;
    let (allocated, allocate_cpu) = (server.resident_bytes()?, server.cpu_time()?);
    let peer: SocketAddr = first[0].relayed()?;
    turn::bind_channels(&mut clients, &vec![peer; count])?;
    let (bound, bind_cpu) = (server.resident_bytes()?, server.cpu_time()?);
    turn::refresh(&mut clients)?;
    let refresh_cpu = server.cpu_time()?;
    let each = |value: f64| value / count as f64;
    Ok(Sample {
        empty: empty as f64,
        bytes: each(allocated as f64 - empty as f64),
        bytes_with_channel: each(bound as f64 - empty as f64),
        allocate_micros: each((allocate_cpu - idle_cpu).as_secs_f64() * 1e6),
        bind_micros: each((bind_cpu - allocate_cpu).as_secs_f64() * 1e6),
        refresh_micros: each((refresh_cpu - bind_cpu).as_secs_f64() * 1e6),
    })
}
