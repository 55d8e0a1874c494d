//! What browsers meet: HTTP, its page and its WebSockets.

use std::net::SocketAddr;

use http::HeaderName;

use super::without_repetition;
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::origin::{AllowedOrigins, Origin};
use crate::parser::{Parser, bounded};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::{header_name, socket_addr};
use crate::types::{Config, HttpSettings};

pub(crate) const HTTP_LISTEN: Setting<SocketAddr, Many> =
    Setting::many("http-listen", "IP:PORT", Parser::Text(socket_addr))
        .or_none()
        .default("[::]:8080")
        .help("Where HTTP is served, beside the TCP ports above; `none` is no HTTP there either; `[::]` takes IPv4 too");

pub(crate) const NO_HTTP_ON_TURN: Setting<bool> = Setting::switch("no-http-on-turn")
    .help("No HTTP on the TURN/STUN ports: it is at `http-listen` alone, where a proxy may have it to itself");

pub(crate) const ADMIN_LISTEN: Setting<SocketAddr, Optional> =
    Setting::optional("admin-listen", "IP:PORT", Parser::Text(socket_addr))
        .or_none()
        .default("127.0.0.1:9478")
        .help("Where metrics and health are served, or `none`");

/// `None` is the word `*`.
pub(crate) const ALLOWED_ORIGIN: Setting<Option<Origin>, Many> =
    Setting::many("allowed-origin", "ORIGIN", Parser::Text(origin_or_any))
        .or_none()
        .default("*")
        .help("Origin of pages that may use this server: `*`, `none` but its own, or these");

pub(crate) const CLIENT_IP_HEADER: Setting<HeaderName, Optional> =
    Setting::optional("client-ip-header", "NAME", Parser::Text(header_name))
        .absent("the connection's address")
        .help("Header in which your proxy puts the client's address; trusted from everyone");

pub(crate) const MAX_WEBSOCKETS: Setting<usize> =
    Setting::one("max-websockets", "COUNT", bounded(1..=10_000_000))
        .default("100000")
        .help("WebSocket connections at a time");

pub(crate) const NO_PAGE: Setting<bool> = Setting::switch("no-page").help("No demo page at `/`");

pub(super) const GROUP: Group = Group {
    title: "HTTP and WebSockets",
    settings: &[
        HTTP_LISTEN.about(),
        NO_HTTP_ON_TURN.about(),
        ADMIN_LISTEN.about(),
        ALLOWED_ORIGIN.about(),
        CLIENT_IP_HEADER.about(),
        MAX_WEBSOCKETS.about(),
        NO_PAGE.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> HttpSettings {
    HttpSettings {
        allowed_origins: allowed_origins(reader),
        client_ip_header: reader.get(&CLIENT_IP_HEADER),
        page: !reader.get(&NO_PAGE),
        max_websockets: reader.get(&MAX_WEBSOCKETS),
    }
}

fn origin_or_any(text: &str) -> Parsed<Option<Origin>> {
    if text == "*" { Ok(None) } else { text.parse().map(Some) }
}

fn allowed_origins(reader: &mut Reader) -> AllowedOrigins {
    let origins = reader.get(&ALLOWED_ORIGIN);
    if origins.contains(&None) && origins.len() > 1 {
        let fix = "give * alone or leave it out";
        reader.reject(&ALLOWED_ORIGIN, Invalid::new("has * among others, which allows all", fix));
    }
    match origins.into_iter().collect::<Option<Vec<Origin>>>() {
        None => AllowedOrigins::Any,
        Some(list) => AllowedOrigins::List(without_repetition(list)),
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    violations.bounds(&MAX_WEBSOCKETS, &config.http.max_websockets);
}
