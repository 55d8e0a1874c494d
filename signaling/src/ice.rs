//! How the hub comes by ICE servers without knowing TURN.

use std::time::Duration;

use serde::Serialize;

use crate::{ConnectionId, SessionId};

/// Issues ICE servers to one side of a match.
pub trait IceServers {
    /// Servers, and short-lived credentials of this user's own for this session, for the client behind this connection.
    /// Called once for each side of each match, and whenever it needs new ones.
    fn issue(&mut self, connection: ConnectionId, user: &str, session: SessionId) -> IceGrant;
}

/// What a client is given to reach its partner with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceGrant {
    /// What goes into `RTCConfiguration.iceServers`.
    pub servers: Vec<IceServer>,
    /// How long the credentials are accepted; whole seconds reach the client.
    pub ttl: Duration,
}

/// An `RTCIceServer` (W3C WebRTC s4.2.4), serialised as browsers take it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// The TURN username.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The TURN password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .field("credential", &self.credential.as_ref().map(|_| "(redacted)"))
            .finish()
    }
}
