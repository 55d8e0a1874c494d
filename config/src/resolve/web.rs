//! What browsers meet: HTTP, the ICE servers handed out, queue and sessions.

use super::without_repetition;
use crate::error::Invalid;
use crate::parse::{header_name, host, limit, number, seconds, socket_addr};
use crate::reader::Reader;
use crate::types::{HttpSettings, IceSettings, SignalingSettings};
use crate::{AllowedOrigins, IceUrl, Origin};

pub(super) fn http(reader: &mut Reader) -> HttpSettings {
    HttpSettings {
        listen: without_repetition(reader.many_or("none", "http-listen", socket_addr)),
        allowed_origins: allowed_origins(reader),
        client_ip_header: reader.optional("client-ip-header", header_name),
        page: !reader.switch("no-page"),
        max_websockets: reader.one("max-websockets", number(1..=10_000_000)),
    }
}

fn allowed_origins(reader: &mut Reader) -> AllowedOrigins {
    let any = |text: &str| if text == "*" { Ok(None) } else { text.parse().map(Some) };
    let origins = reader.many_or("none", "allowed-origin", any);
    if origins.contains(&None) && origins.len() > 1 {
        let bad =
            Invalid::new("has * among others, which allows all", "give * alone or leave it out");
        reader.reject("allowed-origin", bad);
    }
    match origins.into_iter().collect::<Option<Vec<Origin>>>() {
        None => AllowedOrigins::Any,
        Some(list) => AllowedOrigins::List(without_repetition(list)),
    }
}

pub(super) fn ice(reader: &mut Reader) -> IceSettings {
    /// Firefox warns of five or more.
    const MOST: usize = 4;
    let urls = without_repetition(reader.many("ice-url", str::parse::<IceUrl>));
    if urls.len() > MOST {
        let fix = format!("give {MOST} or fewer: browsers slow down with more");
        reader.reject("ice-url", Invalid::new("has too many URLs", fix));
    }
    if !urls.is_empty() && reader.is_set("ice-host") {
        reader.warn("ice-host is not used: ice-url gives the URLs".to_owned());
    }
    IceSettings {
        host: reader.optional("ice-host", host),
        ttl: reader.one("ice-ttl", seconds(60..=86_400)),
        urls,
        requests_per_minute: reader.one("ice-requests-per-minute", limit),
    }
}

pub(super) fn signaling(reader: &mut Reader) -> SignalingSettings {
    SignalingSettings {
        queue_timeout: reader.one("queue-timeout", seconds(1..=86_400)),
        session_lifetime: reader.one("session-lifetime", seconds(1..=604_800)),
        heartbeat_interval: reader.one("heartbeat-interval", seconds(1..=300)),
        max_message_bytes: reader.one("max-message-bytes", number(1024..=1_048_576)),
    }
}
