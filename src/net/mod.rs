//! What the process must find out about its network before it can start, and about a connection before
//! it can be served.

mod addresses;
mod async_io;
mod budget;
mod connection;
mod limit;
mod netlink;

pub(crate) use addresses::{detect_relay_ips, own_addresses, own_ranges, resolve};
pub(crate) use async_io::AsyncIo;
pub(crate) use budget::{BudgetSetup, Budgets, Held, Place, Places, REFUSED, connections_within};
pub(crate) use connection::{Connection, Io, canonical};
pub(crate) use limit::{AddressLimit, network};
pub(crate) use netlink::AddressWatch;
