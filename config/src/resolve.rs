//! From what was typed to what it means: every setting read, checked alone and against the others.

use std::num::NonZeroUsize;

use crate::error::ConfigErrors;
use crate::layers::Layers;
use crate::reader::Reader;
use crate::report::InForce;
use crate::settings::process::{CONFIG, DRAIN_SPREAD, LOG_LEVEL, SHUTDOWN_TIMEOUT};
use crate::settings::relay::WORKERS;
use crate::settings::{backend, http, ice, identity, relay, signaling, sockets, tls, turn};
use crate::types::Config;

/// A configuration, and where it came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the program runs on.
    pub config: Config,
    pub(crate) in_force: Vec<InForce>,
}

pub(crate) fn resolve(layers: Layers) -> Result<Resolved, ConfigErrors> {
    let mut reader = Reader::new(layers);
    let config = read(&mut reader);
    for violation in config.violations() {
        reader.report(violation);
    }
    let in_force = InForce::all(&reader);
    match reader.errors {
        errors if errors.is_empty() => Ok(Resolved { config, in_force }),
        errors => Err(ConfigErrors(errors)),
    }
}

fn read(reader: &mut Reader) -> Config {
    // The caller has used it by now; it is read here only to be checked.
    reader.get(&CONFIG);
    Config {
        listen: sockets::read(reader),
        relay: relay::read(reader),
        rules: turn::read(reader),
        tls: tls::read(reader),
        http: http::read(reader),
        identity: identity::read(reader),
        ice: ice::read(reader),
        signaling: signaling::read(reader),
        backend: backend::read(reader),
        workers: reader.get(&WORKERS).and_then(NonZeroUsize::new),
        shutdown_timeout: reader.get(&SHUTDOWN_TIMEOUT),
        drain_spread: reader.get(&DRAIN_SPREAD),
        log_level: reader.get(&LOG_LEVEL),
    }
}
