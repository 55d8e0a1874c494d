//! An app of the first wire and its server.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::interop::DEADLINE;

/// What such an app knows.
const TYPES: [&str; 6] =
    ["queued", "match_found", "signal", "partner_left", "queue_timeout", "error"];

/// A server, and names that nobody has had there.
pub(super) struct Place {
    server: hairpin::Server,
    named: AtomicU64,
}

/// Somebody's app.
pub(super) struct App {
    pub(super) name: String,
    socket: WebSocketStream<TcpStream>,
}

impl Place {
    /// With these settings beside what every test has.
    pub(super) async fn open(settings: &[(&str, &str)]) -> Self {
        let builder = hairpin::Server::builder()
            .set("listening-ip", "127.0.0.1")
            .set("listening-port", "0")
            .set("alt-listening-port", "none")
            .set("relay-ip", "127.0.0.1")
            .set("http-listen", "127.0.0.1:0")
            .set("admin-listen", "127.0.0.1:0");
        let builder =
            settings.iter().fold(builder, |builder, (name, value)| builder.set(name, *value));
        let server = builder.start().await.expect("loopback has free ports");
        Self { server, named: AtomicU64::new(0) }
    }

    fn name(&self) -> String {
        format!("user-{}", self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// Two names.
    pub(super) fn names(&self) -> [String; 2] {
        [self.name(), self.name()]
    }

    /// Somebody new.
    pub(super) async fn app(&self) -> App {
        let address = self.server.addresses().http[0];
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let opened = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream);
        let (socket, _) = timeout(DEADLINE, opened).await.expect("in time").expect("a WebSocket");
        App { name: self.name(), socket }
    }

    /// What somebody new is told who may not join so.
    pub(super) async fn refuses(&self, join: Value) -> String {
        let mut app = self.app().await;
        app.joins(join).await;
        let mut error = app.hears("error").await;
        assert_eq!(error["code"], "invalid_field", "{error}");
        assert_eq!(error["temporary"], false, "{error}");
        match error["message"].take() {
            Value::String(message) => message,
            other => panic!("{other}"),
        }
    }
}

impl App {
    pub(super) async fn says(&mut self, message: Value) {
        let sent = self.socket.send(Message::text(message.to_string()));
        timeout(DEADLINE, sent).await.expect("sent in time").expect("sent");
    }

    /// `join_queue`, by its own name unless the fields say another.
    pub(super) async fn joins(&mut self, mut fields: Value) {
        match fields["userId"].as_str() {
            Some(name) => self.name = name.into(),
            None => fields["userId"] = json!(self.name),
        }
        self.says(json!({ "type": "join_queue", "data": fields })).await;
    }

    /// The next message: its type, and what it says.
    pub(super) async fn listens(&mut self) -> (String, Value) {
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await;
            let message = message.unwrap_or_else(|_| panic!("{} hears nothing", self.name));
            let Message::Text(text) = message.expect("still open").expect("no error") else {
                continue;
            };
            let mut message: Value = serde_json::from_str(&text).expect("JSON");
            let kind = message["type"].as_str().expect("a type").to_owned();
            assert!(TYPES.contains(&&*kind), "{} does not know {text}", self.name);
            return (kind, message["payload"].take());
        }
    }

    /// The next message of this type; `queued` may come before it at any time.
    pub(super) async fn hears(&mut self, kind: &str) -> Value {
        loop {
            let (heard, payload) = self.listens().await;
            if heard == kind {
                return payload;
            }
            assert_eq!(heard, "queued", "{} waits for {kind}: {payload}", self.name);
        }
    }

    /// It waits, and is told where.
    pub(super) async fn is_queued(&mut self) -> Value {
        let place = self.hears("queued").await;
        let number = |name: &str| place[name].as_u64().unwrap_or_else(|| panic!("{place}"));
        assert!((1..=number("waiting")).contains(&number("position")), "{place}");
        place
    }

    /// Both are told of each other.
    pub(super) async fn meets(&mut self, other: &mut App) -> String {
        // At once: who does not listen does not answer when it is asked whether it is there.
        let (mine, theirs) = tokio::join!(self.hears("match_found"), other.hears("match_found"));
        assert_eq!([&mine["partnerId"], &theirs["partnerId"]], [&*other.name, &*self.name]);
        assert_eq!(mine["sessionId"], theirs["sessionId"]);
        mine["sessionId"].as_str().expect("a session").to_owned()
    }

    /// Who has just joined meets one who waits, or is told that it waits, too. Then both leave.
    pub(super) async fn meets_or_leaves(mut self, waits: &mut App) -> bool {
        let (kind, payload) = self.listens().await;
        let met = match &*kind {
            "match_found" => {
                assert_eq!(payload["partnerId"], waits.name);
                assert_eq!(waits.hears("match_found").await["partnerId"], self.name);
                true
            }
            "queued" => false,
            _ => panic!("{kind}: {payload}"),
        };
        waits.says_goodbye().await;
        self.leaves().await;
        met
    }

    /// Leaves, whatever it is doing; the server has heard that when this returns.
    pub(super) async fn leaves(mut self) {
        self.says_goodbye().await;
    }

    async fn says_goodbye(&mut self) {
        self.says(json!({ "type": "end_session" })).await;
        self.says(json!({ "type": "leave_queue" })).await;
        // What is refused is refused after all that came before it.
        self.says(json!({ "type": "goodbye" })).await;
        loop {
            let (kind, payload) = self.listens().await;
            if kind == "error" && payload["code"] == "unknown_type" {
                return;
            }
        }
    }
}
