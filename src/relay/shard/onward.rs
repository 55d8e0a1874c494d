//! Where a packet goes that the state machine passes on.

use hairpin_turn::{AllocationId, Forward, Now, PeerAddr, Target, Transport};

use super::super::gathered::Route;
use super::super::parcel::Way;
use super::super::stream::Queued;
use super::Shard;
use super::shared::Onward;
use crate::metrics::{Direction, DropReason};

impl Shard {
    /// Passes a packet on to its stream or another worker, or to `send` with its route. It leaves with the DSCP and the ECN
    /// that it came with (RFC 8656 s15).
    pub(super) fn forward<'p>(
        &mut self,
        now: Now,
        forward: Forward<'p>,
        traffic_class: u8,
        send: impl FnOnce(Route, &'p [u8]),
    ) {
        let route = match forward.to {
            Target::Client { tuple, hairpin } => {
                let direction = if hairpin { Direction::Hairpin } else { Direction::ToClient };
                self.metrics.forwarded(direction, forward.wire_len());
                match tuple.transport {
                    Transport::Udp | Transport::Dtls => self.routes.to_client(tuple),
                    Transport::Tcp | Transport::Tls => {
                        if self.streams.send_data(&tuple, &forward) == Queued::Refused {
                            self.metrics.dropped(DropReason::SlowReader, 1);
                        }
                        None
                    }
                }
            }
            Target::Peer { via, to } => self.to_peer(via, to, &forward),
            Target::Shared { via, to } => {
                match self.route_shared(now, via, to, traffic_class, forward) {
                    Some(Onward::Out(route, bytes)) => {
                        return send(Route { traffic_class, ..route }, bytes);
                    }
                    Some(Onward::Here(forward)) => {
                        return self.forward(now, forward, traffic_class, send);
                    }
                    None => return,
                }
            }
            Target::Hairpin { to, from, otherwise } => {
                match (self.context.ports.owner(to), otherwise) {
                    (Some((worker, to)), _) => {
                        let way = Way::Hairpin { to, from };
                        self.outbox.push(worker, way, traffic_class, forward.payload());
                        None
                    }
                    (None, Some(via)) => self.to_peer(via, PeerAddr(to.0), &forward),
                    (None, None) => {
                        self.metrics.dropped(DropReason::NobodyThere, 1);
                        None
                    }
                }
            }
        };
        if let Some(route) = route {
            send(Route { traffic_class, ..route }, forward.into_bytes());
        }
    }

    fn to_peer(&self, via: AllocationId, to: PeerAddr, forward: &Forward<'_>) -> Option<Route> {
        let route = self.routes.to_peer(via, to, forward.fragmentation)?;
        self.metrics.forwarded(Direction::ToPeer, forward.wire_len());
        Some(route)
    }
}
