//! The messages on the wire: JSON text, `{"type","data"}` from clients, `{"type","payload"}` to them.

mod decode;
mod encode;

pub(crate) use decode::{ClientMessage, decode};
pub(crate) use encode::ServerMessage;
