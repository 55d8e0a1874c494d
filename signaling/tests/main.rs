//! The hub from outside: what clients send, what they get, and what the matcher hears.

mod docs;
mod harness;
mod lifecycle;
mod limits;
mod model;
mod queue;
mod session;
