//! What a token must claim to count here, and what its claims mean.

use std::time::Duration;

use hairpin_config::IdentitySettings;
use hairpin_signaling::{BadToken, ClaimedWishes, Identity, MAX_USER_LEN};
use serde_json::Value;

use super::Bad;
use crate::metrics::TokenVerdict;

/// For whom and by whom tokens must be.
#[derive(Debug)]
pub(super) struct Terms {
    audiences: Vec<String>,
    issuers: Vec<String>,
    leeway: f64,
}

impl Terms {
    pub(super) fn new(settings: &IdentitySettings) -> Self {
        Self {
            audiences: settings.audiences.clone(),
            issuers: settings.issuers.clone(),
            leeway: settings.leeway.as_secs_f64(),
        }
    }

    /// Reads claims whose signature is right, at this time.
    pub(super) fn read(&self, unix: u64, mut claims: Value) -> Result<Identity, Bad> {
        let now = unix as f64;
        let expires = time(&claims, "exp")
            .map_err(|()| Bad::new(TokenVerdict::Malformed, "the token's exp is no time"))?
            .ok_or_else(|| {
                Bad::new(TokenVerdict::Malformed, "the token has no exp: it must run out some day")
            })?;
        // "on or after which the JWT MUST NOT be accepted" (RFC 7519 s4.1.4)
        if now >= expires + self.leeway {
            return Err(Bad(TokenVerdict::Expired, BadToken::Expired));
        }
        let begins = time(&claims, "nbf")
            .map_err(|()| Bad::new(TokenVerdict::Malformed, "the token's nbf is no time"))?;
        if begins.is_some_and(|begins| now + self.leeway < begins) {
            return Err(Bad::new(TokenVerdict::NotYet, "the token does not count yet (nbf)"));
        }
        if !self.issuers.is_empty() && !names(&claims["iss"], &self.issuers) {
            let why = "the token is by another issuer than this server's (iss)";
            return Err(Bad::new(TokenVerdict::Issuer, why));
        }
        if !self.audiences.is_empty() && !is_for(&claims["aud"], &self.audiences) {
            let why = "the token is for another audience than this server (aud)";
            return Err(Bad::new(TokenVerdict::Audience, why));
        }
        let user = claims["sub"].as_str().filter(|sub| (1..=MAX_USER_LEN).contains(&sub.len()));
        let user: Box<str> = user.map(Into::into).ok_or_else(|| {
            Bad::new(TokenVerdict::Subject, "the token's sub is no string of 1 to 128 bytes")
        })?;
        let left = (expires + self.leeway - now).min(Duration::MAX.as_secs_f64() / 2.0);
        let mut claim = |name| claims.get_mut(name).map(Value::take).filter(|it| !it.is_null());
        let wishes = ClaimedWishes {
            buddies: claim("buddies"),
            blocked: claim("blocked"),
            attributes: claim("attributes"),
            seeks: claim("seeks"),
        };
        Ok(Identity { wishes, ..Identity::new(&user, Duration::from_secs_f64(left)) })
    }
}

/// A NumericDate (RFC 7519 s2), which may have a fraction.
fn time(claims: &Value, name: &str) -> Result<Option<f64>, ()> {
    match &claims[name] {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_f64().filter(|n| n.is_finite()).map(Some).ok_or(()),
        _ => Err(()),
    }
}

/// One name, or several (RFC 7519 s4.1.3).
fn is_for(claim: &Value, accepted: &[String]) -> bool {
    match claim {
        Value::Array(several) => several.iter().any(|one| names(one, accepted)),
        one => names(one, accepted),
    }
}

fn names(claim: &Value, accepted: &[String]) -> bool {
    claim.as_str().is_some_and(|name| accepted.iter().any(|accepted| accepted == name))
}
