//! STUN and TURN message codec: views over bytes and builders into the caller's buffer.
//!
//! A [`Message`] is a checked view of a received datagram; a [`Writer`] builds one into a buffer of
//! the caller's. Nothing is copied but what is written. The two messages that carry media have
//! shorter paths: a [`PacketBuf`] is a payload with room around it, and a [`Head`] what ChannelData
//! or a Data indication put into that room. A [`Reader`] cuts a byte stream into frames; what such
//! a stream speaks at all is told by [`sniff`], and whose it is behind a proxy by [`proxy_header`].
//!
//! No `std`. `alloc` is for [`Reader`] and [`OwnedPacket`], whose buffers are the only ones here, and for the longer kind of
//! [`Key`].
//!
//! No input makes this crate panic: bytes from strangers give an error or `None`.
//!
//! ```
//! use hairpin_stun::{AttributeType, Class, Message, Method, TransactionId, Writer, decode};
//!
//! let id = TransactionId(*b"abcdefghijkl");
//! let mut buf = [0; 128];
//! let len = Writer::new(&mut buf, Class::Success, Method::BINDING, id)
//!     .xor_address(AttributeType::XOR_MAPPED_ADDRESS, "192.0.2.1:32853".parse().unwrap())
//!     .fingerprint()
//!     .finish()?;
//!
//! let message = Message::parse(&buf[..len])?;
//! assert_eq!(message.class(), Class::Success);
//! let mapped = message.get(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
//! let mapped = decode::xor_address(mapped, message.transaction_id());
//! assert_eq!(mapped, Some("192.0.2.1:32853".parse().unwrap()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: RFC 8489 (STUN), RFC 8656 (TURN), RFC 7983 (first bytes),
//! draft-uberti-behave-turn-rest (REST credentials).
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod attribute;
mod channel;
pub mod decode;
mod demux;
mod error;
mod frame;
mod head;
mod integrity;
mod key;
mod message;
mod opening;
mod packet;
mod proxy_header;
mod reader;
mod writer;

pub use attribute::{Attribute, AttributeType, Attributes};
pub use channel::{CHANNEL_HEADER_LEN, ChannelData, ChannelNumber, ChannelNumbers};
pub use demux::FirstByte;
pub use error::{BufferTooSmall, FramingLost, IntegrityError, ParseError};
pub use frame::{Frame, MAX_FRAME_LEN, next_frame, next_frame_under};
pub use head::Head;
pub use key::{Key, PasswordAlgorithm, rest_password, userhash};
pub use message::{Class, HEADER_LEN, MAGIC_COOKIE, Message, Method, TransactionId};
pub use opening::{Sniffed, sniff};
pub use packet::{HEADROOM, OwnedPacket, PacketBuf, TAILROOM};
pub use proxy_header::{MAX_PROXY_HEADER_LEN, NoProxyHeader, ProxyHeader, proxy_header};
pub use reader::Reader;
pub use writer::Writer;
