//! Who somebody is, by the word of a token: a JWT (RFC 7519) that is signed by a secret we share, or by a key of a set
//! that its issuer publishes.

mod claims;
mod key_set;
mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hairpin_config::IdentitySettings;
use hairpin_signaling::{BadToken, Identity, Naming};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

pub(crate) use key_set::KeySet;
#[cfg(test)]
pub(crate) use tests::issuer;

use crate::clock::Clock;
use crate::fetch::FetchError;
use crate::metrics::{Metrics, TokenVerdict};
use claims::Terms;
use key_set::{Found, State};

/// The longest name of a key; longer ones are strangers' own.
const MAX_KID_LEN: usize = 256;

/// Reads tokens. Its answers are counted.
pub(crate) struct Verifier {
    secrets: Vec<DecodingKey>,
    keys: Option<Arc<KeySet>>,
    terms: Terms,
    metrics: Arc<Metrics>,
}

/// What is wrong with the keys, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There never were any: nobody can come in.
    NoKeys(String),
    /// Those that there are go on, and there are no newer ones.
    Old(String),
}

/// Why a token does not count, for its bearer and for those who count.
struct Bad(TokenVerdict, BadToken);

impl Bad {
    fn new(verdict: TokenVerdict, why: &'static str) -> Self {
        Self(verdict, BadToken::Invalid(why.into()))
    }
}

impl Verifier {
    /// By these settings. A set of keys is asked for as soon as [`KeySet::keep_fresh`] runs.
    ///
    /// # Errors
    /// Its URL cannot be asked by this build, or on this system.
    pub(crate) fn new(
        settings: &IdentitySettings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, FetchError> {
        // There is but this one here; in a program that has another one, too, the library would not choose.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let keys = settings.jwks_url.as_ref();
        let keys = keys.map(|url| KeySet::new(url.clone(), metrics.clone())).transpose()?;
        Ok(Self {
            secrets: settings.secrets.iter().map(|it| DecodingKey::from_secret(it)).collect(),
            keys: keys.map(Arc::new),
            terms: Terms::new(settings),
            metrics,
        })
    }

    /// Whether somebody is whoever it says it is: there is nothing to check a token with.
    pub(crate) fn is_open(&self) -> bool {
        self.secrets.is_empty() && self.keys.is_none()
    }

    /// How the hub is to take names.
    pub(crate) fn naming(&self) -> Naming {
        if self.is_open() { Naming::Open } else { Naming::Tokens }
    }

    /// What is wrong with the keys.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self.keys.as_ref()?.state() {
            State::There { failure: None, .. } => None,
            State::There { age, failure: Some(why) } => {
                let age = age.as_secs();
                Some(Trouble::Old(format!("the keys of tokens are {age} s old: {why}")))
            }
            State::Never(why) => {
                let why = why.unwrap_or_else(|| "they are being fetched".to_owned());
                let text = format!("there are no keys of tokens: {why}");
                let others = !self.secrets.is_empty();
                Some(if others { Trouble::Old(text) } else { Trouble::NoKeys(text) })
            }
        }
    }

    /// The keys that are fetched, if any are.
    pub(crate) fn key_set(&self) -> Option<&Arc<KeySet>> {
        self.keys.as_ref()
    }

    /// Who a token says its bearer is.
    ///
    /// # Errors
    /// Why it does not count.
    pub(crate) fn verify(&self, token: &str) -> Result<Identity, BadToken> {
        let read = self.read(Clock::unix(), token);
        let verdict = read.as_ref().map_or_else(|bad| bad.0, |_| TokenVerdict::Accepted);
        self.metrics.identity.token(verdict);
        read.map_err(|Bad(_, bad)| bad)
    }

    fn read(&self, unix: u64, token: &str) -> Result<Identity, Bad> {
        let header = decode_header(token).map_err(|_| {
            Bad::new(
                TokenVerdict::Malformed,
                "this is no JWT signed by HS256, RS256, ES256 or EdDSA",
            )
        })?;
        // What must be understood is not (RFC 7515 s4.1.11).
        if header.crit.is_some() {
            return Err(Bad::new(TokenVerdict::Malformed, "the token has a critical header"));
        }
        let claims = match header.alg {
            Algorithm::HS256 if !self.secrets.is_empty() => {
                signed_by(token, header.alg, &self.secrets)?
            }
            Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA if self.keys.is_some() => {
                let keys = self.keys_for(header.kid.as_deref(), header.alg)?;
                signed_by(token, header.alg, keys.iter().map(|key| &key.key))?
            }
            _ => {
                let why = "the token is signed in a way that this server has no keys for";
                return Err(Bad::new(TokenVerdict::Algorithm, why));
            }
        };
        self.terms.read(unix, claims)
    }

    /// The keys that may have signed a token.
    fn keys_for(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<keys::Key>>, Bad> {
        let unknown =
            || Bad::new(TokenVerdict::UnknownKey, "the token is signed by a key that nobody knows");
        let keys = self.keys.as_ref().ok_or_else(unknown)?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_LEN) {
            return Err(unknown());
        }
        match keys.find(kid, algorithm) {
            Found::These(keys) => Ok(keys),
            Found::None => Err(unknown()),
            Found::NotYet { retry_after } => {
                Err(Bad(TokenVerdict::Unverified, BadToken::Unverified { retry_after }))
            }
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// The claims of a token that one of these has signed. When it is to be used is for [`Terms`] to say.
fn signed_by<'a>(
    token: &str,
    algorithm: Algorithm,
    keys: impl IntoIterator<Item = &'a DecodingKey>,
) -> Result<Value, Bad> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    for key in keys {
        match decode(token, key, &validation) {
            Ok(signed) => return Ok(signed.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
            Err(_) => {
                let why = "the token's claims are not as exp, nbf, iss, aud and sub must be";
                return Err(Bad::new(TokenVerdict::Malformed, why));
            }
        }
    }
    Err(Bad::new(TokenVerdict::Signature, "the token's signature is wrong"))
}
