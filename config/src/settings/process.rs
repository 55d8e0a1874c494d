//! The process itself.

use std::path::PathBuf;
use std::time::Duration;

use crate::check::Violations;
use crate::parser::{Parser, seconds};
use crate::setting::{Group, Optional, Setting};
use crate::text::log_level;
use crate::types::{Config, LogLevel};

/// The setting that is no setting: where the others are read from.
pub(crate) const CONFIG: Setting<PathBuf, Optional> =
    Setting::optional("config", "FILE", Parser::Text(|path| Ok(PathBuf::from(path))))
        .help("TOML file of settings, keyed by the names above without `--`");

pub(crate) const LOG_LEVEL: Setting<LogLevel> =
    Setting::one("log-level", "LEVEL", Parser::Text(log_level))
        .default("info")
        .help("`off`, `error`, `warn`, `info`, `debug` or `trace`");

pub(crate) const DRAIN_SPREAD: Setting<Duration> =
    Setting::one("drain-spread", "SECONDS", seconds(0..=3600))
        .default("10")
        .help("Time over which a stopping server sends its clients elsewhere, one after the other; half of `shutdown-timeout` at most");

pub(crate) const SHUTDOWN_TIMEOUT: Setting<Duration> =
    Setting::one("shutdown-timeout", "SECONDS", seconds(0..=300))
        .default("10")
        .help("How long a stop may take before connections are cut");

pub(super) const GROUP: Group = Group {
    title: "Process",
    settings: &[CONFIG.about(), LOG_LEVEL.about(), SHUTDOWN_TIMEOUT.about(), DRAIN_SPREAD.about()],
};

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    violations.bounds(&DRAIN_SPREAD, &config.drain_spread);
    violations.bounds(&SHUTDOWN_TIMEOUT, &config.shutdown_timeout);
}
