//! What this machine takes for itself, as its kernel says over rtnetlink(7): the routes of type local. They are the
//! addresses of its interfaces, 127.0.0.0/8, and what a cloud's agent has routed to it without giving it to an interface.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hairpin_turn::IpRange;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tokio::net::UnixDatagram;

/// A part of a dump is at most half as long.
const BUFFER: usize = 64 << 10;

/// How long after a failure to look again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hears of every change of this machine's interfaces and addresses.
///
/// The type is that of another family, because tokio has none for netlink: what it is used for, receiving datagrams, is
/// the same for all.
#[derive(Debug)]
pub(crate) struct AddressWatch(UnixDatagram);

impl AddressWatch {
    /// Changes from now on are heard of. Takes a tokio runtime.
    ///
    /// # Errors
    /// What the system says; a sandbox may permit no such sockets.
    pub(crate) fn open() -> io::Result<Self> {
        const GROUPS: i32 = libc::RTMGRP_LINK
            | libc::RTMGRP_IPV4_IFADDR
            | libc::RTMGRP_IPV6_IFADDR
            | libc::RTMGRP_IPV4_ROUTE
            | libc::RTMGRP_IPV6_ROUTE;
        let socket = socket(SocketFlags::NONBLOCK)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS as u32))?;
        Ok(Self(UnixDatagram::from_std(socket.into())?))
    }

    /// Returns when there may be something new.
    pub(crate) async fn changed(&self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.0.recv(&mut buffer).await {
                Ok(length) => {
                    if messages(&buffer[..length]).any(|message| message.concerns_us()) {
                        return;
                    }
                }
                // There was more to tell than fits: everything may have changed.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return,
                Err(_) => return tokio::time::sleep(PATIENCE).await,
            }
        }
    }
}

/// What is routed to this machine itself.
///
/// # Errors
/// What the system says.
pub(super) fn local_routes() -> io::Result<Vec<IpRange>> {
    let mut routes = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump_routes(family as u8, &mut routes)?;
    }
    Ok(routes)
}

fn dump_routes(family: u8, routes: &mut Vec<IpRange>) -> io::Result<()> {
    let socket = socket(SocketFlags::empty())?;
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Recv,
        Some(PATIENCE),
    )?;
    rustix::net::send(&socket, &dump_request(family), SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let (length, _) = rustix::net::recv(socket.as_fd(), &mut *buffer, RecvFlags::empty())?;
        for message in messages(&buffer[..length]) {
            match i32::from(message.kind) {
                libc::NLMSG_DONE => return Ok(()),
                libc::NLMSG_ERROR => return Err(message.error()),
                _ => routes.extend(message.local_route()),
            }
        }
    }
}

fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    // No protocol is NETLINK_ROUTE.
    Ok(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?)
}

/// Bytes of `struct nlmsghdr` and of `struct rtmsg`.
const HEADER: usize = 16;
const ROUTE: usize = 12;

fn dump_request(family: u8) -> [u8; HEADER + ROUTE] {
    let mut request = [0; HEADER + ROUTE];
    request[..4].copy_from_slice(&((HEADER + ROUTE) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&libc::RTM_GETROUTE.to_ne_bytes());
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request[HEADER] = family;
    request
}

/// A netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message<'b> {
    kind: u16,
    body: &'b [u8],
}

/// The messages in a datagram, up to the first that is cut off.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

impl Message<'_> {
    /// Whether it says that an interface or an address has come, changed or gone. Of routes, of which some machines have a
    /// million, only those to the machine itself matter.
    fn concerns_us(&self) -> bool {
        match self.kind {
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => self.local_route().is_some(),
            _ => true,
        }
    }

    /// The addresses that a route leads to, if that is this machine.
    fn local_route(&self) -> Option<IpRange> {
        let (route, attributes) = self.body.split_at_checked(ROUTE)?;
        let ([family, prefix, ..], kind) = (*route.first_chunk::<2>()?, route[7]);
        let is_route = matches!(self.kind, libc::RTM_NEWROUTE | libc::RTM_DELROUTE);
        if !is_route || !matches!(kind, libc::RTN_LOCAL | libc::RTN_ANYCAST) {
            return None;
        }
        let destination = attribute(attributes, libc::RTA_DST)?;
        let ip = match i32::from(family) {
            libc::AF_INET => IpAddr::from(*destination.first_chunk::<4>()?),
            libc::AF_INET6 => IpAddr::from(*destination.first_chunk::<16>()?),
            _ => return None,
        };
        Some(IpRange::network(ip, u32::from(prefix)))
    }

    /// What the kernel answers instead.
    fn error(&self) -> io::Error {
        let code = self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        io::Error::from_raw_os_error(code.saturating_neg())
    }
}

fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loopback_is_a_network_of_ours() {
        // A sandbox without such sockets has nothing to show here.
        let Ok(routes) = local_routes() else { return };
        let far = IpAddr::from(Ipv4Addr::new(127, 200, 3, 4));
        // Where loopback is up, and only there, one can be bound to it.
        let up = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(routes.iter().any(|range| range.contains(far)), up, "{routes:?}");
    }

    #[test]
    fn a_local_route_is_read_and_others_are_not() {
        let mut bytes = Vec::new();
        for kind in [libc::RTN_LOCAL, libc::RTN_UNICAST] {
            bytes.extend(40_u32.to_ne_bytes());
            bytes.extend(libc::RTM_NEWROUTE.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend([2, 24, 0, 0, 255, 0, 0, kind, 0, 0, 0, 0]);
            bytes.extend(8_u16.to_ne_bytes());
            bytes.extend(libc::RTA_DST.to_ne_bytes());
            bytes.extend([192, 0, 2, 0]);
            bytes.extend([0; 4]);
        }
        let read: Vec<_> = messages(&bytes).map(|message| message.local_route()).collect();
        assert_eq!(read, [Some("192.0.2.0/24".parse().expect("a range")), None]);
        assert!(messages(&bytes).next().expect("two").concerns_us());
        assert!(!messages(&bytes).nth(1).expect("two").concerns_us());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            for message in messages(&bytes) {
                let _ = (message.local_route(), message.concerns_us(), message.error());
            }
        }
    }
}
