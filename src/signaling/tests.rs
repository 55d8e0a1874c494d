//! Sockets and the hub's task, without HTTP in front.

mod cuts;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hairpin_signaling::{CloseCode, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;
use tungstenite::Message;
use tungstenite::protocol::Role;

use super::driver::Driver;
use super::{HubHandle, Limits, Visitor, socket};
use crate::clock::Clock;
use crate::ice::{IceIssuer, IceUrls, Listening};
use crate::identity::Verifier;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// Nothing here takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: Limits = Limits { max_message_bytes: 64 * 1024 };

/// What the kernel would keep for a client that does not read.
const PIPE: usize = 4096;

struct Site {
    hub: HubHandle,
    metrics: Arc<Metrics>,
    supervisor: Supervisor,
    /// Makes the hub's task panic.
    poison: CancellationToken,
}

impl Site {
    fn start() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let (clock, metrics) = (Clock::start(), Arc::new(Metrics::new(0)));
        let relay = [SocketAddr::from(([127, 0, 0, 1], 3478))];
        let settings = hairpin_config::Config::default().ice;
        let relay = Listening { udp: &relay, tcp: &relay, tls: &[] };
        let ice = Arc::new(IceIssuer::new(&settings, None, b"north", relay, clock));
        let open = hairpin_config::Config::default().identity;
        let tokens = Arc::new(Verifier::new(&open, metrics.clone()).expect("no URL"));
        let (supervisor, poison) = (Supervisor::default(), CancellationToken::new());
        let (inputs, receiver) = mpsc::channel(16);
        let driver = Driver::new(config, &[], ice, tokens, metrics.clone(), clock).run(receiver);
        let poisoned = poison.clone();
        supervisor.task("the hub", async move {
            tokio::select! {
                () = driver => {}
                () = poisoned.cancelled() => panic!("poisoned"),
            }
        });
        let hub = HubHandle::new(inputs, metrics.clone(), clock);
        Self { hub, metrics, supervisor, poison }
    }

    /// A client, and the task that serves it.
    async fn client(&self) -> (Client, JoinHandle<()>) {
        let (theirs, ours) = duplex(PIPE);
        let hub = self.hub.clone();
        let served = tokio::spawn(async move {
            socket::serve(ours, Vec::new(), visitor(), &hub, LIMITS).await;
        });
        (Client(WebSocketStream::from_raw_socket(theirs, Role::Client, None).await), served)
    }
}

/// Somebody from afar who is told no URLs.
fn visitor() -> Box<Visitor> {
    let address = Ipv4Addr::new(192, 0, 2, 1).into();
    Box::new(Visitor { address, ice: IceUrls::default(), identity: None })
}

struct Client(WebSocketStream<DuplexStream>);

impl Client {
    async fn join(&mut self, user: &str) {
        self.say(json!({ "type": "join_queue", "data": { "userId": user } })).await;
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("still open");
    }

    /// Writes bytes below the protocol.
    async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.expect("still open");
    }

    /// The types of what it hears next, pings left out; a close is named by its code.
    async fn hear(&mut self) -> String {
        loop {
            match patiently(self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    return message["type"].as_str().expect("a string").to_owned();
                }
                Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code).to_string(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not hang")
}

#[tokio::test]
async fn a_hub_that_fails_is_noticed_and_its_clients_are_told_so() {
    let site = Site::start();
    let (mut ada, ada_served) = site.client().await;
    let (mut bob, _) = site.client().await;
    ada.join("ada").await;
    assert_eq!(ada.hear().await, "queued");
    assert!(!site.supervisor.has_failed());

    site.poison.cancel();
    assert_eq!(ada.hear().await, "1011");
    assert_eq!(bob.hear().await, "1011");
    assert_eq!(patiently(site.supervisor.failed()).await, "the hub panicked: poisoned");
    assert!(site.supervisor.has_failed());
    let (mut late, _) = site.client().await;
    assert_eq!(late.hear().await, "1011");
    drop(ada);
    patiently(ada_served).await.expect("a client that leaves is let go");
}

#[tokio::test]
async fn an_ack_follows_what_is_said_and_comes_though_nothing_is() {
    let site = Site::start();
    let (mut ada, _) = site.client().await;
    ada.say(json!({ "type": "hello", "data": { "userId": "ada" } })).await;
    assert_eq!(ada.hear().await, "welcome");
    ada.say(json!({ "type": "join_queue", "id": 1 })).await;
    assert_eq!([ada.hear().await, ada.hear().await], ["queued", "ack"]);
    ada.say(json!({ "type": "leave_queue", "id": 2 })).await;
    assert_eq!(ada.hear().await, "ack");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_told_of_a_failure() {
    let site = Site::start();
    let (mut slow, _) = site.client().await;
    let (mut fast, _) = site.client().await;
    slow.join("slow").await;
    assert_eq!(slow.hear().await, "queued");
    fast.join("fast").await;
    let found = patiently(fast.0.next()).await.expect("open").expect("no error");
    let found: Value = serde_json::from_str(found.to_text().expect("text")).expect("JSON");
    let session = &found["payload"]["sessionId"];
    let signal = json!({ "sessionId": session, "signal": "x".repeat(1000) });
    loop {
        tokio::select! {
            biased;
            heard = fast.hear() => break assert_eq!(heard, "partner_left"),
            () = std::future::ready(()) => {}
        }
        fast.say(json!({ "type": "signal", "data": signal })).await;
    }
    assert_eq!(slow.hear().await, "match_found");
    let mut last = slow.hear().await;
    while last == "signal" {
        last = slow.hear().await;
    }
    assert_eq!(last, CloseCode::SlowReader.code().to_string());
}

#[tokio::test]
async fn what_came_with_the_handshake_is_read_first() {
    let site = Site::start();
    let (theirs, ours) = duplex(PIPE);
    let hub = site.hub.clone();
    // Half a frame, which is completed by what comes later.
    let frame = [&[0x81, 0x80 | 17, 0, 0, 0, 0][..], br#"{"type":"dance"} "#].concat();
    let (early, later) = frame.split_at(9);
    let early = early.to_vec();
    tokio::spawn(async move { socket::serve(ours, early, visitor(), &hub, LIMITS).await });
    let mut client = Client(WebSocketStream::from_raw_socket(theirs, Role::Client, None).await);
    client.0.get_mut().write_all(later).await.expect("sent");
    assert_eq!(client.hear().await, "error");
}

/// However far it got, and however alive it is: what is unfinished is kept in memory.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_begun_is_finished_in_time_or_is_the_end() {
    const FRAGMENT: &[u8] = &[0x01, 0x80 | 3, 0, 0, 0, 0, b'{', b'"', b't'];
    const FRAME: &[u8] = &[0x81, 0x80 | 126, 0xFF, 0xFF, 0, 0, 0, 0, b'{'];
    const HEADER: &[u8] = &[0x81, 0x80 | 126, 0xFF];
    const PING: &[u8] = &[0x89, 0x80 | 126, 0, 125];
    const PONG: &[u8] = &[0x8A, 0x80, 0, 0, 0, 0];
    let site = Site::start();
    for begun in [FRAGMENT, FRAME, HEADER, PING] {
        let (mut client, served) = site.client().await;
        let since = Instant::now();
        client.write(begun).await;
        let close = loop {
            tokio::select! {
                said = client.0.next() => if let Some(Ok(Message::Close(close))) = said {
                    break close.expect("a code");
                },
                () = tokio::time::sleep(Duration::from_secs(7)) => client.write(PONG).await,
            }
            assert!(since.elapsed() < Duration::from_secs(120), "{begun:?} may stay");
        };
        assert_eq!(u16::from(close.code), CloseCode::SlowSender.code(), "{begun:?}");
        assert_eq!(since.elapsed().as_secs(), 30, "{begun:?}");
        drop(client);
        served.await.expect("it is over");
    }
    let counted = "hairpin_websocket_closes_total{code=\"4002\"} 4";
    assert!(site.metrics.text().contains(counted), "{}", site.metrics.text());
}

#[tokio::test(start_paused = true)]
async fn every_message_has_its_own_time() {
    const FIRST: &[u8] = &[0x01, 0x80 | 1, 0, 0, 0, 0, b'{'];
    const REST: &[u8] = &[0x80, 0x80 | 1, 0, 0, 0, 0, b'}'];
    let site = Site::start();
    let (mut client, _) = site.client().await;
    client.write(FIRST).await;
    for _ in 0..10 {
        // Time alone is waited for here.
        tokio::time::sleep(Duration::from_secs(20)).await;
        client.write(&[REST, FIRST].concat()).await;
        assert_eq!(client.hear().await, "error");
    }
}

#[tokio::test]
async fn a_silent_client_costs_little() {
    let site = Site::start();
    let (_, ours) = duplex(PIPE);
    let served = socket::serve(ours, Vec::new(), visitor(), &site.hub, LIMITS);
    // Every connection has one of these for as long as it lasts.
    assert!(size_of_val(&served) <= 1344, "{}", size_of_val(&served));
}
