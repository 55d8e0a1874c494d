//! hairpin, in process, as the interop tests want it: on loopback, relaying to loopback in both families.

use std::path::PathBuf;
use std::sync::Arc;

use super::authority::Authority;
use super::http::get;
use super::{Account, Transport};

/// The shared secret of every server in these tests.
pub(super) const SECRET: &str = "north";

/// A running hairpin and the static user all of these tests share.
pub(super) struct Hairpin {
    server: hairpin::Server,
    authority: Arc<Authority>,
}

impl Hairpin {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings beside those that all tests have.
    pub(super) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        let path = |path: PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        let builder = settings
            .iter()
            .fold(hairpin::Server::builder(), |builder, (name, value)| builder.set(name, *value));
        let server = builder
            .set("listening-ip", "127.0.0.1")
            .set("cert", path(authority.certificate()))
            .set("pkey", path(authority.key()))
            .set("dtls", "true")
            .set("listening-port", "0")
            .set("alt-listening-port", "none")
            .set("relay-ip", "127.0.0.1")
            .set("relay-ip", "::1")
            .set("allowed-peer-ip", "127.0.0.1")
            .set("allowed-peer-ip", "::1")
            .set("static-auth-secret", SECRET)
            .set("user", "guest:somepassword")
            .set("realm", "interop")
            .set("mobility", "true")
            .set("http-listen", "127.0.0.1:0")
            .set("admin-listen", "127.0.0.1:0")
            .start()
            .await
            .expect("loopback has free ports");
        Self { server, authority: Arc::new(authority) }
    }

    /// The static user, over `transport`.
    pub(super) fn account(&self, transport: Transport) -> Account {
        let addresses = self.server.addresses();
        let listeners = match transport {
            Transport::Udp | Transport::Dtls => &addresses.turn_udp,
            Transport::Tcp | Transport::Tls => &addresses.turn_tcp,
        };
        Account {
            server: listeners[0],
            transport,
            username: "guest".into(),
            password: "somepassword".into(),
            authority: Arc::clone(&self.authority),
        }
    }

    /// Where its WebSockets are.
    pub(super) fn websocket(&self) -> String {
        format!("ws://{}/ws", self.server.addresses().http[0])
    }

    /// The JSON that `GET /v1/ice` gives.
    pub(super) async fn ice(&self) -> serde_json::Value {
        let body = get(self.server.addresses().http[0], "/v1/ice").await;
        serde_json::from_str(&body).expect("/v1/ice is JSON")
    }

    /// The sample of a counter, `name` with its labels exactly as `/metrics` prints it.
    pub(super) async fn counter(&self, name: &str) -> u64 {
        let admin = self.server.addresses().admin.expect("the admin listener is configured");
        let text = get(admin, "/metrics").await;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
            .parse()
            .expect("a counter is a whole number")
    }
}
