//! Places for connections: bounded, and shared fairly between those who want them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hairpin_turn::{FairShare, Network};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bounded number of places, of which a network gets its share.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    shares: Arc<Mutex<FairShare<Network>>>,
    refused: Arc<AtomicU64>,
}

/// One place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    network: Network,
    places: Places,
}

impl Places {
    /// `per_network` replaces a network's fair share; `refused` counts who got none.
    pub(crate) fn new(
        capacity: usize,
        per_network: Option<usize>,
        refused: Arc<AtomicU64>,
    ) -> Self {
        let shares = FairShare::new(capacity).at_most(per_network);
        Self { shares: Arc::new(Mutex::new(shares)), refused }
    }

    /// A place for somebody at this address, if there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        self.take_for(Network::of(address))
    }

    /// A place for somebody in this network, if there is one.
    pub(crate) fn take_for(&self, network: Network) -> Option<Place> {
        if !self.shares().admit(network) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Place { network, places: self.clone() })
    }

    /// Places that a network may hold which is alone.
    pub(crate) fn most_of_a_network(&self) -> usize {
        self.shares().most()
    }

    /// Whether nobody at all can have a place.
    pub(crate) fn are_taken(&self) -> bool {
        self.shares().is_full()
    }

    fn shares(&self) -> MutexGuard<'_, FairShare<Network>> {
        // Its methods leave it consistent even if its holder panics afterwards.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.shares().release(&self.network);
    }
}

/// What a connection holds for as long as it is open.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// One of the process's descriptors.
    pub(crate) descriptor: Option<OwnedSemaphorePermit>,
    /// A place among its like.
    pub(crate) place: Option<Place>,
}

/// How many connections there may be, of all kinds and of each.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    /// A permit for every descriptor that connections may take.
    descriptors: Arc<Semaphore>,
    no_descriptor: Arc<AtomicU64>,
    pub(crate) turn_tcp: Places,
    /// HTTP connections that are no WebSockets.
    pub(crate) http: Places,
    pub(crate) websockets: Places,
}

/// What [`Budgets`] are made of.
pub(crate) struct BudgetSetup {
    /// Connections of all kinds.
    pub(crate) connections: usize,
    pub(crate) websockets: usize,
    /// In place of a fair share.
    pub(crate) per_network: Option<usize>,
    /// A proxy's clients all have the proxy's address, until they have asked for something.
    pub(crate) behind_proxy: bool,
    /// Counters of who was refused, in the order of [`REFUSED`].
    pub(crate) refused: [Arc<AtomicU64>; REFUSED.len()],
}

/// What a connection was refused for.
pub(crate) const REFUSED: [&str; 4] = ["descriptors", "turn_tcp", "http", "websocket"];

/// HTTP connections that have not become WebSockets; each costs a few KiB and a file descriptor.
const HTTP: usize = 8192;

impl Budgets {
    pub(crate) fn new(setup: BudgetSetup) -> Self {
        let BudgetSetup { connections, websockets, per_network, behind_proxy, refused } = setup;
        let [no_descriptor, turn_tcp, http, websocket] = refused;
        let per_http = if behind_proxy { Some(usize::MAX) } else { per_network };
        Self {
            descriptors: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            no_descriptor,
            turn_tcp: Places::new(connections, per_network, turn_tcp),
            http: Places::new(connections.min(HTTP), per_http, http),
            websockets: Places::new(connections.min(websockets), per_network, websocket),
        }
    }

    /// For tests that are not about them.
    #[cfg(test)]
    pub(crate) fn plenty() -> Self {
        Self::new(BudgetSetup {
            connections: Semaphore::MAX_PERMITS,
            websockets: 1,
            per_network: None,
            behind_proxy: false,
            refused: Default::default(),
        })
    }

    /// What a connection from or to a peer holds that was opened for a client in this network: as much as one more of the
    /// client's own, and counted as such.
    pub(crate) fn for_peer(&self, client: Network) -> Option<Held> {
        let descriptor = Some(self.descriptor()?);
        Some(Held { descriptor, place: Some(self.turn_tcp.take_for(client)?) })
    }

    /// Leave to keep a descriptor that was accepted, if there are enough left for the relay.
    pub(crate) fn descriptor(&self) -> Option<OwnedSemaphorePermit> {
        let descriptor = self.descriptors.clone().try_acquire_owned().ok();
        if descriptor.is_none() {
            self.no_descriptor.fetch_add(1, Ordering::Relaxed);
        }
        descriptor
    }
}

/// How many connections there may be with so many open files, of which the relay may want so many for itself: it gets
/// them, or half of all.
pub(crate) fn connections_within(open_files: Option<u64>, relay_sockets: usize) -> usize {
    /// Listeners, epoll sets, files.
    const OTHERS: usize = 256;
    let Some(open_files) = open_files else { return Semaphore::MAX_PERMITS };
    let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
    open_files - (relay_sockets + OTHERS).min(open_files / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_and_who_gets_none_is_counted() {
        let refused = Arc::<AtomicU64>::default();
        let places = Places::new(100, Some(2), refused.clone());
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().expect("an address"));
        let held = [places.take(one), places.take(one)].map(|place| place.expect("there is room"));
        assert!(places.take(one).is_none() && places.take(other).is_some());
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        drop(held);
        assert!(places.take(one).is_some() && !places.are_taken());
    }

    #[test]
    fn the_relay_has_its_descriptors_or_half_of_them() {
        assert_eq!(connections_within(Some(400), 16_384), 200);
        assert_eq!(connections_within(Some(100_000), 16_384), 83_360);
        assert!(connections_within(None, 16_384) > 1_000_000);
    }
}
