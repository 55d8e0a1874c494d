//! Tickets in, matches out: the waiting room as a state machine without I/O.
//!
//! [`Matcher::insert`] either pairs a ticket with the oldest one it may meet, or lets it wait. It holds
//! no clock and no connections, so the signaling hub's driver can swap it for one that many servers share.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod matcher;
mod ticket;

pub use matcher::Matcher;
pub use ticket::{Inserted, Match, Outcome, Ticket, TicketId, Waited};
