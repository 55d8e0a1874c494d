//! Moves bytes between a client core and its sockets.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::time::Instant as StdInstant;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep_until, timeout};
use turn_client_proto::api::{Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::*;
use turn_client_proto::types::stun::attribute::{
    AttributeStaticType, AttributeType, MessageIntegrity, MessageIntegritySha256,
};
use turn_client_proto::types::stun::message::Message;
use turn_client_proto::types::{Instant, TransportType};

use super::socket::{Received, Socket};
use crate::interop::{Account, DEADLINE};

/// A client, its connection to the server, and one more for each TCP connection to a peer (RFC 6062).
pub(super) struct Driver<C> {
    pub(super) client: C,
    account: Account,
    sockets: HashMap<SocketAddr, Socket>,
    received: Receiver<Received>,
    sender: Sender<Received>,
    start: StdInstant,
    /// By which attributes the messages sent were signed.
    pub(super) signed: HashSet<AttributeType>,
}

/// What a step of the driver came to.
enum Step {
    Event(TurnEvent),
    Data { from: SocketAddr, bytes: Vec<u8> },
}

impl<C: TurnClientApi> Driver<C> {
    pub(super) async fn new(
        account: &Account,
        config: TurnConfig,
        allocate: impl FnOnce(SocketAddr, SocketAddr, TurnConfig) -> C,
    ) -> io::Result<Self> {
        let (sender, received) = channel(16);
        let socket = Socket::connect(account, sender.clone()).await?;
        let client = allocate(socket.local, account.server, config);
        let sockets = HashMap::from([(socket.local, socket)]);
        let account = account.clone();
        let (start, signed) = (StdInstant::now(), HashSet::new());
        Ok(Self { client, account, sockets, received, sender, start, signed })
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_std(self.start)
    }

    /// Sends to a peer, and waits for the same from it.
    pub(super) async fn echo(
        &mut self,
        transport: TransportType,
        peer: SocketAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let now = self.now();
        let sent = self.client.send_to(transport, peer, payload, now);
        if let Some(packet) = sent.expect("the peer is permitted") {
            self.send(packet.from, &packet.data.build()).await?;
        }
        assert_eq!(self.data().await?, (peer, payload.to_vec()));
        Ok(())
    }

    pub(super) async fn data(&mut self) -> io::Result<(SocketAddr, Vec<u8>)> {
        match self.step().await? {
            Step::Data { from, bytes } => Ok((from, bytes)),
            Step::Event(event) => panic!("instead of data: {event:?}"),
        }
    }

    pub(super) async fn event(&mut self) -> io::Result<TurnEvent> {
        match self.step().await? {
            Step::Event(event) => Ok(event),
            Step::Data { from, .. } => panic!("instead of an event: data from {from}"),
        }
    }

    async fn step(&mut self) -> io::Result<Step> {
        timeout(DEADLINE, self.next()).await.expect("in time")
    }

    /// Sends, receives and waits until the client has something to say.
    async fn next(&mut self) -> io::Result<Step> {
        loop {
            let deadline = match self.client.poll(self.now()) {
                TurnPollRet::WaitUntil(deadline) => deadline,
                TurnPollRet::AllocateTcpSocket { id, socket, peer_addr } => {
                    let connection = Socket::connect(&self.account, self.sender.clone()).await?;
                    let (local, now) = (Some(connection.local), self.now());
                    self.sockets.insert(connection.local, connection);
                    self.client
                        .allocated_tcp_socket(id, socket, peer_addr, local, now)
                        .expect("it was asked for");
                    continue;
                }
                TurnPollRet::TcpClose { local_addr, .. } => {
                    self.sockets.remove(&local_addr);
                    continue;
                }
                TurnPollRet::Closed => panic!("the client gave up"),
            };
            self.flush().await?;
            if let Some(event) = self.client.poll_event() {
                return Ok(Step::Event(event));
            }
            if let Some(data) = self.client.poll_recv(self.now()) {
                return Ok(Step::Data { from: data.peer, bytes: data.data().to_vec() });
            }
            tokio::select! {
                received = self.received.recv() => {
                    if let Some(data) = self.take(received.expect("the driver holds a sender")) {
                        return Ok(data);
                    }
                }
                () = sleep_until(deadline.to_std(self.start).into()) => {}
            }
        }
    }

    /// Hands the client what came.
    fn take(&mut self, (local, bytes): Received) -> Option<Step> {
        let transport = self.client.transport();
        let received = Transmit::new(bytes, transport, self.client.remote_addr(), local);
        match self.client.recv(received, self.now()) {
            TurnRecvRet::PeerData(data) => {
                Some(Step::Data { from: data.peer, bytes: data.data().to_vec() })
            }
            TurnRecvRet::Handled => None,
            other => panic!("the client makes nothing of what it got: {other:?}"),
        }
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while let Some(packet) = self.client.poll_transmit(self.now()) {
            self.send(packet.from, &packet.data).await?;
        }
        Ok(())
    }

    async fn send(&mut self, from: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if let Ok(message) = Message::from_bytes(bytes) {
            let signatures = [MessageIntegrity::TYPE, MessageIntegritySha256::TYPE];
            self.signed.extend(signatures.into_iter().filter(|one| message.has_attribute(*one)));
        }
        self.sockets.get_mut(&from).expect("one of its sockets").send(bytes).await
    }
}
