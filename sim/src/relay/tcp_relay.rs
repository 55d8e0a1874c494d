//! Connections between TCP relay sockets and peers, as the server has asked for them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hairpin_turn::{
    AllocationId, ConnectReach, ConnectionId, FiveTuple, Output, PeerAddr, RelayedAddr,
};

use super::Relay;

/// What a server has asked to be connected, and what it holds for connected.
#[derive(Clone, Debug, Default)]
pub struct PeerConnections {
    /// Those asked for and neither there nor given up, with where they may go.
    pub under_way: BTreeMap<ConnectionId, (AllocationId, PeerAddr, ConnectReach)>,
    /// Those that are there, with the client's stream if it has come.
    pub open: BTreeMap<ConnectionId, Option<FiveTuple>>,
    /// Those that the server wanted closed.
    pub closed: Vec<ConnectionId>,
    /// Frames of streams that go to another shard, with its number.
    pub handed_over: Vec<(FiveTuple, usize, Vec<u8>)>,
}

impl PeerConnections {
    pub(super) fn hear(&mut self, output: Output) {
        match output {
            Output::Connect { id, via, to, reach } => {
                assert!(
                    self.under_way.insert(id, (via, to, reach)).is_none(),
                    "a number of its own"
                );
                assert!(!self.open.contains_key(&id), "a number of its own");
            }
            Output::Pipe { client, id } => {
                let open = self.open.get_mut(&id).expect("a connection that is there");
                assert_eq!(open.replace(client), None, "a connection has one client");
            }
            Output::CloseConnection { id } => {
                let known = self.under_way.remove(&id).is_some() | self.open.remove(&id).is_some();
                assert!(known, "a connection that is there or under way");
                self.closed.push(id);
            }
            Output::HandOver { client, shard, frame } => {
                self.handed_over.push((client, shard, frame));
            }
            _ => {}
        }
    }
}

impl Relay {
    /// The connection that was asked for with the lowest number is there. False if there is none.
    pub fn connect(&mut self) -> bool {
        let Some((id, _)) = self.connections.under_way.pop_first() else { return false };
        self.connections.open.insert(id, None);
        self.server.handle_connected(self.now, id);
        self.carry_out();
        true
    }

    /// The same, but it has failed.
    pub fn fail_to_connect(&mut self) -> bool {
        let Some((id, _)) = self.connections.under_way.pop_first() else { return false };
        self.server.handle_connection_closed(id);
        self.carry_out();
        true
    }

    /// A peer connects to a relayed address. `None` if it is closed at once.
    pub fn peer_connects(
        &mut self,
        peer: SocketAddr,
        relayed: RelayedAddr,
    ) -> Option<ConnectionId> {
        let via = self.sockets.owner(relayed)?;
        let id = self.server.handle_accepted(self.now, via, PeerAddr(peer));
        if let Some(id) = id {
            assert_eq!(self.connections.open.insert(id, None), None, "a number of its own");
        }
        self.carry_out();
        id
    }

    /// A connection that is there closes.
    pub fn connection_closes(&mut self, id: ConnectionId) {
        if self.connections.open.remove(&id).is_some() {
            self.server.handle_connection_closed(id);
            self.carry_out();
        }
    }
}
