//! Carrying out what the state machine asks for.

use std::rc::Rc;

use hairpin_turn::{
    AllocationId, BindError, Bound, Event, Now, Output, Owner, RelayTransport, Transport, Wanted,
};
use rustix::event::epoll::EventFlags;

use super::super::context::{RelayPort, no_relay_socket};
use super::super::gathered::Gathered;
use super::super::parcel::Way;
use super::super::routes::{RelaySocket, Token, watch};
use super::Shard;
use super::tcp_relay::Diverted;
use crate::metrics::DropReason;

impl Shard {
    /// Carries out what the state machine asks for.
    pub(super) fn settle(&mut self, now: Now, out: &mut Gathered<'_>) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { to, bytes } => match to.transport {
                    Transport::Tcp | Transport::Tls => self.streams.send_answer(&to, &bytes),
                    Transport::Dtls => self.send_dtls(&to, &bytes),
                    Transport::Udp => {
                        if let Some(route) = self.routes.to_client(to) {
                            out.keep(route, &bytes);
                        }
                    }
                },
                Output::BindRelay { id, wanted, owner } => {
                    let bound = match wanted.transport {
                        RelayTransport::Udp => self.bind_relay(id, wanted, &owner),
                        RelayTransport::Tcp => self.listen_for_peers(id, wanted, &owner),
                    };
                    if let Err(error) = bound {
                        self.metrics.allocation_refused(error);
                    }
                    self.core.handle_relay_bound(now, id, bound);
                }
                Output::CloseRelay { id, owner, .. } => {
                    if let Some(shared) = &mut self.shared {
                        shared.release(id);
                    }
                    self.closing.extend(self.routes.remove_relay(id));
                    self.stop_listening(id);
                    self.context.release_quota(&owner);
                }
                Output::Connect { id, via, to, reach } => self.connect(id, via, to, reach),
                Output::Pipe { client, id } => self.begin_pipe(&client, id),
                Output::CloseConnection { id } => self.close_peer(id),
                Output::HandOver { client, shard, frame } if client.transport == Transport::Udp => {
                    self.outbox.push(shard, Way::Client { tuple: client }, 0, &frame);
                }
                Output::Expect { client } => self.expect(client),
                Output::Forget { client } => self.forget(client),
                Output::HandOver { shard, frame, .. } => {
                    self.diverted = Some(Diverted::HandedOver { worker: shard, frame });
                }
                Output::Path { .. } | Output::PathClosed { .. } => {}
                Output::Event(event) => self.count(now, event),
            }
        }
    }

    fn bind_relay(
        &mut self,
        id: AllocationId,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<Bound, BindError> {
        if self.shared.is_some() {
            return self.bind_shared(wanted, owner);
        }
        let RelayPort { claim, socket, reserved } = self.context.bind(self.index, wanted, owner)?;
        if let Err(error) = watch(&self.epoll, &socket, Token::Relay(id.index()), EventFlags::IN) {
            no_relay_socket(&error, None);
            drop(socket);
            self.context.ports.release(claim);
            self.context.release_quota(owner);
            return Err(BindError::Capacity);
        }
        self.routes.add_relay(RelaySocket { id, claim, socket: Rc::new(socket.into()) });
        let bandwidth = self.context.bandwidth(&owner.user);
        Ok(Bound { relayed: self.context.ports.relayed(claim), reserved, bandwidth })
    }

    fn count(&mut self, now: Now, event: Event) {
        match event {
            Event::Allocated { tuple, relayed, user } => {
                self.metrics.allocated();
                tracing::debug!(client = %tuple.client, relayed = %relayed.0, %user, "allocated");
            }
            Event::Moved { from, to, relayed } => {
                self.streams.look_now(&from, now.monotonic);
                tracing::debug!(from = %from.client, to = %to.client, relayed = %relayed.0, "moved");
            }
            Event::Released { tuple, relayed, reason } => {
                self.released += 1;
                self.streams.look_now(&tuple, now.monotonic);
                if let Some(sessions) = &mut self.dtls {
                    sessions.look_now(&tuple, now.monotonic);
                }
                tracing::debug!(client = %tuple.client, relayed = %relayed.0, ?reason, "released");
            }
            Event::Refused { tuple, method, refusal } => {
                self.metrics.refused(method, refusal);
                let (method, code) = (method.name(), refusal.code());
                tracing::debug!(client = %tuple.client, method, code, "refused");
            }
            Event::Challenged { method, .. } => self.metrics.challenged(method),
            Event::BindingAnswered => self.metrics.binding_answered(),
            Event::Dropped(reason) => self.metrics.dropped(DropReason::from(reason), 1),
        }
    }
}
