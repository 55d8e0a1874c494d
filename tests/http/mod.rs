//! HTTP, WebSockets and metrics as the assembled server serves them. What a request may say, and every
//! way in which a client may misbehave, is tested beside the code in `src/http/tests/`.

mod crowd;
#[cfg(feature = "https")]
mod keys_by_tls;
mod ports;
#[cfg(feature = "tls")]
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hairpin::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Nothing here takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on loopback, with ports of the system's choice.
async fn server() -> Server {
    let server = Server::builder()
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "127.0.0.1:0")
        .set("shutdown-timeout", "5");
    server.start().await.expect("loopback has free ports")
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not hang")
}

/// The status and the body of a GET.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header ends with an empty line");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// A WebSocket client.
struct Client<S = TcpStream>(WebSocketStream<S>);

impl Client {
    async fn open(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        let handshake = tokio_tungstenite::client_async(format!("ws://{address}{path}"), stream);
        Self(patiently(handshake).await.expect("a WebSocket").0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn join(&mut self, user: &str) {
        let join = json!({ "type": "join_queue", "data": { "userId": user } });
        patiently(self.0.send(Message::text(join.to_string()))).await.expect("sent");
    }

    /// The payload of the next message of this type; others are skipped.
    async fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let message = patiently(self.0.next()).await.expect("still open").expect("no error");
            let Message::Text(text) = message else { continue };
            let mut message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] == kind {
                return message["payload"].take();
            }
        }
    }

    /// Reads until the server closes, and says with which status code.
    async fn closed(mut self) -> u16 {
        loop {
            match patiently(self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                end => panic!("closed without a status code: {end:?}"),
            }
        }
    }
}
