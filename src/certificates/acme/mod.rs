//! Certificates that we get and renew ourselves, by ACME (RFC 8555).
//!
//! One for each name: a name that cannot be proved holds up no other. What is got is written to the folder, where the watch
//! finds it like any other file, whichever of the servers that share the folder has written it.

mod http;
mod order;

use std::sync::Arc;
use std::time::Duration;

use hairpin_config::AcmeSettings;
use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount};
use rustls::crypto::CryptoProvider;
use tokio::sync::Notify;

use super::Port80;
use super::challenges::{Challenges, PREFIX, Proof};
use super::pair::{Age, Pair};
use super::schedule::{Asked, Attempts, renewal, within};
use super::source::Refused;
use super::state_dir::{Lock, StateDir};
use super::status::Status;
use crate::clock::Clock;
use crate::metrics::Metrics;
use http::Http;

/// How often the folder is looked at, where nothing is due before: another server may have renewed.
const LONGEST_SLEEP: u64 = 60;

/// After how long it is looked again whether somebody else, who is at it, has got it.
const SOMEBODY_ELSE: u64 = 5;

/// How often an authority is asked when it would have certificates renewed (RFC 9773 s4.3.2 would have it say so).
const ASK_AGAIN: u64 = 6 * 3600;

const ACCOUNT: &str = "account.json";

/// The file of a name's certificate, key first.
pub(super) fn file(domain: &str) -> String {
    format!("{domain}.pem")
}

/// Keeps certificates for names.
pub(super) struct Acme {
    settings: AcmeSettings,
    port_80: Port80,
    http: Http,
    account: Option<Account>,
    dir: Arc<StateDir>,
    challenges: Arc<Challenges>,
    provider: Arc<CryptoProvider>,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    /// Looks at the folder.
    watch: Arc<Notify>,
    /// An operator wants it now.
    asked: Arc<Notify>,
    /// For each name, when its certificate is renewed.
    plans: Vec<Option<Plan>>,
    /// And what has been tried here: a disk that takes no notes does not make us try more often.
    tried: Vec<Attempts>,
}

/// When a certificate is renewed.
#[derive(Clone, Debug)]
struct Plan {
    /// Which certificate this is about.
    number: String,
    due: u64,
    /// Drawn once, so that asking again does not bring it forward.
    jitter: f64,
    /// When the authority is asked again for what it suggests.
    ask_again: u64,
}

/// What [`Acme`] is made of.
pub(super) struct AcmeSetup {
    pub(super) settings: AcmeSettings,
    pub(super) port_80: Port80,
    pub(super) dir: Arc<StateDir>,
    pub(super) challenges: Arc<Challenges>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) status: Arc<Status>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) watch: Arc<Notify>,
    pub(super) asked: Arc<Notify>,
}

impl Acme {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// There is nothing to check the authority with.
    pub(super) fn new(setup: AcmeSetup) -> Result<Self, Refused> {
        let AcmeSetup {
            settings,
            port_80,
            dir,
            challenges,
            provider,
            status,
            metrics,
            watch,
            asked,
        } = setup;
        let http = Http::new(&settings, provider.clone())?;
        let plans = vec![None; settings.domains.len()];
        let tried = vec![Attempts::default(); settings.domains.len()];
        Ok(Self {
            settings,
            port_80,
            http,
            account: None,
            dir,
            challenges,
            provider,
            status,
            metrics,
            watch,
            asked,
            plans,
            tried,
        })
    }

    /// Gets what is missing and renews what is old, for ever.
    pub(super) async fn run(mut self) {
        let mut asked = Asked::ByTime;
        loop {
            let mut next = Clock::unix() + LONGEST_SLEEP;
            for at in 0..self.settings.domains.len() {
                next = next.min(self.keep(at, asked).await);
            }
            let pause = Duration::from_secs(next.saturating_sub(Clock::unix()).max(1));
            asked = match tokio::time::timeout(pause, self.asked.notified()).await {
                Ok(()) => Asked::ByOperator,
                Err(_) => Asked::ByTime,
            };
        }
    }

    /// Sees to one name; when to do so again.
    async fn keep(&mut self, at: usize, asked: Asked) -> u64 {
        let domain = self.settings.domains[at].clone();
        let now = Clock::unix();
        let (attempts, due) = match self.due(at).await {
            Ok(due) => due,
            // The watch has said so.
            Err(_) => return now + LONGEST_SLEEP,
        };
        self.tell(&domain, &attempts, due > now);
        if due > now {
            return due;
        }
        if !attempts.may(now, asked) {
            return attempts.not_before;
        }
        let lock = match self.dir.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return now + SOMEBODY_ELSE,
            Err(error) => {
                self.status.failing(&domain, format!("state-dir cannot be locked: {error}"));
                return now + LONGEST_SLEEP;
            }
        };
        // Somebody may just have done it.
        match self.due(at).await {
            Ok((attempts, due)) if due <= now && attempts.may(now, asked) => {
                self.attempt(at, attempts, lock).await
            }
            Ok((_, due)) => due.max(now + 1),
            Err(_) => now + LONGEST_SLEEP,
        }
    }

    /// What has been tried, and when a certificate is wanted; a past time is now.
    async fn due(&mut self, at: usize) -> Result<(Attempts, u64), String> {
        let domain = self.settings.domains[at].clone();
        let attempts = self.dir.read(&notes(&domain)).ok().flatten();
        let attempts = attempts.and_then(|text| serde_json::from_str(&text).ok());
        let mut attempts: Attempts = attempts.unwrap_or_default();
        if self.tried[at].not_before > attempts.not_before {
            attempts = self.tried[at].clone();
        }
        let Some(pair) = self.stored(&domain)? else { return Ok((attempts, 0)) };
        let (number, now) = (pair.number(), Clock::unix());
        let plan = self.plans[at].take().filter(|plan| plan.number == number);
        let plan = match plan {
            Some(plan) if now < plan.ask_again || plan.due <= now => plan,
            plan => {
                let jitter = plan.map_or_else(rand::random, |plan| plan.jitter);
                let due = match self.suggested(&pair, jitter).await {
                    Some(due) => due,
                    None => renewal(pair.not_before, pair.not_after, jitter),
                };
                let text = Clock::text(Duration::from_secs(due));
                tracing::debug!(domain, due = text, "renewal is planned");
                Plan { number, due, jitter, ask_again: now + ASK_AGAIN }
            }
        };
        let due = plan.due;
        self.plans[at] = Some(plan);
        Ok((attempts, due))
    }

    /// When the authority would have it renewed (RFC 9773), where it says so.
    async fn suggested(&mut self, pair: &Pair, jitter: f64) -> Option<u64> {
        // Who has brought a certificate, but no account, is not registered for this.
        self.dir.read(ACCOUNT).ok().flatten()?;
        let account = self.account().await.ok()?;
        let id = pair.key.end_entity_cert().ok()?.try_into().ok()?;
        let (info, _) = account.renewal_info(&id).await.ok()?;
        let [start, end] = [info.suggested_window.start, info.suggested_window.end]
            .map(|time| u64::try_from(time.unix_timestamp()).unwrap_or(0));
        Some(within(start, end, jitter))
    }

    /// What there is of this name.
    fn stored(&self, domain: &str) -> Result<Option<Pair>, String> {
        let text = self.dir.read(&file(domain)).map_err(|error| error.to_string())?;
        let Some(text) = text else { return Ok(None) };
        let pair = Pair::read(text.as_bytes(), text.as_bytes(), &self.provider);
        pair.map(Some).map_err(|unusable| unusable.problem)
    }

    fn tell(&self, domain: &str, attempts: &Attempts, is_well: bool) {
        match attempts.failures {
            _ if is_well => self.status.works(domain),
            0 => self.status.failing(domain, "it has been asked for".to_owned()),
            _ => self.status.failing(domain, attempts.why.clone()),
        }
    }

    /// Tries once to get a certificate; when to look again.
    async fn attempt(&mut self, at: usize, mut attempts: Attempts, _lock: Lock) -> u64 {
        let domain = self.settings.domains[at].clone();
        let proof = match (self.port_80, attempts.is_by_http()) {
            (Port80::Ours, true) => Proof::Http01,
            _ => Proof::TlsAlpn01,
        };
        tracing::info!(domain, ?proof, authority = self.settings.directory.origin(), "ordering");
        self.http.take_wait();
        let got = self.get(&domain, proof).await;
        let now = Clock::unix();
        match &got {
            Ok(()) => attempts.succeeded(),
            Err(why) => {
                attempts.failed(why.clone(), now, self.http.take_wait(), rand::random());
            }
        }
        self.tried[at] = attempts.clone();
        let text = serde_json::to_string(&attempts).expect("it is plain");
        if let Err(error) = self.dir.write(&notes(&domain), &text) {
            tracing::error!("state-dir cannot be written: {error}");
        }
        match got {
            Ok(()) => {
                self.metrics.certificates.issued();
                self.status.works(&domain);
                self.watch.notify_one();
            }
            Err(why) => {
                self.metrics.certificates.not_issued();
                let (failures, pause) = (attempts.failures, attempts.not_before - now);
                let current = self.stored(&domain).ok().flatten().map(|pair| pair.age(now));
                match current {
                    Some(Age::Good) => tracing::warn!(
                        domain,
                        ?proof,
                        failures,
                        "no new certificate, again in {pause} s: {why}"
                    ),
                    _ => tracing::error!(
                        domain,
                        ?proof,
                        failures,
                        "no certificate, again in {pause} s: {why}"
                    ),
                }
                self.status.failing(&domain, why);
            }
        }
        attempts.not_before.max(now + 1)
    }

    async fn get(&mut self, domain: &str, proof: Proof) -> Result<(), String> {
        let io = |error: std::io::Error| format!("state-dir cannot be written: {error}");
        // What cannot be used is somebody's, and stays.
        let old = self.stored(domain)?;
        // Left by a run that was cut off; whoever else answers challenges does not hold the lock.
        self.dir.sweep(PREFIX).map_err(io)?;
        let account = self.account().await?;
        let id = old.as_ref().and_then(|pair| pair.key.end_entity_cert().ok()?.try_into().ok());
        let replaces = match &id {
            // Only where it knows of such things.
            Some(id) => account.renewal_info(id).await.is_ok().then(|| id.clone()),
            None => None,
        };
        let pem = match order::order(&account, domain, proof, replaces, &self.challenges).await {
            Ok(pem) => pem,
            Err(error) => {
                self.forget_account(&error);
                return Err(error.to_string());
            }
        };
        let pair = Pair::read(pem.as_bytes(), pem.as_bytes(), &self.provider);
        let pair = pair.map_err(|unusable| format!("what was signed {}", unusable.problem))?;
        if !pair.is_for(domain) {
            return Err(format!("what was signed is for {:?}", pair.names));
        }
        self.dir.write(&file(domain), &pem).map_err(io)
    }

    /// The account, as it is kept, or a new one.
    async fn account(&mut self) -> Result<Account, String> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let builder = Account::builder_with_http(Box::new(self.http.clone()));
        let kept = self.dir.read(ACCOUNT).map_err(|error| format!("{ACCOUNT}: {error}"))?;
        let account = if let Some(kept) = kept {
            let credentials: AccountCredentials = serde_json::from_str(&kept).map_err(|_| {
                format!(
                    "state-dir: {:?} is no account; restore it, or remove it to have a new one",
                    self.dir.path(ACCOUNT)
                )
            })?;
            builder.from_credentials(credentials).await.map_err(|error| error.to_string())?
        } else {
            self.register(builder).await?
        };
        self.account = Some(account.clone());
        Ok(account)
    }

    async fn register(&self, builder: instant_acme::AccountBuilder) -> Result<Account, String> {
        let contacts = self.settings.contacts.iter().map(|mail| format!("mailto:{mail}"));
        let contacts: Vec<String> = contacts.collect();
        let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = self.settings.external_account.as_ref();
        let external =
            external.map(|external| ExternalAccountKey::new(external.id.clone(), &external.key));
        let directory = self.settings.directory.uri().to_string();
        let created = builder.create(&new, directory, external.as_ref()).await;
        let (account, credentials) = created.map_err(|error| error.to_string())?;
        let text = serde_json::to_string(&credentials).expect("it is plain");
        self.dir
            .write(ACCOUNT, &text)
            .map_err(|error| format!("state-dir cannot be written: {error}"))?;
        tracing::info!(account = account.id(), "registered with the authority");
        Ok(account)
    }

    /// An account that the authority does not know any more is put aside, and the next attempt has another.
    fn forget_account(&mut self, error: &Error) {
        const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
        let Error::Api(problem) = error else { return };
        if problem.r#type.as_deref() == Some(UNKNOWN) {
            tracing::error!(
                "the authority does not know our account: it is put aside as {ACCOUNT}.old"
            );
            self.account = None;
            if let Err(error) = self.dir.put_aside(ACCOUNT) {
                tracing::error!("state-dir cannot be written: {error}");
            }
        }
    }
}

/// The file of what became of attempts.
fn notes(domain: &str) -> String {
    format!("{domain}.attempts.json")
}
