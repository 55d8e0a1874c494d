//! People at their WebSockets.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::patiently;

pub(super) struct Person {
    socket: WebSocketStream<TcpStream>,
}

impl Person {
    pub(super) async fn come(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let url = format!("ws://127.0.0.1:{port}/ws");
        let handshake = tokio_tungstenite::client_async(url, stream);
        Self { socket: patiently(handshake).await.expect("a WebSocket").0 }
    }

    pub(super) async fn say(&mut self, kind: &str, data: Value) {
        let message = json!({ "type": kind, "data": data }).to_string();
        patiently(self.socket.send(Message::text(message))).await.expect("sent");
    }

    /// The payload of the next message of this type; others are skipped.
    pub(super) async fn hear(&mut self, kind: &str) -> Value {
        let mut others = Vec::new();
        loop {
            let message = tokio::time::timeout(super::PATIENCE, self.socket.next()).await;
            let Ok(message) = message else { panic!("no {kind}, but {others:?}") };
            let Message::Text(text) = message.expect("still open").expect("no error") else {
                continue;
            };
            let mut message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] == kind {
                return message["payload"].take();
            }
            others.push(text);
        }
    }
}

/// Two who meet, and their session.
pub(super) async fn pair(port: u16, names: [&str; 2]) -> ([Person; 2], String) {
    let mut both = [Person::come(port).await, Person::come(port).await];
    for (person, name) in both.iter_mut().zip(names) {
        person.say("join_queue", json!({ "userId": name })).await;
    }
    let session = both[0].hear("match_found").await["sessionId"].clone();
    assert_eq!(both[1].hear("match_found").await["sessionId"], session);
    (both, session.as_str().expect("an id").to_owned())
}
