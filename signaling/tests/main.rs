//! The hub from outside: what clients send, what they get, and what the matcher hears.

mod away;
mod blocks;
mod callers;
#[path = "../../tests/checked_in.rs"]
mod checked_in;
mod docs;
mod documented;
mod doors;
mod drain;
mod ghosts;
mod golden;
mod harness;
mod identity;
mod lifecycle;
mod limits;
mod model;
mod modes;
mod names;
mod nodes;
mod numbers;
mod old_wire;
mod pair_tokens;
mod place_tokens;
mod queue;
mod recents;
mod records;
mod reports;
mod resume;
mod rooms;
mod session;
mod words;
