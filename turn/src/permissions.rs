//! Permissions: which peers may reach a client (RFC 8656 s9).

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::Refusal;

/// "The Permission Lifetime MUST be 300 seconds" (RFC 8656 s9).
const LIFETIME: Duration = Duration::from_secs(300);

/// The permissions of one allocation, found by IP address; ports are ignored (RFC 8656 s9).
///
/// A call has one to a few, so this is a vector and a search along it. What is expired counts as
/// absent wherever it is looked at, and leaves when something is installed: no timers.
#[derive(Debug, Default)]
pub(crate) struct Permissions(Vec<Permission>);

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    expires: Duration,
}

impl Permissions {
    /// Whether the peer has a live permission.
    pub(crate) fn admit(&self, now: Duration, ip: IpAddr) -> bool {
        self.0.iter().any(|permission| permission.ip == ip && now < permission.expires)
    }

    /// Whether none is kept, not even one that is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not over, and their ends.
    pub(crate) fn live(&self, now: Duration) -> impl Iterator<Item = (IpAddr, Duration)> {
        let live = self.0.iter().filter(move |permission| now < permission.expires);
        live.map(|permission| (permission.ip, permission.expires))
    }

    /// Gives every one of `peers` a permission for its full lifetime, or none of them any if that
    /// makes more than `limit` (RFC 8656 s10.2). Calls `changed` once for each, with its end before,
    /// if it had one, and now.
    pub(crate) fn install(
        &mut self,
        now: Duration,
        peers: &[IpAddr],
        limit: usize,
        mut changed: impl FnMut(IpAddr, Option<Duration>, Duration),
    ) -> Result<(), Refusal> {
        let expires = now + LIFETIME;
        self.0.retain(|permission| now < permission.expires);
        let before = self.0.len();
        for &ip in peers {
            if self.0.iter().any(|permission| permission.ip == ip) {
                continue;
            }
            if self.0.len() >= limit {
                self.0.truncate(before);
                return Err(Refusal::InsufficientCapacity);
            }
            reserve_tightly(&mut self.0);
            self.0.push(Permission { ip, expires });
        }
        let (old, new) = self.0.split_at_mut(before);
        for permission in old.iter_mut().filter(|permission| peers.contains(&permission.ip)) {
            changed(permission.ip, Some(permission.expires), expires);
            permission.expires = expires;
        }
        for permission in new {
            changed(permission.ip, None, expires);
        }
        Ok(())
    }
}

/// Makes room for one more: first for one alone, then by doubling. Most allocations need one of a
/// kind, for which a vector left to itself takes room for four.
pub(crate) fn reserve_tightly<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact(items.len().max(1));
    }
}
