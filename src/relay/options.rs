//! Options of UDP sockets for which there is no safe call elsewhere (ip(7), ipv6(7)).

use std::io;
use std::os::fd::BorrowedFd;

use super::sys::set_option;

/// Asks the kernel to report each datagram's destination, for answers to leave from the address asked
/// (RFC 8489 s6.3.1).
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn report_destination(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Asks the kernel to report each datagram's DSCP and ECN, to be copied (RFC 8656 s15).
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn report_traffic_class(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)
    }
}

/// Lets datagrams that are larger than the path's MTU be fragmented: without DONT-FRAGMENT the relay sends with
/// DF clear (RFC 8656 s14).
///
/// Over IPv4 by the router that must, for the kernel tells nobody of "fragmentation needed" who asks it to look after
/// MTUs itself (`IP_PMTUDISC_DONT`). Over IPv6 no router does, so there the kernel has to.
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn allow_fragments(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
    }
}

/// Has the kernel keep what ICMP says of datagrams that were sent, for who reads the socket's error queue.
///
/// From then on a call that has nothing to do with it, to send or to receive, fails once for each error.
///
/// # Errors
/// What `setsockopt` says.
pub(super) fn report_errors(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)
    }
}

/// Sends with the DF bit set by an IPv4 socket that [allows fragments](allow_fragments) before and after. There is no
/// control message for it.
///
/// The path is asked each time: what the kernel remembers of its MTU anybody may have told it (`IP_PMTUDISC_PROBE`).
///
/// # Errors
/// What `setsockopt` says, and what `send` does.
pub(super) fn unfragmented<T>(
    socket: BorrowedFd<'_>,
    send: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    let sent = send();
    allow_fragments(socket, false)?;
    sent
}
