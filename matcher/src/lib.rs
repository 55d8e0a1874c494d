//! Tickets in, matches out: the waiting room as a state machine without I/O.
//!
//! 1. [`Matcher::insert`] a ticket, [`Matcher::remove`] it, or [`Matcher::acknowledge`] what it was offered.
//! 2. At [`Matcher::poll_timeout`], call [`Matcher::handle_timeout`].
//! 3. After either, drain [`Matcher::poll_output`].
//!
//! It knows no connections and no clock: `now` is the time since any fixed origin, and never goes back. So
//! it can be swapped for one that many servers share.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arena;
mod index;
mod kinds;
mod lookers;
mod matcher;
mod meets;
mod names;
mod offers;
mod places;
mod profile;
mod queue;
mod rooms;
mod rules;
mod search;
mod sketch;
mod ticket;
mod tickets;
mod timers;

pub use matcher::Matcher;
pub use rules::{Attribute, Band, Kind, Rules};
pub use ticket::{
    Match, Mode, Output, Place, Profile, Recent, Seeks, Ticket, TicketId, User, Value, Waited,
};
