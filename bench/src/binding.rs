//! The cost of a Binding request, the cheapest thing a STUN server does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hairpin_sim::{Request, TurnEvent};

use crate::engine::{Engine, Launch, Programs, Server};
use crate::load::{self, Flow, Pace, WINDOW};
use crate::process::{self, Cpus};
use crate::socket::Transport;
use crate::turn::Client;

/// Clients that ask.
const CLIENTS: usize = 16;

/// What answering was found to cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Server CPU microseconds per answered request.
    pub(crate) micros: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    /// Part of the requests that got no answer, 0 to 1.
    pub(crate) loss: f64,
}

/// Starts a fresh `engine` and asks as fast as it answers, for `length`.
///
/// # Errors
/// When the server does not start or does not answer.
pub(crate) fn measure(programs: &Programs, engine: Engine, length: Duration) -> Result<Sample> {
    let cpus = Cpus::pick(1)?;
    let server = Server::start(programs, engine, &Launch::on_one_cpu(cpus.server[0]))?;
    let count = process::on_cpus(&[cpus.generator], || {
        let mut flows = (0..CLIENTS).map(|_| flow(&server)).collect::<Result<Vec<_>>>()?;
        load::run(&mut flows, &[], Pace::Saturated { window: WINDOW }, length, || server.cpu_time())
    })?;
    let count = count.with_context(|| format!("{engine}: Binding"))?;
    Ok(Sample {
        micros: (count.after - count.before).as_secs_f64() * 1e6 / count.delivered as f64,
        rate: count.delivered as f64 / count.wall.as_secs_f64(),
        loss: count.loss,
    })
}

/// A client that has asked once and knows how long an answer is.
fn flow(server: &Server) -> Result<Flow> {
    let Client { mut socket, mut turn } = Client::connect(Transport::Udp, server.turn)?;
    let packet = turn.request(Request::Binding);
    socket.send(&packet)?;
    let answer = socket.receive_message().context("no answer")?;
    let meaning = turn.handle(&answer);
    ensure!(matches!(meaning, Some(TurnEvent::Mapped(_))), "the answer means {meaning:?}");
    Ok(Flow { socket, packet, arriving: answer.len(), stamps: None })
}
