//! The messages on the wire: JSON text, `{"type","data"}` from clients, `{"type","payload"}` to them.

mod decode;
mod encode;

pub(crate) use decode::{
    ClientMessage, Envelope, Hello, JoinQueue, Resume, SessionRef, decode, invalid, no_user,
};
pub(crate) use encode::{Match, RestartReason, ServerMessage};
