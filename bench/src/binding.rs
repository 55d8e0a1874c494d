//! The cost of a Binding request, the cheapest thing a STUN server does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hairpin_stun::{Class, Message, Method, TransactionId, Writer};

use crate::engine::{Engine, Programs, Server};
use crate::load::{self, Flow, Pace};
use crate::process::{self, Cpus};
use crate::socket::{Socket, Transport};

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
    let cpus = Cpus::pick()?;
    let server = Server::start(programs, engine, Some(cpus.server))?;
    let count = process::on_cpu(cpus.generator, || {
        let flows = (0..CLIENTS).map(|_| flow(&server)).collect::<Result<Vec<_>>>()?;
        load::run(&flows, None, Pace::Saturated, length, || server.cpu_time())
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
    let socket = Socket::connect(Transport::Udp, server.turn)?;
    let mut packet = vec![0; 64];
    let id = TransactionId(*b"where am I ?");
    let len = Writer::new(&mut packet, Class::Request, Method::BINDING, id).finish()?;
    packet.truncate(len);
    socket.send(&packet)?;
    let mut buffer = [0; 1500];
    let arrived = socket.receive_message(&mut buffer).context("no answer")?;
    let is_success = Message::parse(arrived).is_ok_and(|m| m.class() == Class::Success);
    ensure!(is_success, "the answer is no Binding success");
    let arriving = arrived.len();
    Ok(Flow { socket, packet, arriving })
}
