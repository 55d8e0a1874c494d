//! The TURN server (RFC 8656) as a state machine without I/O.
//!
//! [`Server`] is one shard: the caller feeds it datagrams and time, and carries out what it asks
//! for. It holds no socket, no clock, no entropy and no lock, so a 300-second timer is tested in
//! microseconds and a worker thread owns its shard outright.
//!
//! 1. Receive a datagram into a buffer with [`HEADROOM`] bytes before it and [`TAILROOM`] after it: a
//!    [`PacketBuf`]. A stream is cut into such packets by [`hairpin_stun::Reader`].
//! 2. Call [`Server::handle_client`] (from a client) or [`Server::handle_peer`] (on a relay socket).
//! 3. Send the [`Forward`] it returns, if any.
//! 4. Drain [`Server::poll_output`] until it returns `None`.
//! 5. Answer each [`Output::BindRelay`] with [`Server::handle_relay_bound`], then drain again.
//! 6. At [`Server::poll_timeout`], call [`Server::handle_timeout`], then drain again.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocation;
mod allocations;
mod answer_limit;
mod bandwidth;
mod channels;
mod connections;
mod credentials;
mod event;
mod fair_share;
mod forward;
mod gate;
mod icmp;
mod indication_ids;
mod ip_range;
mod key_hasher;
mod methods;
mod nonce;
mod output;
mod own_addresses;
mod permissions;
mod policy;
mod pseudonym;
mod quota;
mod refusal;
mod replies;
mod reservations;
mod route;
mod rules;
mod server;
pub mod shared;
mod slab;
mod stream_deadlines;
mod terms;
mod tickets;
mod types;

pub use hairpin_stun::{HEADROOM, OwnedPacket, PacketBuf, TAILROOM};

pub use bandwidth::{Bandwidth, Rate};
pub use credentials::{Credentials, RestCredentials, rest_credentials};
pub use event::{DropReason, Event, ReleaseReason, RequestMethod};
pub use fair_share::{FairShare, Network};
pub use forward::{Forward, Fragmentation, Target};
pub use icmp::IcmpError;
pub use ip_range::{IpRange, IpRangeError};
pub use nonce::Features;
pub use output::{
    BindError, Bound, ConnectReach, Output, Path, PathChange, RelayTransport, Wanted, WantedPort,
};
pub use own_addresses::{OwnAddresses, RelayedAddresses};
pub use policy::PeerPolicy;
pub use pseudonym::{Holder, Pseudonyms};
pub use quota::{QuotaLedger, Quotas};
pub use refusal::Refusal;
pub use reservations::{ReservationToken, Reservations};
pub use rules::{Anonymity, Mobility, Rules, TcpRelay};
pub use server::Server;
pub use stream_deadlines::StreamDeadlines;
pub use types::*;
