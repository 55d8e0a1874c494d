//! The HTTP server over real sockets, without the relay's workers in front.

mod about;
mod documents;
mod http2;
mod ice;
mod identity;
mod pages;
mod sessions;
mod sockets;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hairpin_config::Config;
use hairpin_signaling::CloseCode;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use super::Web;
use crate::clock::Clock;
use crate::ice::{IceIssuer, Listening};
use crate::identity::Verifier;
use crate::metrics::Metrics;
use crate::net::{BudgetSetup, Budgets, Connection, Held, Io};
use crate::signaling::{self, HubHandle};
use crate::supervisor::Supervisor;

/// Nothing here takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than an idle connection is given, and less than its whole life.
const LONGEST: Duration = Duration::from_secs(60);

/// A server for one test.
struct Site {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    hub: HubHandle,
    tokens: Arc<Verifier>,
    stop: CancellationToken,
    web: JoinHandle<()>,
}

impl Site {
    /// Starts with the default settings, changed as the test needs.
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let clock = Clock::start();
        let metrics = Arc::new(Metrics::new(0));
        let relay = [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3478))];
        let relay = Listening { udp: &relay, tcp: &relay, tls: &[] };
        let ice = Arc::new(IceIssuer::new(&config.ice, None, b"north", relay, clock));
        let tokens = Verifier::new(&config.identity, metrics.clone()).expect("it can be asked");
        let tokens = Arc::new(tokens);
        if let Some(keys) = tokens.key_set() {
            tokio::spawn(keys.clone().keep_fresh());
        }
        let hub = signaling::start(
            config.signaling.clone(),
            &[],
            ice.clone(),
            tokens.clone(),
            metrics.clone(),
            clock,
            &Supervisor::default(),
        );
        let budgets = Budgets::new(BudgetSetup {
            connections: 10_000,
            websockets: config.http.max_websockets,
            per_network: config.listen.max_connections_per_address,
            behind_proxy: config.http.client_ip_header.is_some(),
            refused: metrics.refused_connections(),
        });
        let web = Web::new(&config, ice, hub.clone(), tokens.clone(), &budgets);

        let socket = TcpSocket::new_v4().expect("a socket");
        // Accepted sockets inherit it: a client that does not read is soon noticed.
        socket.set_send_buffer_size(4096).expect("a small send buffer");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let listener = socket.listen(64).expect("listening");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(accept(listener, web.clone()));
        let stop = CancellationToken::new();
        let web = tokio::spawn(web.run(stop.clone(), Duration::ZERO));
        Self { address, metrics, hub, tokens, stop, web }
    }

    /// Sends a request line and headers, and reads the whole answer.
    async fn request(&self, request_line: &str, headers: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        let mut request = format!("{request_line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str("Host: call.example:8080\r\n");
        }
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).await.expect("sent");
        let mut answer = String::new();
        patiently(stream.read_to_string(&mut answer)).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a header ends with an empty line");
        Answer { head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[]).await
    }

    /// Opens a WebSocket.
    async fn client(&self, path: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        self.client_on(stream, path).await
    }

    async fn client_on(&self, stream: TcpStream, path: &str) -> Client {
        let url = format!("ws://{}{path}", self.address);
        let handshake = tokio_tungstenite::client_async(url, stream);
        Client(patiently(handshake).await.expect("a WebSocket").0)
    }

    /// Opens a WebSocket through a proxy, which says where the client is.
    async fn client_from(&self, address: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        stream.set_nodelay(true).expect("a healthy socket");
        let mut request = format!("ws://{}/ws", self.address).into_client_request().expect("a URL");
        let address = address.parse().expect("a header's value");
        request.headers_mut().insert("x-forwarded-for", address);
        let handshake = tokio_tungstenite::client_async(request, stream);
        Client(patiently(handshake).await.expect("a WebSocket").0)
    }

    /// The value of a series in `/metrics`.
    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics.text();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }
}

/// Stands in for the front door, which does the same and tells protocols apart.
async fn accept(listener: TcpListener, web: Web) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        let mut already_read = vec![0; 2048];
        let read = patiently(stream.read(&mut already_read)).await;
        let read = read.expect("every test sends a request");
        already_read.truncate(read);
        let local = stream.local_addr().expect("a connected socket has an address");
        let io = Io::Tcp(stream.into_std().expect("a healthy socket"));
        web.serve(Connection { io, peer, local, already_read, held: Held::default() }).await;
    }
}

/// What a connection says until it ends, which the server does to it: within the time that any may take, also where
/// time is paused and jumps.
async fn until_its_end(mut stream: impl AsyncRead + Unpin) -> (Vec<u8>, io::Result<usize>) {
    let mut said = Vec::new();
    let ended = tokio::time::timeout(LONGEST, stream.read_to_end(&mut said)).await;
    (said, ended.expect("it ends"))
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not hang")
}

/// What came back.
#[derive(Debug)]
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).expect("a status line");
        status.parse().expect("a number")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("an error has a code").to_owned()
    }
}

/// The other end of a WebSocket.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn send(&mut self, kind: &str, data: Value) {
        let text = serde_json::json!({ "type": kind, "data": data }).to_string();
        self.send_raw(Message::text(text)).await;
    }

    async fn send_raw(&mut self, message: Message) {
        patiently(self.0.send(message)).await.expect("sent");
    }

    async fn join(&mut self, user: &str) {
        self.send("join_queue", serde_json::json!({ "userId": user, "matchMode": "global" })).await;
    }

    /// The next message, which must be of this type.
    async fn expect(&mut self, kind: &str) -> Value {
        let message = patiently(self.0.next()).await.expect("still open").expect("no error");
        let mut value: Value =
            serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        assert_eq!(value["type"], kind, "{value}");
        value["payload"].take()
    }

    /// Reads until the server closes, and says with which status code.
    async fn closed(&mut self) -> u16 {
        loop {
            match patiently(self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                end => panic!("closed without a status code: {end:?}"),
            }
        }
    }

    async fn closed_as(&mut self, code: CloseCode) {
        assert_eq!(self.closed().await, code.code());
    }
}
