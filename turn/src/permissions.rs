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

    /// Whether every one of `peers` may have a permission besides those there are. `peers` are in order, each once.
    pub(crate) fn has_room(&self, now: Duration, peers: &[IpAddr], limit: usize) -> bool {
        let others = self.live(now).filter(|(ip, _)| peers.binary_search(ip).is_err());
        others.count() + peers.len() <= limit
    }

    /// Gives every one of `peers` a permission for its full lifetime, or none of them any if that
    /// makes more than `limit` (RFC 8656 s10.2). Calls `changed` once for each, with its end before,
    /// if it had one, and now. `peers` are in order, each once.
    pub(crate) fn install(
        &mut self,
        now: Duration,
        peers: &[IpAddr],
        limit: usize,
        mut changed: impl FnMut(IpAddr, Option<Duration>, Duration),
    ) -> Result<(), Refusal> {
        let expires = now + LIFETIME;
        self.0.retain(|permission| now < permission.expires);
        let named = |permission: &Permission| peers.binary_search(&permission.ip).is_ok();
        let known = self.0.iter().filter(|permission| named(permission)).count();
        if self.0.len() + peers.len() - known > limit {
            return Err(Refusal::InsufficientCapacity);
        }
        let mut renewed = Vec::with_capacity(known);
        for permission in self.0.iter_mut().filter(|permission| named(permission)) {
            changed(permission.ip, Some(permission.expires), expires);
            permission.expires = expires;
            renewed.push(permission.ip);
        }
        renewed.sort_unstable();
        for &ip in peers.iter().filter(|ip| renewed.binary_search(ip).is_err()) {
            changed(ip, None, expires);
            reserve_tightly(&mut self.0);
            self.0.push(Permission { ip, expires });
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
