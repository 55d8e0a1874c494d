//! From what was typed to what it means: each subject's settings read, checked alone and against each other.

mod listeners;
mod relay;
mod turn;
mod web;

use crate::error::ConfigErrors;
use crate::layers::Layers;
use crate::parse::{bind_host, log_level, number, or_none, seconds, socket_addr};
use crate::reader::Reader;
use crate::report::InForce;
use crate::types::{BindHost, Config};

/// A configuration, what to say about it, and where it came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the program runs on.
    pub config: Config,
    /// What is allowed but hardly meant, a sentence each.
    pub warnings: Vec<String>,
    pub(crate) in_force: Vec<InForce>,
}

impl Default for Config {
    /// What is in force when nothing is configured.
    fn default() -> Self {
        Layers::default().resolve().expect("nothing configured is a valid configuration").config
    }
}

pub(crate) fn resolve(layers: Layers) -> Result<Resolved, ConfigErrors> {
    let mut reader = Reader::new(layers);
    let config = config(&mut reader);
    if !reader.errors.is_empty() {
        return Err(ConfigErrors(reader.errors));
    }
    let in_force = InForce::all(&reader);
    Ok(Resolved { config, warnings: reader.warnings, in_force })
}

fn config(reader: &mut Reader) -> Config {
    // The caller has used it by now; it is read here only to be checked.
    reader.optional(crate::table::CONFIG_FILE, |path| Ok(path.to_owned()));
    let listeners = listeners::listeners(reader);
    let relay = relay::relay(reader);
    let http = web::http(reader);
    let admin_listen = reader.one("admin-listen", or_none(socket_addr));
    let listeners = listeners::apart(reader, listeners, &http.listen, admin_listen);
    listeners::warn_of_relay_range(reader, &listeners, &relay.ports);
    Config {
        listeners,
        relay,
        turn: turn::turn(reader),
        http,
        ice: web::ice(reader),
        signaling: web::signaling(reader),
        admin_listen,
        shutdown_timeout: reader.one("shutdown-timeout", seconds(0..=300)),
        workers: reader.optional("workers", number(1..=1024)).and_then(std::num::NonZeroUsize::new),
        log_level: reader.one("log-level", log_level),
    }
}

/// The hosts of a setting, each once.
fn hosts(reader: &mut Reader, name: &'static str) -> Vec<BindHost> {
    without_repetition(reader.many(name, bind_host))
}

fn without_repetition<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(items.len());
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}
