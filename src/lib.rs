//! hairpin: one process that gets two people into a WebRTC call from any network.
//!
//! A TURN/STUN server, a WebSocket signaling relay and an in-memory matcher between them. The `hairpin`
//! command is a thin shell around this library:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = hairpin::Server::builder()
//!     .set("listening-ip", "127.0.0.1")
//!     .set("listening-port", "0")
//!     .set("alt-listening-port", "none")
//!     .set("http-listen", "127.0.0.1:0")
//!     .set("admin-listen", "none")
//!     .start()
//!     .await?;
//! println!("open http://{}", server.addresses().http[0]);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the only one that touches sockets, clocks, entropy and tasks. What it drives are state machines:
//! [`hairpin_turn`], and [`hairpin_lobby`] with [`hairpin_signaling`] in it.
#![deny(unsafe_op_in_unsafe_fn)]

mod builder;
mod clock;
mod error;
mod front;
mod http;
mod ice;
mod listen;
mod metrics;
mod net;
mod relay;
mod server;
mod signaling;
mod summary;
mod supervisor;

pub use builder::Builder;
pub use error::StartError;
pub use server::{Addresses, Server};
