//! Queue, sessions and messages.

use std::time::Duration;

use hairpin_signaling::{Declared, Rate};

use super::matching::{ATTRIBUTE, POOL};

use crate::check::Violations;
use crate::error::Invalid;
use crate::parser::{bounded, seconds};
use crate::reader::Reader;
use crate::setting::{Group, Setting};
use crate::types::Config;

pub(crate) const QUEUE_TIMEOUT: Setting<Duration> =
    Setting::one("queue-timeout", "SECONDS", seconds(1..=86_400))
        .default("120")
        .help("How long one may wait for a partner");

pub(crate) const SESSION_LIFETIME: Setting<Duration> =
    Setting::one("session-lifetime", "SECONDS", seconds(1..=604_800))
        .default("7200")
        .help("How long a session may last");

pub(crate) const HEARTBEAT_INTERVAL: Setting<Duration> =
    Setting::one("heartbeat-interval", "SECONDS", seconds(1..=300))
        .default("25")
        .help("Time between WebSocket pings");

pub(crate) const RESUME_WINDOW: Setting<Duration> =
    Setting::one("resume-window", "SECONDS", seconds(0..=600)).default("30").help(
        "How long the place and the call of a client that has lost its WebSocket are kept for it",
    );

pub(crate) const MAX_MESSAGE_BYTES: Setting<usize> =
    Setting::one("max-message-bytes", "BYTES", bounded(1024..=1_048_576))
        .default("65536")
        .help("Longest message taken from a client");

pub(crate) const JOINS_PER_MINUTE: Setting<u32> =
    Setting::one("joins-per-minute", "COUNT", bounded(1..=60_000)).default("10").help(
        "`join_queue` per user before `too_often`; a client address may do 100 times as many",
    );

pub(crate) const SKIPS_PER_MINUTE: Setting<u32> =
    Setting::one("skips-per-minute", "COUNT", bounded(1..=60_000))
        .default("30")
        .help("`skip` per user before `too_often`; a client address may do 100 times as many");

pub(crate) const ROOM_LIFETIME: Setting<Duration> =
    Setting::one("room-lifetime", "SECONDS", seconds(1..=86_400))
        .default("600")
        .help("How long a room waits for whoever has its code");

pub(crate) const REPORTS_TO_BAR: Setting<usize> = Setting::one(
    "reports-to-bar",
    "COUNT",
    bounded(0..=100),
)
.default("0")
.help(
    "Reports, each by another user, after which a user is not matched for `--bar-time`; 0 is never",
);

pub(crate) const REPORT_WINDOW: Setting<Duration> =
    Setting::one("report-window", "SECONDS", seconds(1..=2_592_000))
        .default("86400")
        .help("How long a report counts for `--reports-to-bar`");

pub(crate) const BAR_TIME: Setting<Duration> =
    Setting::one("bar-time", "SECONDS", seconds(1..=31_536_000))
        .default("86400")
        .help("How long who was reported so often is barred");

pub(super) const GROUP: Group = Group {
    title: "Queue, sessions and messages",
    settings: &[
        QUEUE_TIMEOUT.about(),
        SESSION_LIFETIME.about(),
        HEARTBEAT_INTERVAL.about(),
        RESUME_WINDOW.about(),
        MAX_MESSAGE_BYTES.about(),
        JOINS_PER_MINUTE.about(),
        SKIPS_PER_MINUTE.about(),
        ROOM_LIFETIME.about(),
        REPORTS_TO_BAR.about(),
        REPORT_WINDOW.about(),
        BAR_TIME.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> hairpin_signaling::Config {
    let heartbeat_interval = reader.get(&HEARTBEAT_INTERVAL);
    let max_message_bytes = reader.get(&MAX_MESSAGE_BYTES);
    let longest = u32::try_from(max_message_bytes).expect("bounded to a mebibyte");
    hairpin_signaling::Config {
        queue_timeout: reader.get(&QUEUE_TIMEOUT),
        session_lifetime: reader.get(&SESSION_LIFETIME),
        heartbeat_interval,
        // One lost ping is no death; two are.
        heartbeat_timeout: heartbeat_interval * 2 + Duration::from_secs(10),
        resume_window: reader.get(&RESUME_WINDOW),
        max_message_bytes,
        // A second for each of the longest messages, and eight at once.
        bytes: Rate::new(longest, longest.saturating_mul(8)),
        pools: super::without_repetition(reader.get(&POOL)),
        attributes: Declared(reader.get(&ATTRIBUTE)),
        joins: Rate::per_minute(reader.get(&JOINS_PER_MINUTE)),
        skips: Rate::per_minute(reader.get(&SKIPS_PER_MINUTE)),
        room_lifetime: reader.get(&ROOM_LIFETIME),
        reports_to_bar: reader.get(&REPORTS_TO_BAR),
        report_window: reader.get(&REPORT_WINDOW),
        bar_time: reader.get(&BAR_TIME),
        ..hairpin_signaling::Config::default()
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let signaling = &config.signaling;
    violations.bounds(&QUEUE_TIMEOUT, &signaling.queue_timeout);
    violations.bounds(&SESSION_LIFETIME, &signaling.session_lifetime);
    violations.bounds(&HEARTBEAT_INTERVAL, &signaling.heartbeat_interval);
    violations.bounds(&RESUME_WINDOW, &signaling.resume_window);
    violations.bounds(&MAX_MESSAGE_BYTES, &signaling.max_message_bytes);
    violations.bounds(&ROOM_LIFETIME, &signaling.room_lifetime);
    violations.bounds(&REPORTS_TO_BAR, &signaling.reports_to_bar);
    violations.bounds(&REPORT_WINDOW, &signaling.report_window);
    violations.bounds(&BAR_TIME, &signaling.bar_time);
    super::matching::check(config, violations);
    if (signaling.bytes.burst() as usize) < signaling.max_message_bytes {
        let fix = "give less than the rate of bytes allows at once, or a greater rate";
        violations.reject(&MAX_MESSAGE_BYTES, Invalid::new("is more than may come at once", fix));
    }
    if signaling.heartbeat_timeout <= signaling.heartbeat_interval {
        let fix = "give less than the heartbeat timeout, or a greater timeout";
        violations.reject(&HEARTBEAT_INTERVAL, Invalid::new("outlasts the heartbeat timeout", fix));
    }
}
