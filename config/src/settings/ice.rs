//! The ICE servers handed out.

use std::num::NonZeroU32;
use std::time::Duration;

use super::without_repetition;
use crate::check::Violations;
use crate::error::Invalid;
use crate::host::Host;
use crate::ice_url::IceUrl;
use crate::parser::{Parser, positive, seconds};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::host;
use crate::types::{Config, IceSettings};

pub(crate) const ICE_HOST: Setting<Host, Optional> =
    Setting::optional("ice-host", "HOST", Parser::Text(host))
        .absent("the first `domain`, or else the host the browser used")
        .help("Host in the URLs clients are given, and of the origin that is this server's own");

pub(crate) const ICE_URL: Setting<IceUrl, Many> =
    Setting::many("ice-url", "URL", Parser::Text(str::parse))
        .absent("made from the sockets")
        // Firefox warns of five or more.
        .at_most(4)
        .help("URL clients are given as it is");

pub(crate) const ICE_TTL: Setting<Duration> =
    Setting::one("ice-ttl", "SECONDS", seconds(60..=86_400))
        .default("600")
        .help("How long issued credentials are good for");

pub(crate) const ICE_REQUESTS_PER_MINUTE: Setting<NonZeroU32> =
    Setting::one("ice-requests-per-minute", "COUNT", positive())
        .default("60")
        .help("Requests of `/v1/ice` per client address before 429");

pub(super) const GROUP: Group = Group {
    title: "ICE servers handed out",
    settings: &[
        ICE_HOST.about(),
        ICE_URL.about(),
        ICE_TTL.about(),
        ICE_REQUESTS_PER_MINUTE.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> IceSettings {
    IceSettings {
        host: reader.get(&ICE_HOST),
        urls: without_repetition(reader.get(&ICE_URL)),
        ttl: reader.get(&ICE_TTL),
        requests_per_minute: reader.get(&ICE_REQUESTS_PER_MINUTE),
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let ice = &config.ice;
    if let Some(most) = ICE_URL.at_most.filter(|most| ice.urls.len() > *most) {
        let fix = format!("give {most} or fewer: browsers slow down with more");
        violations.reject(&ICE_URL, Invalid::new("has too many URLs", fix));
    }
    if let Some(Err(invalid)) = ice.host.as_ref().map(|host| ICE_HOST.parse(host.as_str())) {
        violations.reject(&ICE_HOST, invalid);
    }
    violations.bounds(&ICE_TTL, &ice.ttl);
}

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    if !config.ice.urls.is_empty() && config.ice.host.is_some() {
        warnings.push("ice-host is not used: ice-url gives the URLs".to_owned());
    }
}
