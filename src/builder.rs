//! Setting a server up from text, as the command does.

use hairpin_config::Layers;

use crate::{Listeners, Server, StartError};

/// Settings of a server to be, in text. Nothing is checked before [`Builder::start`], which reports every mistake at
/// once. [`Server::start`] takes settings as values.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    layers: Layers,
}

impl Builder {
    /// Sets what a flag of the command would set, by the flag's name without its dashes; a setting of several values is
    /// set once for each. `docs/configuration.md` lists them.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.layers.set(name, value);
        self
    }

    /// Binds the sockets and starts the server: workers on threads of their own, everything else on the runtime this is
    /// called on.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, or what the system refuses.
    pub async fn start(self) -> Result<Server, StartError> {
        let config = self.layers.resolve().map_err(StartError::Config)?.config;
        let listeners = Listeners::bind(&config)?;
        Server::start(config, listeners)
    }
}

impl Server {
    /// Begins to set up a server from settings in text; without any it is what `hairpin` is without flags.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
