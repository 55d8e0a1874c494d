//! Connections, pairs and wire messages of the signaling relay, without I/O.
//!
//! [`Hub`] is a state machine. Its caller owns the sockets, the clock and the matcher:
//!
//! 1. Tell it what happened: [`Hub::connect`], [`Hub::handle_message`], [`Hub::disconnect`], ...
//! 2. Drain [`Hub::poll_output`] until it returns `None` and carry out each [`Output`].
//! 3. Drain [`Hub::poll_match_request`] and give each [`MatchRequest`] to a matcher; what that answers goes to
//!    [`Hub::queued`], [`Hub::offered`], [`Hub::matched`], [`Hub::lapsed`] or [`Hub::expired`], after which both are
//!    drained again.
//! 4. At [`Hub::poll_timeout`], call [`Hub::handle_timeout`], then drain again.
//!
//! `now` is the time since 1970 as it was when the process started, by a clock that never goes back: tokens for other
//! servers hold times.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod admin;
mod attributes;
mod budgets;
mod close;
mod config;
mod deadlines;
mod hub;
mod ice;
mod identity;
mod ids;
mod keys;
mod limit;
mod output;
mod record;
mod refusal;
mod tokens;
mod wire;

pub use admin::{Denied, Doing, LiveSession, PastReport, PushedProfile, Restored, Whereabouts};
pub use attributes::{Declaration, Declared, SCALE};
pub use close::CloseCode;
pub use config::{Config, MAX_POOL_LEN, MAX_USER_LEN};
pub use hairpin_matcher::{Place, Ticket, TicketId};
pub use hub::Hub;
pub use ice::{IceGrant, IceServer, IceServers};
pub use identity::{BadToken, ClaimedWishes, Identity, Naming, Outside, Tokens};
pub use ids::{ConnectionId, NodeId, NotASession, Origin, SessionId};
pub use keys::Keys;
pub use limit::Rate;
pub use output::{
    Departure, EndReason, Event, MatchRequest, MessageKind, Output, PartnerNews, Protocol,
    RemotePartner, Return,
};
pub use record::Record;
pub use refusal::ErrorCode;
pub use tokens::Role;
