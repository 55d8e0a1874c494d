//! Browsers behind routers, and a server whose allocations all share one relayed address: ICE agents of flesh enough to check
//! each other's integrity, which is what the server cannot do.

mod agent;
mod server;
mod world;

pub use agent::{Agent, Departure, Fragment, Via};
pub use server::{SHARED, SharedServer};
pub use world::{AgentId, World};
