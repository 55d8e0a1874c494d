//! Our own addresses, and names to bind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use hairpin_config::BindHost;
use hairpin_turn::{Family, IpRange};

use super::netlink;

/// Resolves where to bind. A name may stand for several addresses.
///
/// # Errors
/// What the resolver says.
pub(crate) fn resolve(host: &BindHost) -> io::Result<Vec<IpAddr>> {
    match host {
        BindHost::Ip(ip) => Ok(vec![*ip]),
        BindHost::Name(name) => {
            let mut ips: Vec<_> =
                (name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect();
            ips.dedup();
            Ok(ips)
        }
    }
}

/// For each family the address packets to the internet leave from, or else the first that other hosts could reach; for a
/// machine that has none at all loopback, which serves two tabs on it.
pub(crate) fn detect_relay_ips() -> Vec<IpAddr> {
    let own = own_addresses();
    let first_of =
        |family| own.iter().copied().find(|ip| Family::of(*ip) == family && is_reachable(*ip));
    let of = |family| routed_source(family).or_else(|| first_of(family));
    let found: Vec<IpAddr> = [Family::V4, Family::V6].into_iter().filter_map(of).collect();
    if found.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { found }
}

/// Every address of this machine's interfaces, as far as they can be had.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    interface_addresses().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list this machine's addresses");
        Vec::new()
    })
}

/// Everything that this machine takes for itself: what its interfaces have, and what is routed to it besides.
///
/// # Errors
/// What the system says when it is out of something. Where the one or the other can never be had, as in some sandboxes,
/// the rest will do.
pub(crate) fn own_ranges() -> io::Result<Vec<IpRange>> {
    let interfaces = interface_addresses().or_else(without)?;
    let routes = netlink::local_routes().or_else(without)?;
    Ok(interfaces.into_iter().map(IpRange::from).chain(routes).collect())
}

fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
}

fn without<T>(error: io::Error) -> io::Result<Vec<T>> {
    const NEVER: [i32; 6] = [
        libc::EACCES,
        libc::EAFNOSUPPORT,
        libc::EINVAL,
        libc::EOPNOTSUPP,
        libc::EPERM,
        libc::EPROTONOSUPPORT,
    ];
    match error.raw_os_error() {
        Some(code) if NEVER.contains(&code) => Ok(Vec::new()),
        _ => Err(error),
    }
}

/// Asks the routing table. Connecting a UDP socket sends nothing; the targets are documentation addresses.
fn routed_source(family: Family) -> Option<IpAddr> {
    let (local, target): (IpAddr, IpAddr) = match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        Family::V6 => {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1).into())
        }
    };
    let socket = UdpSocket::bind((local, 0)).ok()?;
    socket.connect(SocketAddr::new(target, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| is_reachable(*ip))
}

fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_an_address_and_it_can_be_bound() {
        let ips = detect_relay_ips();
        assert!(!ips.is_empty());
        for ip in ips {
            UdpSocket::bind((ip, 0)).expect("it is an address of this machine");
        }
    }

    #[test]
    fn an_address_resolves_to_itself_and_a_name_through_the_resolver() {
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(resolve(&BindHost::Ip(ip)).expect("nothing to resolve"), [ip]);
        let named = resolve(&BindHost::Name("localhost".into())).expect("in every hosts file");
        assert!(named.iter().all(IpAddr::is_loopback) && !named.is_empty());
    }
}
