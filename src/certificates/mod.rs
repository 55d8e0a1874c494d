//! Certificates: what TLS is served with, and by which of them.
//!
//! They come from files, which are watched; some of the files we write ourselves, with what an authority has signed
//! ([`acme`]). Who accepts TLS asks the resolver, which always has the newest; who is connected already keeps what the
//! handshake was made with.
#![cfg_attr(not(feature = "tls"), allow(unused_mut, unused_variables))]

#[cfg(feature = "tls")]
mod acme;
#[cfg(feature = "tls")]
mod challenges;
mod pair;
mod resolver;
#[cfg(feature = "tls")]
mod schedule;
mod source;
#[cfg(feature = "tls")]
mod state_dir;
mod status;
#[cfg(all(test, feature = "tls"))]
mod tests;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;

use hairpin_config::TlsSettings;
use rustls::crypto::CryptoProvider;
use rustls::server::ResolvesServerCert;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[cfg(feature = "tls")]
use hairpin_config::AcmeSettings;

use crate::clock::Clock;
use crate::error::StartError;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;
#[cfg(feature = "tls")]
use acme::{Acme, AcmeSetup};
#[cfg(feature = "tls")]
use challenges::Challenges;
use pair::Age;
use resolver::Resolver;
#[cfg(feature = "tls")]
use source::Refused;
use source::Source;
#[cfg(feature = "tls")]
use state_dir::StateDir;
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
    /// Told when files are to be looked at.
    watch: Arc<Notify>,
    /// And when what has failed is to be tried again.
    asked: Arc<Notify>,
    /// Nobody has to reach us for them to be renewed.
    is_from_files: bool,
    /// For which we get them.
    domains: Vec<String>,
    tasks: Vec<JoinHandle<()>>,
}

/// What becomes a server's certificates.
struct Parts {
    sources: Vec<Source>,
    resolver: Resolver,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    watch: Arc<Notify>,
    asked: Arc<Notify>,
}

#[cfg(feature = "tls")]
impl Parts {
    /// What we get ourselves is read from a folder, and its challenges answered.
    fn add(
        &mut self,
        settings: &AcmeSettings,
        port_80: Port80,
        provider: Arc<CryptoProvider>,
    ) -> Result<Acme, Refused> {
        let dir = Arc::new(StateDir::open(&settings.state_dir, &settings.directory)?);
        for domain in &settings.domains {
            let path = dir.path(&acme::file(domain));
            let source = Source::stored(path, domain.clone(), provider.clone())?;
            if source.pair().is_none() {
                tracing::warn!(
                    domain,
                    "there is no certificate yet: TLS is refused until the authority has signed one"
                );
            }
            self.sources.push(source);
        }
        let domains = settings.domains.clone();
        let challenges = Arc::new(Challenges::new(dir.clone(), domains, provider.clone()));
        self.resolver.challenges = Some(challenges.clone());
        Acme::new(AcmeSetup {
            settings: settings.clone(),
            port_80,
            dir,
            challenges,
            provider,
            status: self.status.clone(),
            metrics: self.metrics.clone(),
            watch: self.watch.clone(),
            asked: self.asked.clone(),
        })
    }
}

/// Whether a challenge on port 80 (HTTP-01) would reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port80 {
    Ours,
    NotOurs,
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
        port_80: Port80,
    ) -> Result<Option<Self>, StartError> {
        if settings.files.is_empty() && settings.acme.is_none() {
            return Ok(None);
        }
        let provider = Self::provider().ok_or_else(|| Self::not_in_this_build(settings))?;
        let sources = settings.files.iter().map(|files| Source::open(files, provider.clone()));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let mut parts = Parts {
            sources,
            resolver: Resolver::default(),
            status: Arc::default(),
            metrics: metrics.clone(),
            watch: Arc::default(),
            asked: Arc::default(),
        };
        #[cfg(feature = "tls")]
        let acme =
            settings.acme.as_ref().map(|acme| parts.add(acme, port_80, provider)).transpose()?;
        let Parts { sources, resolver, status, metrics, watch, asked } = parts;
        let resolver = Arc::new(resolver);
        let looking = Watch {
            sources,
            resolver: resolver.clone(),
            status: status.clone(),
            metrics,
            again: watch.clone(),
        };
        looking.publish();
        let mut tasks = vec![supervisor.task("the watch over certificates", looking.run())];
        #[cfg(feature = "tls")]
        tasks.extend(acme.map(|acme| supervisor.task("certificates by ACME", acme.run())));
        let is_from_files = settings.acme.is_none();
        let domains = settings.acme.as_ref().map(|acme| acme.domains.clone()).unwrap_or_default();
        let shared = Shared { resolver, status, watch, asked, is_from_files, domains, tasks };
        Ok(Some(Self { shared: Arc::new(shared) }))
    }

    fn not_in_this_build(settings: &TlsSettings) -> StartError {
        let (setting, value) = match (settings.files.first(), &settings.acme) {
            (None, Some(acme)) => ("domain", (&acme.domains[0]).into()),
            (files, _) => ("cert", files.map_or_else(Default::default, |files| files.cert.clone())),
        };
        StartError::Certificates {
            setting,
            path: value,
            problem: "this build has no TLS".to_owned(),
            fix: "build it with the feature tls".to_owned(),
        }
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

    /// Looks at everything now, and tries again what has failed, and not when it is time.
    pub(crate) fn look_now(&self) {
        self.shared.watch.notify_one();
        self.shared.asked.notify_one();
    }

    /// The host to which somebody is sent who has asked for this one: the same, if there is or will be a certificate for it,
    /// else the first that there is. `None`: there is none with a name.
    pub(crate) fn host_for(&self, asked: Option<&str>) -> Option<String> {
        let Shared { resolver, domains, .. } = &*self.shared;
        let pairs = resolver.pairs();
        let is_ours = |host: &str| {
            domains.iter().any(|name| name == host) || pairs.iter().any(|pair| pair.is_for(host))
        };
        if let Some(host) = asked.map(str::to_ascii_lowercase).filter(|host| is_ours(host)) {
            return Some(host);
        }
        let of_pairs = pairs.iter().flat_map(|pair| &pair.names);
        let mut hosts = of_pairs.chain(domains).filter(|name| !name.starts_with("*."));
        hosts.find(|name| name.parse::<IpAddr>().is_err()).cloned()
    }

    /// What HTTP-01 (RFC 8555 s8.3) answers to this token, if the authority is to ask for it.
    pub(crate) fn http_challenge(&self, token: &str) -> Option<String> {
        #[cfg(feature = "tls")]
        return self.shared.resolver.challenges.as_ref()?.http(token);
        #[cfg(not(feature = "tls"))]
        return None.filter(|_: &String| token.is_empty());
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
        let is_lost = || pairs.iter().all(|pair| pair.age(unix) == Age::Expired);
        // An authority must reach us before there is a new one, so nobody may be kept from us for want of it.
        Err(match self.shared.is_from_files && is_lost() {
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
        let missing = self.shared.domains.iter();
        let missing = missing.filter(|name| !pairs.iter().any(|pair| pair.is_for(name)));
        let missing = missing.map(|name| ("certificate", format!("{name}, to be got by ACME")));
        pairs.iter().map(line).chain(missing).collect()
    }
}
