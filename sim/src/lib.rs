//! Virtual network, clock, NATs and scripted peers for hairpin's tests.
//!
//! [`System`] is the whole product in one thread and virtual time: the signaling hub, the matcher, the relay's
//! shards, and people behind routers who use them. The same seed gives the same run, to the last bit.
//! [`relay`] and [`client`] are the relay alone, one packet at a time, for tests that look at every byte.
#![forbid(unsafe_code)]

pub mod client;
pub mod evening;
pub mod lives;
mod nat;
mod person;
pub mod relay;
mod request;
mod rng;
mod shards;
pub mod shared;
mod system;
mod turn_client;
mod wire_client;
mod wires;

pub use hairpin_turn::{Family, Transport};
pub use nat::{Nat, NatKind};
pub use person::{Meeting, Path, Person, Received};
pub use request::{Allocate, EvenPort, Request, build, channel_data};
pub use rng::Rng;
pub use shards::{Counters, SERVER, Shards};
pub use system::{Calls, Datagram, PersonId, System};
pub use turn_client::{TurnClient, TurnEvent};
pub use wire_client::{News, State, WireClient};
pub use wires::{Step, Wires};
