//! Setting a server up from a program.

use hairpin_config::Layers;

use crate::{Server, StartError};

/// Settings of a server to be. Nothing is checked before [`Builder::start`], which reports every mistake at once.
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

    /// Starts the server: workers on threads of their own, HTTP and WebSockets on the runtime this is called on.
    /// The process's limit on open files is raised as far as it goes.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, or what the system refuses.
    pub async fn start(self) -> Result<Server, StartError> {
        Server::start(self.layers.resolve().map_err(StartError::Config)?)
    }
}

/// What flags, the environment and a file set, merged by the command.
impl From<Layers> for Builder {
    fn from(layers: Layers) -> Self {
        Self { layers }
    }
}
