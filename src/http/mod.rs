//! HTTP: the page, ICE servers, and the way to a WebSocket.
//!
//! There is no listener here. Every TCP port tells protocols apart by the first bytes, and the front door
//! hands the connections that speak HTTP to [`Web::serve`].
//!
//! Routes, methods, CORS and limits on bodies are axum's and tower-http's. What is around them is ours:
//!
//! - Connections are served by hyper here and not by `axum::serve`, which has no bound on how many there are, no
//!   time limit on a header or a connection, and listens itself. Its graceful stop forgets what was upgraded;
//!   ours counts WebSockets with everything else and cuts them when the time is up.
//! - WebSockets are carried by `signaling::socket` and not by `axum::extract::ws`, which with its defaults costs
//!   136 KB a connection (measured), carries HTTP's layers below the frames for as long as the socket is open,
//!   and does not give out the socket itself, from which we read on after the close frame: closed with something
//!   unread it would send a reset, and the client would never learn why.

mod about;
mod access;
pub(crate) mod admin;
mod app;
mod connection;
mod entry;
mod io;
mod operations;
mod page;
mod refusal;
mod routes;
#[cfg(test)]
mod tests;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hairpin_config::Config;

use crate::ice::IceIssuer;
use crate::identity::Verifier;
use crate::net::{Budgets, Connection, Places};
use crate::signaling::{HubHandle, Limits};
use about::About;
use access::Access;
use app::App;
use refusal::Refusal;
use routes::{Page, routes};

/// How long a client that was told to go elsewhere may take to go by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// The HTTP server. Clones are the same server.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    app: Arc<App>,
    router: Router,
    /// For connections that are no WebSockets.
    places: Places,
}

impl Web {
    pub(crate) fn new(
        config: &Config,
        ice: Arc<IceIssuer>,
        hub: HubHandle,
        tokens: Arc<Verifier>,
        budgets: &Budgets,
    ) -> Self {
        let app = Arc::new(App {
            about: About::of(config),
            access: Access::new(config.http.allowed_origins.clone(), config.ice.host.clone()),
            ice,
            tokens,
            client_ip_header: config.http.client_ip_header.clone(),
            hub,
            limits: Limits { max_message_bytes: config.signaling.max_message_bytes },
            sockets: budgets.websockets.clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let page = if config.http.page { Page::Served } else { Page::Absent };
        let router = routes(app.clone(), page);
        Self { app, router, places: budgets.http.clone() }
    }

    /// Serves a connection on a task of its own, if there is room for one more from its address; else says so. After the
    /// stop it closes.
    pub(crate) async fn serve(&self, mut connection: Connection) {
        connection.held.place = self.places.take(connection.peer.ip());
        if connection.held.place.is_none() {
            return connection::refuse(connection).await;
        }
        let (app, router) = (self.app.clone(), self.router.clone());
        if !app.stop.is_cancelled() {
            self.app.spawn(connection::serve(app, router, connection));
        }
    }

    /// Lasts until `stop`; then takes no more connections, has the hub send its clients away within `spread`, and returns
    /// when the last one has gone. How long that may take is for the caller to say: dropping the future cuts what is left.
    pub(crate) async fn run(self, stop: CancellationToken, spread: Duration) {
        let app = self.app;
        let _cut = app.cut.clone().drop_guard();
        stop.cancelled().await;
        app.stop.cancel();
        // Who is given no time is cut at once in any case.
        let grace = if spread.is_zero() { Duration::ZERO } else { FAREWELL };
        app.hub.drain(spread, grace).await;
        app.tasks.close();
        app.tasks.wait().await;
    }
}
