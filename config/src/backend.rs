//! What an app's backend has of the server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Records, webhooks, and a say in what goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// The SQLite file of the records; `None` is none.
    pub records: Option<PathBuf>,
    /// How many days sessions and reports are kept there.
    pub records_days: u32,
    /// Where webhooks go, at most eight; empty: nowhere.
    pub webhook_urls: Vec<HttpUrl>,
    /// What they are signed with; not empty where there are URLs.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// Who bears one of these may use the admin API; empty: nobody.
    pub admin_tokens: Vec<AdminToken>,
}

/// A bearer token of the admin API. Its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(Arc<str>);
use base64ct::{Base64, Encoding};

use crate::error::{Invalid, Parsed};
use crate::http_url::HttpUrl;

/// What webhooks are signed with: 24 to 64 bytes, in text `whsec_` and their base64 (Standard Webhooks). Its `Debug` says
/// nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Arc<[u8]>);

const SECRET_FIX: &str = "give whsec_ and the base64 of 24 to 64 bytes; `echo whsec_$(openssl rand -base64 32)` makes one";

impl AdminToken {
    /// This one.
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// As it stands in a request's header.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl WebhookSecret {
    /// The key itself.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for WebhookSecret {
    type Err = Invalid;

    fn from_str(text: &str) -> Parsed<Self> {
        let refused = |problem| Invalid::new(problem, SECRET_FIX);
        let base64 = text.strip_prefix("whsec_").ok_or_else(|| refused("is no secret"))?;
        let key = Base64::decode_vec(base64).map_err(|_| refused("is not base64"))?;
        match key.len() {
            24..=64 => Ok(Self(key.into())),
            0..24 => Err(refused("is too short")),
            _ => Err(refused("is too long")),
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_that_of_standard_webhooks() {
        let secret: WebhookSecret =
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("the specification's own");
        assert_eq!(secret.key().len(), 24);
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_!!!!"] {
            assert!(text.parse::<WebhookSecret>().is_err(), "{text:?}");
        }
        assert!(format!("whsec_{}", "A".repeat(88)).parse::<WebhookSecret>().is_err(), "66 bytes");
    }
}
