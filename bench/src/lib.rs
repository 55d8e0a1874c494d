//! Measures hairpin and its peers: CPU per relayed packet, memory per allocation, matching.
//!
//! Every figure is taken from outside: a server is started as its own process, pinned to one CPU,
//! loaded from another one, and its CPU time and resident memory are read from `/proc`. hairpin and
//! coturn are treated alike and take turns, so that a change of the machine's mood meets both. The matcher alone, which is
//! a library, is measured in this process.
//! Linux only.

#![forbid(unsafe_code)]

mod binding;
mod cases;
mod compare;
mod connection;
mod drain;
mod engine;
mod events;
mod generator;
mod handshakes;
mod homes;
mod ice;
mod latency;
mod load;
mod matching;
mod memory;
mod metrics;
mod pause;
mod plan;
mod process;
pub mod relay;
mod report;
pub mod results;
mod seat;
mod seats;
mod signals;
mod socket;
mod table;
pub mod tickets;
mod tls;
mod turn;
mod verdict;
mod wishes;
mod ws;

pub use drain::Stop;
pub use engine::{Engine, Programs};
pub use load::Pace;
pub use plan::Plan;
pub use report::Report;
pub use seat::Wire;
pub use signals::Load;
pub use socket::Transport;
pub use wishes::Wishes;
