//! Errors of a call that are another packet's: on a socket that [reports errors](super::options::report_errors), what ICMP says
//! of one datagram fails the next call, whatever that is.

use std::io;

/// Whether a call failed because of an ICMP message about something that was sent before, which says nothing of the call:
/// it can be tried again.
pub(super) fn is_about_something_else(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EACCES
        )
    )
}
