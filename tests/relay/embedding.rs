//! The server inside another program: settings as values, sockets bound before, several at a time, no traces.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hairpin::{
    BindHost, Config, Credentials, IpRange, ListenSettings, Listener, Listeners, PeerPolicy,
    Protocol, RelayAddress, RelaySettings, Rules, Server, StartError, Stats,
};
use hairpin_stun::Key;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::wire::{Client, PATIENCE, Wire, binding, http_get, mapped, receive_from};
use super::{PASSWORD, USER, loopback};

/// Held while the process's limit on open files is changed.
pub(crate) static OPEN_FILES: Mutex<()> = Mutex::const_new(());

#[allow(dead_code, reason = "its main waits for a signal")]
#[path = "../../examples/embed.rs"]
mod example;

/// A server on loopback that relays to loopback.
fn config() -> Config {
    let loopback_range: IpRange = "127.0.0.1".parse().expect("an address is a range");
    let user = (USER.into(), Key::long_term(USER, "test", PASSWORD));
    Config {
        rules: Rules {
            realm: "test".into(),
            credentials: Credentials { users: vec![user], ..Default::default() },
            policy: PeerPolicy::new(vec![loopback_range], vec![]),
            ..Default::default()
        },
        listen: ListenSettings {
            dtls: false,
            nat_discovery: false,
            turn: vec![
                Listener::at(Protocol::Udp, loopback(0)),
                Listener::at(Protocol::Tcp, loopback(0)),
            ],
            http: vec![loopback(0)],
            http_on_turn: true,
            admin: Some(loopback(0)),
            max_connections_per_address: None,
            proxies: Vec::new(),
        },
        relay: RelaySettings {
            addresses: vec![RelayAddress {
                bind: BindHost::Ip(loopback(0).ip()),
                advertised: None,
            }],
            ..Default::default()
        },
        workers: NonZeroUsize::new(2),
        shutdown_timeout: Duration::ZERO,
        ..Default::default()
    }
}

fn start(config: Config) -> Server {
    let listeners = Listeners::bind(&config).expect("loopback has free ports");
    Server::start(config, listeners).expect("the configuration is valid")
}

fn udp() -> UdpSocket {
    UdpSocket::bind(loopback(0)).expect("loopback has free ports")
}

fn tcp() -> TcpListener {
    TcpListener::bind(loopback(0)).expect("loopback has free ports")
}

async fn answers_a_binding(mut wire: Wire) {
    wire.send(&binding(1)).await;
    let answer = wire.receive().await.expect("the connection stays open");
    assert_eq!(mapped(&answer, 1), wire.local());
}

/// Waits until something is so. A port that is freed may be another test's for a while.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so() {
            ticks.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: never"));
}

#[tokio::test]
async fn the_example_serves_and_ends() {
    let visit = async |server: &Server| {
        let page = http_get(server.addresses().http[0], "/").await;
        assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"));
        answers_a_binding(Wire::udp(server.addresses().turn_udp[0]).await).await;
        assert!(server.summary().contains(&server.addresses().http[0].to_string()));
        Ok(())
    };
    assert_eq!(example::run(visit).await.expect("the example runs"), Stats::default());
}

#[tokio::test]
async fn sockets_bound_before_are_served() {
    let (udp, turn, http, admin) = (udp(), tcp(), tcp(), tcp());
    let local = |socket: &TcpListener| socket.local_addr().expect("bound");
    let (udp_address, tcp_addresses) =
        (udp.local_addr().expect("bound"), [&turn, &http, &admin].map(local));
    let listeners = Listeners {
        turn_udp: vec![udp],
        turn_tcp: vec![turn],
        http: vec![http],
        admin: Some(admin),
        ..Default::default()
    };
    let server = Server::start(config(), listeners).expect("they can be served");
    let addresses = server.addresses().clone();
    assert_eq!(addresses.turn_udp, [udp_address]);
    let admin = addresses.admin.expect("it is there");
    assert_eq!([addresses.turn_tcp[0], addresses.http[0], admin], tcp_addresses);
    assert_eq!(http_get(admin, "/readyz").await, "ok\n");
    for tcp in [addresses.turn_tcp[0], addresses.http[0]] {
        assert!(http_get(tcp, "/v1/ice").await.contains("iceServers"));
        answers_a_binding(Wire::tcp(tcp).await).await;
    }
    // Two workers, one socket.
    for _ in 0..8 {
        Client::udp(udp_address).await.allocate().await.expect("there is room");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_of_sockets_on_one_address_is_one_listener() {
    let bind = |address: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("a plain option");
        socket.bind(&address.into()).expect("the port is shared");
        UdpSocket::from(socket)
    };
    let first = bind(loopback(0));
    let address = first.local_addr().expect("bound");
    // One more than there are workers: each must be read, or some clients are never answered.
    let group = vec![first, bind(address), bind(address)];
    let server = Server::start(config(), Listeners { turn_udp: group, ..Default::default() })
        .expect("they can be served");
    assert_eq!(server.addresses().turn_udp, [address]);
    for _ in 0..32 {
        let mut client = Client::udp(address).await;
        client.allocate().await.expect("there is room");
        client.permit(loopback(9)).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn two_servers_live_in_one_process() {
    let (one, other) = (start(config()), start(config()));
    let mut client = Client::udp(one.addresses().turn_udp[0]).await;
    client.allocate().await.expect("there is room");
    answers_a_binding(Wire::udp(other.addresses().turn_udp[0]).await).await;
    until("the allocation counts", || one.stats().allocations == 1).await;
    assert_eq!(other.stats().allocations, 0);
    one.shutdown().await;
    answers_a_binding(Wire::tcp(other.addresses().http[0]).await).await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let tasks_before = tasks();
    let server = start(config());
    let addresses = server.addresses().clone();
    let mut client = Client::tcp(addresses.turn_tcp[0]).await;
    client.allocate().await.expect("there is room");
    let mut websocket = open_websocket(addresses.http[0]).await;
    // Says nothing, and so is still at the front door.
    let silent = TcpStream::connect(addresses.http[0]).await.expect("it listens");
    let scraper = TcpStream::connect(addresses.admin.expect("set")).await.expect("it listens");
    drop(server);

    let free_udp = |address: SocketAddr| UdpSocket::bind(address).is_ok();
    until("the UDP port is free", || free_udp(addresses.turn_udp[0])).await;
    let listening = [addresses.turn_tcp[0], addresses.http[0], addresses.admin.expect("set")];
    for address in listening {
        until("the TCP port is free", || is_free(address)).await;
    }
    assert_eq!(client.wire.receive().await, None, "the TURN stream is closed");
    until("its tasks have ended", || tasks() == tasks_before).await;
    let ended = tokio::time::timeout(PATIENCE, websocket.next()).await.expect("it is closed");
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    for stream in [silent, scraper] {
        let closed = tokio::time::timeout(PATIENCE, stream.readable()).await;
        closed.expect("it is closed").expect("a close can be read");
    }
}

/// Whether nobody listens. A client of the past may still hold the port, which a new listener does not mind.
fn is_free(address: SocketAddr) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a plain option");
    socket.bind(&address.into()).and_then(|()| socket.listen(1)).is_ok()
}

async fn open_websocket(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let opened = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await;
    opened.expect("a WebSocket").0
}

#[tokio::test]
async fn stats_say_what_there_is_and_was() {
    let server = start(config());
    let addresses = server.addresses().clone();
    assert_eq!(server.stats(), Stats::default());

    let mut client = Client::tcp(addresses.turn_tcp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    let peer = tokio::net::UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let peer_address = peer.local_addr().expect("bound");
    client.permit(peer_address).await;
    client.send(peer_address, b"to the peer").await;
    let mut buffer = [0; 64];
    let (length, _) = receive_from(&peer, &mut buffer).await;
    peer.send_to(&buffer[..length], relayed).await.expect("loopback takes it");
    assert_eq!(client.data().await, (peer_address, b"to the peer".to_vec()));
    let mut users = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let mut websocket = open_websocket(addresses.http[0]).await;
        let join = format!(r#"{{"type":"join_queue","data":{{"userId":"{user}"}}}}"#);
        websocket.send(Message::text(join)).await.expect("sent");
        users.push(websocket);
    }

    until("everything is counted", || {
        let stats = server.stats();
        (stats.allocations, stats.turn_tcp_connections, stats.relayed_packets) == (1, 1, 2)
            && stats.relayed_bytes >= 2 * length as u64
            && (stats.websockets, stats.waiting, stats.sessions) == (3, 1, 1)
    })
    .await;
    client.release().await;
    drop(client);
    drop(users);
    until("everybody has left", || {
        let stats = server.stats();
        (stats.allocations, stats.turn_tcp_connections, stats.websockets) == (0, 0, 0)
    })
    .await;
    assert_eq!(server.stats().relayed_packets, 2);
    server.shutdown().await;
}

#[tokio::test]
async fn limits_are_the_hosts() {
    let _alone = OPEN_FILES.lock().await;
    let before = getrlimit(Resource::Nofile);
    let maximum = before.maximum.unwrap_or(1 << 20);
    let lowered = Rlimit { current: Some(maximum - 1), maximum: before.maximum };
    setrlimit(Resource::Nofile, lowered).expect("one may have less");
    let server = start(config());
    assert_eq!(getrlimit(Resource::Nofile).current, Some(maximum - 1));
    server.shutdown().await;
    assert_eq!(hairpin::raise_open_files_limit().expect("up to the maximum"), before.maximum);
    assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
}

#[tokio::test]
async fn values_that_will_not_do_are_refused_by_name() {
    let mut wrong = config();
    wrong.rules.max_channels = 5000;
    wrong.ice.ttl = Duration::ZERO;
    let refused = Server::start(wrong.clone(), Listeners::default()).expect_err("two mistakes");
    let StartError::Config(errors) = &refused else { panic!("{refused}") };
    let fields: Vec<_> = errors.0.iter().map(|error| &*error.field).collect();
    assert_eq!(fields, ["max-channels", "ice-ttl"]);
    assert!(matches!(Listeners::bind(&wrong), Err(StartError::Config(_))));
}

#[test]
fn a_runtime_is_needed() {
    let refused = Server::start(config(), Listeners::default()).expect_err("there is none");
    assert!(matches!(refused, StartError::NoRuntime), "{refused}");
}

#[tokio::test]
async fn a_socket_that_cannot_be_served_is_refused_and_leaves_nothing() {
    let both = Socket::new(Domain::IPV6, Type::DGRAM, None).expect("a socket");
    both.set_only_v6(false).expect("a plain option");
    let any: SocketAddr = "[::]:0".parse().expect("literal");
    both.bind(&any.into()).expect("there are free ports");
    let http = tcp();
    let address = http.local_addr().expect("bound");
    let listeners =
        Listeners { turn_udp: vec![both.into()], http: vec![http], ..Default::default() };
    let refused = Server::start(config(), listeners).expect_err("it takes IPv4 too");
    assert!(refused.to_string().contains("set IPV6_V6ONLY"), "{refused}");
    until("the other sockets are closed", || is_free(address)).await;
}

/// A worker can answer from elsewhere only by a socket of its own.
#[tokio::test]
async fn nat_discovery_takes_a_socket_of_each_worker() {
    let mut config = config();
    config.listen.nat_discovery = true;
    let at = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1", "127.0.0.2:2"];
    config.listen.turn =
        at.map(|address| Listener::at(Protocol::Udp, address.parse().expect("an address"))).into();
    let sockets = Listeners { turn_udp: vec![udp()], ..Default::default() };
    let error = Server::start(config, sockets).expect_err("there is one socket");
    assert!(error.to_string().starts_with("nat-discovery: "), "{error}");
}
