//! Connections, pairs and wire messages of the signaling relay, without I/O.
//!
//! [`Hub`] is a state machine. Its caller owns the sockets, the clock and the matcher:
//!
//! 1. Tell it what happened: [`Hub::connect`], [`Hub::handle_message`], [`Hub::disconnect`], ...
//! 2. Drain [`Hub::poll_output`] until it returns `None` and carry out each [`Output`].
//! 3. Drain [`Hub::poll_match_request`] and give each [`MatchRequest`] to a matcher; what that answers goes to
//!    [`Hub::queued`], [`Hub::matched`] or [`Hub::expired`], after which both are drained again.
//! 4. At [`Hub::poll_timeout`], call [`Hub::handle_timeout`], then drain again.
//!
//! `now` is the time since any fixed origin; it never goes back.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod budgets;
mod close;
mod config;
mod deadlines;
mod hub;
mod ice;
mod ids;
mod limit;
mod output;
mod refusal;
mod wire;

pub use close::CloseCode;
pub use config::{Config, DEFAULT_POOL, MAX_POOL_LEN, MAX_USER_LEN};
pub use hub::Hub;
pub use ice::{IceGrant, IceServer, IceServers};
pub use ids::{ConnectionId, Origin, SessionId, TicketId};
pub use limit::Rate;
pub use output::{EndReason, Event, MatchRequest, MessageKind, Output, Seek};
pub use refusal::ErrorCode;
