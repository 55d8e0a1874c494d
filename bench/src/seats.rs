//! What the seats of people in idle calls take, while their sockets are there and while they are gone.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::engine::{Engine, Launch, Programs, Server};
use crate::process;
use crate::seat::{Wire, pair_up};

/// Seats that are kept for clients without a connection, as the server counts them.
const AWAY: &str = "hairpin_seats_away";
/// Pairs, likewise.
const SESSIONS: &str = "hairpin_active_sessions";
/// How long it may take beyond the window until all are counted.
const PATIENCE: Duration = Duration::from_secs(30);
/// Open files beside one a client.
const SPARE_FILES: u64 = 200;

/// The server's resident bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Before anybody came.
    pub(crate) empty: u64,
    /// While all were in pairs and silent.
    pub(crate) idle: u64,
    /// While all were in pairs, and nobody was connected.
    pub(crate) away: u64,
    /// When nobody had come back.
    pub(crate) left: u64,
}

/// Pairs `clients` people up on a fresh hairpin, cuts their connections off, and waits until the `window` in which they
/// could come back is over.
///
/// # Errors
/// When the server fails, loses a seat too early, or keeps one too long.
pub(crate) fn measure(programs: &Programs, clients: usize, window: Duration) -> Result<Sample> {
    process::allow_open_files(clients as u64 + SPARE_FILES)?;
    let more = format!("--resume-window {}", window.as_secs());
    let launch = Launch { more, ..Launch::for_web_sockets() };
    let server = Server::start(programs, Engine::Hairpin, &launch)?;
    let empty = server.settled_bytes()?;
    let seats = pair_up(server.http, clients, Wire::New)?;
    let idle = server.settled_bytes()?;
    let cut = Instant::now();
    drop(seats);
    wait_until(&server, AWAY, clients, PATIENCE)?;
    ensure!(cut.elapsed() < window, "the window was over before all had been counted");
    let away = server.resident_bytes()?;
    wait_until(&server, SESSIONS, 0, window + PATIENCE)?;
    wait_until(&server, AWAY, 0, PATIENCE)?;
    Ok(Sample { empty, idle, away, left: server.settled_bytes()? })
}

/// Waits until the server's own figure of this name is `wanted`.
fn wait_until(server: &Server, name: &str, wanted: usize, patience: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = server.metric(name)?;
        if now == Some(wanted as f64) {
            return Ok(());
        }
        ensure!(start.elapsed() < patience, "{name} is {now:?} and not {wanted}");
        thread::sleep(Duration::from_millis(50));
    }
}
