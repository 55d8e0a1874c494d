//! Certificates: what TLS is served with, and by which of them.
//!
//! They come from files, which are watched. Who accepts TLS asks the resolver, which always has the newest; who is
//! connected already keeps what the handshake was made with.

mod pair;
mod resolver;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use hairpin_config::TlsSettings;
use rustls::crypto::CryptoProvider;
use rustls::server::ResolvesServerCert;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error::StartError;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;
use pair::Age;
use resolver::Resolver;
use source::Source;
use status::Status;
pub(crate) use status::Trouble;
use watch::Watch;

/// The certificates of a server. Clones are the same; with the last one the watch over them ends.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    resolver: Arc<Resolver>,
    status: Arc<Status>,
    again: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Certificates {
    /// Reads what the settings name, and watches it. `None`: they name nothing, and there is no TLS.
    ///
    /// # Errors
    /// A file that cannot be read or used, by its setting; or this build has no TLS.
    pub(crate) fn start(
        settings: &TlsSettings,
        metrics: &Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<Option<Self>, StartError> {
        let Some(first) = settings.files.first() else { return Ok(None) };
        let provider = Self::provider().ok_or_else(|| StartError::Certificates {
            setting: "cert",
            path: first.cert.clone(),
            problem: "this build has no TLS".to_owned(),
            fix: "build it with the feature tls".to_owned(),
        })?;
        let sources = settings.files.iter().map(|files| Source::open(files, provider.clone()));
        let (resolver, status, again): (Arc<Resolver>, Arc<Status>, Arc<Notify>) =
            Default::default();
        let watch = Watch {
            sources: sources.collect::<Result<_, _>>()?,
            resolver: resolver.clone(),
            status: status.clone(),
            metrics: metrics.clone(),
            again: again.clone(),
        };
        watch.publish();
        let tasks = vec![supervisor.task("the watch over certificates", watch.run())];
        Ok(Some(Self { shared: Arc::new(Shared { resolver, status, again, tasks }) }))
    }

    /// What chooses a certificate for a handshake: one for the host that the client names, of a kind that it can check;
    /// else the first.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.shared.resolver.clone()
    }

    /// The cryptography of TLS; `None` in a build without it.
    pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
        #[cfg(feature = "tls")]
        return Some(Arc::new(rustls::crypto::ring::default_provider()));
        #[cfg(not(feature = "tls"))]
        return None;
    }

    /// Looks at everything now, and not when it is time.
    pub(crate) fn look_now(&self) {
        self.shared.again.notify_one();
    }

    /// What is wrong, a line for each thing.
    ///
    /// # Errors
    /// Something is, and whether anybody still gets in by TLS.
    pub(crate) fn health(&self) -> Result<(), Trouble> {
        let unix = Clock::unix();
        let pairs = self.shared.resolver.pairs();
        let mut words = self.shared.status.all();
        words.extend(pairs.iter().filter_map(|pair| pair.complaint(unix)));
        if words.is_empty() {
            return Ok(());
        }
        let words = words.join("\n");
        Err(match pairs.iter().all(|pair| pair.age(unix) == Age::Expired) {
            true => Trouble::Expired(words),
            false => Trouble::Degraded(words),
        })
    }

    /// For the summary: what each line is about, and what it says.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let pairs = self.shared.resolver.pairs();
        let line = |pair: &Arc<pair::Pair>| {
            ("certificate", format!("{} until {}", pair.names.join(", "), pair.until()))
        };
        pairs.iter().map(line).collect()
    }
}
