//! A TURN client that prepares allocations for the load: many at a time, all alike.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hairpin_stun::{
    AttributeType, Class, Key, Message, Method, TransactionId, Writer, decode, rest_password,
};

use crate::engine::SECRET;
use crate::socket::{Socket, Transport};

/// The only channel number the load needs: every client binds one channel.
pub(crate) const CHANNEL: u16 = 0x4000;
/// Requests that are on their way at a time: few enough for every engine's receive buffer.
const PIPELINE: usize = 32;
/// Times a UDP request is sent before it is given up.
const ATTEMPTS: usize = 5;

/// One client with its allocation.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
    /// The relayed transport address the server gave us.
    pub(crate) relayed: SocketAddr,
    username: String,
    /// Realm, nonce and key, once the server has told us the first two.
    login: Option<Login>,
}

#[derive(Debug)]
struct Login {
    realm: String,
    nonce: Vec<u8>,
    key: Key,
}

impl Client {
    fn connect(transport: Transport, server: SocketAddr, username: &str) -> Result<Self> {
        let socket = Socket::connect(transport, server)?;
        // Not a relayed address yet, and nobody sees it before the answer replaces it.
        Ok(Self { socket, relayed: server, username: username.to_owned(), login: None })
    }

    /// A request with what `build` adds, signed once the client knows its realm.
    fn request(
        &self,
        method: Method,
        id: TransactionId,
        build: impl FnOnce(&mut Writer<'_>),
    ) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 1024];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, id);
        build(&mut writer);
        if let Some(login) = &self.login {
            writer
                .text(AttributeType::USERNAME, &self.username)
                .text(AttributeType::REALM, &login.realm)
                .bytes(AttributeType::NONCE, &login.nonce)
                .integrity(login.key.as_ref());
        }
        let len = writer.finish()?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// Waits for the answer to `request`, and sends it again over UDP when none comes.
    fn await_answer(&self, id: TransactionId, request: &[u8]) -> Result<Vec<u8>> {
        let mut buffer = [0; 2048];
        for _ in 0..ATTEMPTS {
            match self.socket.receive_message(&mut buffer) {
                Ok(bytes) if parse(bytes)?.transaction_id() == id => return Ok(bytes.to_vec()),
                Ok(_late_answer) => {}
                Err(error) if self.may_repeat(&error) => self.socket.send(request)?,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("no answer to {ATTEMPTS} requests")
    }

    fn may_repeat(&self, error: &std::io::Error) -> bool {
        let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        timed_out && self.socket.transport() == Transport::Udp
    }

    fn learn_login(&mut self, challenge: &Message<'_>) -> Result<()> {
        let realm = challenge.get(AttributeType::REALM).and_then(decode::text);
        let realm = realm.context("a challenge without REALM")?.to_owned();
        let nonce =
            challenge.get(AttributeType::NONCE).context("a challenge without NONCE")?.to_vec();
        let mut space = [0; 28];
        let password = rest_password(SECRET.as_bytes(), &self.username, &mut space);
        let key = Key::long_term(&self.username, &realm, password);
        self.login = Some(Login { realm, nonce, key });
        Ok(())
    }

    fn learn_relayed(&mut self, success: &Message<'_>) -> Result<()> {
        let value = success.get(AttributeType::XOR_RELAYED_ADDRESS).context(refusal(success))?;
        self.relayed =
            decode::xor_address(value, success.transaction_id()).context("bad address")?;
        Ok(())
    }
}

impl Client {
    /// Asks the server for this client's own address, and waits for the answer.
    pub(crate) fn ask_binding(&self) -> Result<()> {
        ask_binding(&self.socket).map(drop)
    }
}

/// Sends a Binding request and returns the length of the success that comes back.
pub(crate) fn ask_binding(socket: &Socket) -> Result<usize> {
    socket.send(&binding_request()?)?;
    let mut buffer = [0; 1500];
    let arrived = socket.receive_message(&mut buffer).context("no answer")?;
    expect_success(&parse(arrived)?)?;
    Ok(arrived.len())
}

/// A Binding request.
pub(crate) fn binding_request() -> Result<Vec<u8>> {
    let mut packet = vec![0; 64];
    let id = TransactionId(*b"where am I ?");
    let len = Writer::new(&mut packet, Class::Request, Method::BINDING, id).finish()?;
    packet.truncate(len);
    Ok(packet)
}

/// Connects `count` clients and allocates for each: a challenge, then a signed request.
pub(crate) fn allocate(
    transport: Transport,
    server: SocketAddr,
    count: usize,
) -> Result<Vec<Client>> {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
    let username = format!("{expiry}:bench");
    let connect = |_| Client::connect(transport, server, &username);
    let mut clients = (0..count).map(connect).collect::<Result<Vec<_>>>()?;
    let udp = |_: usize, writer: &mut Writer<'_>| {
        writer.requested_transport(17);
    };
    ask_all(&mut clients, Method::ALLOCATE, udp, Client::learn_login)?;
    ask_all(&mut clients, Method::ALLOCATE, udp, Client::learn_relayed)?;
    Ok(clients)
}

/// Binds [`CHANNEL`] of client i to `peers[i]`, which also installs the permission.
pub(crate) fn bind_channels(clients: &mut [Client], peers: &[SocketAddr]) -> Result<()> {
    let build = |index: usize, writer: &mut Writer<'_>| {
        writer.channel_number(CHANNEL).xor_address(AttributeType::XOR_PEER_ADDRESS, peers[index]);
    };
    ask_all(clients, Method::CHANNEL_BIND, build, |_, answer| expect_success(answer))
}

/// Permits client i's allocation to exchange indications with `peers[i]`.
pub(crate) fn permit(clients: &mut [Client], peers: &[SocketAddr]) -> Result<()> {
    let build = |index: usize, writer: &mut Writer<'_>| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peers[index]);
    };
    ask_all(clients, Method::CREATE_PERMISSION, build, |_, answer| expect_success(answer))
}

/// Gives every client's allocation another ten minutes.
pub(crate) fn refresh(clients: &mut [Client]) -> Result<()> {
    let build = |_: usize, writer: &mut Writer<'_>| {
        writer.u32(AttributeType::LIFETIME, 600);
    };
    ask_all(clients, Method::REFRESH, build, |_, answer| expect_success(answer))
}

/// The request that ends a client's allocation.
pub(crate) fn delete_request(client: &Client) -> Result<Vec<u8>> {
    client.request(Method::REFRESH, next_id(), |writer| {
        writer.u32(AttributeType::LIFETIME, 0);
    })
}

/// Whether a message says that an allocation is gone: deleted now, or by the same request sent before.
pub(crate) fn says_gone(message: &[u8]) -> Result<bool> {
    let message = parse(message)?;
    let code = message.get(AttributeType::ERROR_CODE).and_then(decode::error_code);
    Ok(message.class() == Class::Success || matches!(code, Some((437, _))))
}

/// Makes the same request for every client, [`PIPELINE`] of them at a time.
fn ask_all(
    clients: &mut [Client],
    method: Method,
    build: impl Fn(usize, &mut Writer<'_>),
    read: impl Fn(&mut Client, &Message<'_>) -> Result<()>,
) -> Result<()> {
    let mut first = 0;
    for chunk in clients.chunks_mut(PIPELINE) {
        let mut requests = Vec::with_capacity(chunk.len());
        for (offset, client) in chunk.iter().enumerate() {
            let id = next_id();
            let request = client.request(method, id, |writer| build(first + offset, writer))?;
            client.socket.send(&request)?;
            requests.push((id, request));
        }
        for (client, (id, request)) in chunk.iter_mut().zip(&requests) {
            let answer = client.await_answer(*id, request);
            answer
                .and_then(|answer| read(client, &parse(&answer)?))
                .with_context(|| format!("{method:?} from {:?}", client.socket))?;
        }
        first += chunk.len();
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Message<'_>> {
    Message::parse(bytes).map_err(|error| anyhow!("an answer that is no STUN: {error:?}"))
}

fn expect_success(answer: &Message<'_>) -> Result<()> {
    ensure!(answer.class() == Class::Success, refusal(answer));
    Ok(())
}

/// What an answer that should have been a success says instead.
fn refusal(answer: &Message<'_>) -> String {
    match answer.get(AttributeType::ERROR_CODE).and_then(decode::error_code) {
        Some((code, reason)) => format!("the server answers {code} {reason}"),
        None => format!("the server answers {:?} without what was asked for", answer.class()),
    }
}

/// A transaction ID this process has not used. It need not be hard to guess here.
fn next_id() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut id = *b"benc........";
    id[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    TransactionId(id)
}
