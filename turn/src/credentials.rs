//! Whose password is what: static users, and REST usernames that carry their own proof.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hairpin_stun::{Key, rest_password};

/// Who may allocate: REST credentials under any of the secrets (draft-uberti-behave-turn-rest), and
/// static users.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Shared secrets; the first is the one nonces are made with and new credentials issued under,
    /// all are accepted. Never empty in a running server.
    pub secrets: Vec<Box<[u8]>>,
    /// Static users: name and long-term key (RFC 8489 s9.2.2), never the password.
    pub users: Vec<(Box<str>, Key)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("secrets", &self.secrets.len())
            .field("users", &self.users.len())
            .finish()
    }
}

/// A username and password for `RTCPeerConnection`, good until its expiry on every server that
/// shares the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RestCredentials {
    /// `expiry:id`: Unix seconds, a colon, and who it is for.
    pub username: String,
    /// Base64 of HMAC-SHA1 over the username, keyed with the shared secret.
    pub password: String,
}

impl fmt::Debug for RestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Issues credentials for `user_id` that can allocate until `expires_unix`, in seconds since 1970
/// (draft-uberti-behave-turn-rest-00 s2.2).
pub fn rest_credentials(secret: &[u8], user_id: &str, expires_unix: u64) -> RestCredentials {
    let username = format!("{expires_unix}:{user_id}");
    let password = rest_password(secret, &username, &mut [0; 28]).into();
    RestCredentials { username, password }
}

impl Credentials {
    /// Whose quota a username counts against: a static user's own, else what follows the first
    /// colon.
    pub(crate) fn user_of<'u>(&self, username: &'u str) -> &'u str {
        match self.static_key(username) {
            Some(_) => username,
            None => split_rest(username).1,
        }
    }

    /// Every key that would prove to be `username` at `unix`: a static user's, or one of each
    /// secret while secrets are rotated. None for a stranger, or when the time of a REST credential
    /// is over.
    pub(crate) fn keys(&self, username: &str, realm: &str, unix: u64) -> impl Iterator<Item = Key> {
        let fixed = self.static_key(username).cloned();
        let live = fixed.is_none() && expiry(username).is_some_and(|expiry| unix < expiry);
        let secrets = if live { self.secrets.as_slice() } else { &[] };
        fixed.into_iter().chain(secrets.iter().map(move |secret| {
            let mut buffer = [0; 28];
            Key::long_term(username, realm, rest_password(secret, username, &mut buffer))
        }))
    }

    fn static_key(&self, username: &str) -> Option<&Key> {
        self.users.iter().find(|(name, _)| **name == *username).map(|(_, key)| key)
    }
}

/// The expiry and the id of a REST username; the id may be left out
/// (draft-uberti-behave-turn-rest-00 s2.2).
fn split_rest(username: &str) -> (&str, &str) {
    username.split_once(':').unwrap_or((username, username))
}

/// When a REST username expires, in Unix seconds.
fn expiry(username: &str) -> Option<u64> {
    let (expiry, _) = split_rest(username);
    // Digits only: `parse` would also take "+1".
    expiry.bytes().all(|byte| byte.is_ascii_digit()).then_some(expiry)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            secrets: vec![b"new".as_slice().into(), b"old".as_slice().into()],
            users: vec![("2000:static".into(), Key::long_term("2000:static", "realm", "pw"))],
        }
    }

    fn keys(username: &str, unix: u64) -> Vec<Vec<u8>> {
        credentials().keys(username, "realm", unix).map(|key| key.as_ref().to_vec()).collect()
    }

    #[test]
    fn a_rest_username_counts_against_what_follows_its_first_colon() {
        let credentials = credentials();
        for (username, user) in [
            ("1001:bob", "bob"),
            ("1001:room:bob", "room:bob"),
            ("1001", "1001"),
            ("2000:static", "2000:static"),
        ] {
            assert_eq!(credentials.user_of(username), user);
        }
    }

    #[test]
    fn what_is_expired_or_no_number_has_no_key() {
        let too_big = "99999999999999999999999:bob";
        for username in
            ["1000:bob", "999:bob", "bob", "", ":bob", "+1001:bob", "-1:bob", "bob:1001", too_big]
        {
            assert!(keys(username, 1000).is_empty(), "{username:?}");
        }
        assert_eq!(keys("2000:static", 3000).len(), 1, "a static user has no expiry");
    }

    #[test]
    fn every_secret_gives_a_key_and_a_static_user_has_one() {
        let key = |secret| {
            let issued = rest_credentials(secret, "bob", 1001);
            Key::long_term(&issued.username, "realm", &issued.password).as_ref().to_vec()
        };
        assert_eq!(keys("1001:bob", 1000), [key(b"new"), key(b"old")]);
        assert_eq!(keys("2000:static", 1000).len(), 1);
    }

    #[test]
    fn the_password_is_not_printed() {
        let issued = rest_credentials(b"north", "bob", 1001);
        assert!(!format!("{issued:?}").contains(&issued.password));
    }
}
