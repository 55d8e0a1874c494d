//! Where webhooks go, and what they are signed with.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use http::Uri;

use crate::error::{Invalid, Parsed};

/// An absolute `http` or `https` URL. Neither `Debug` nor `Display` shows its query, which often is a secret; nor has it
/// a user or a password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebhookUrl(Uri);

/// What webhooks are signed with: 24 to 64 bytes, in text `whsec_` and their base64 (Standard Webhooks). Its `Debug` says
/// nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Arc<[u8]>);

const URL_FIX: &str = "give a whole URL, such as https://app.example/hairpin";
const SECRET_FIX: &str = "give whsec_ and the base64 of 24 to 64 bytes; `echo whsec_$(openssl rand -base64 32)` makes one";

impl WebhookUrl {
    /// The whole of it.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for WebhookUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Parsed<Self> {
        let uri: Uri = text.parse().map_err(|_| Invalid::new("is no URL", URL_FIX))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(Invalid::new("is neither http:// nor https://", URL_FIX));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            let fix = "leave them out: the signature says who it is from";
            return Err(Invalid::new("has a user or a password", fix));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(Invalid::new("has no host", URL_FIX));
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.0.path())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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
    fn a_url_is_shown_without_what_may_be_a_secret() {
        let url: WebhookUrl = "https://app.example:8443/hooks?key=abc".parse().expect("a URL");
        assert_eq!(url.to_string(), "https://app.example:8443/hooks");
        assert_eq!(format!("{url:?}"), "https://app.example:8443/hooks");
        assert_eq!(url.uri().query(), Some("key=abc"));
    }

    #[test]
    fn what_is_no_url_of_a_web_server_is_refused() {
        for text in
            ["", "app.example", "/hooks", "ftp://a/", "https://", "https://me:pw@a/", "http://a b"]
        {
            assert!(text.parse::<WebhookUrl>().is_err(), "{text:?}");
        }
    }

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
