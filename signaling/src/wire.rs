//! The messages on the wire: JSON text, `{"type","data"}` from clients, `{"type","payload"}` to them.

mod client;
mod decode;
#[cfg(test)]
mod document;
mod encode;

pub(crate) use client::{ClientMessage, Hello, JoinQueue, Resume, SessionRef, Whom};
pub(crate) use decode::{Envelope, decode, invalid, no_user};
pub(crate) use encode::{Match, RestartReason, ServerMessage, TimeoutReason};
