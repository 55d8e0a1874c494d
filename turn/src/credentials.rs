//! Whose password is what: static users, and REST usernames that carry their own proof.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hairpin_stun::{Key, PasswordAlgorithm, rest_password};

use crate::shared::Scope;
use crate::{User, pseudonym};

/// How far ahead the expiry of a REST username may lie, in seconds: ten years. What lies further is
/// no expiry but another unit, and would be good for ever.
const MAX_AHEAD: u64 = 10 * 31_556_952;

/// Who may allocate: REST credentials under any of the secrets (draft-uberti-behave-turn-rest), and
/// static users.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Shared secrets; the first is the one nonces are made with and new credentials issued under,
    /// all are accepted. Never empty in a running server.
    pub secrets: Vec<Box<[u8]>>,
    /// Static users: name and long-term key (RFC 8489 s9.2.2), never the password. Of one name there may be a key by each
    /// algorithm.
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
    /// Whether everybody can prove itself by SHA-256. A static user of whom there is but the MD5 key cannot, and a client
    /// that is offered SHA-256 takes it; so then it is offered to nobody.
    pub(crate) fn have_sha256(&self) -> bool {
        let has = |name: &str| self.static_key(name, PasswordAlgorithm::Sha256).is_some();
        self.users.iter().all(|(name, _)| has(name))
    }

    /// Whose quota a username counts against: a static user's own, else that of the REST id.
    pub(crate) fn user_of(&self, username: &str) -> User {
        match self.is_static(username) {
            true => User::Static(username.into()),
            false => User::Rest(pseudonym::split(RestName::split(username).id).0.into()),
        }
    }

    /// The session that a REST username was issued for, if a server of ours has done it.
    pub(crate) fn scope_of(&self, username: &str) -> Option<Scope> {
        let issued = !self.is_static(username);
        issued.then(|| pseudonym::split(RestName::split(username).id).1)?
    }

    /// Every key by `algorithm` that would prove to be `username` at `unix`: a static user's, or one of each
    /// secret while secrets are rotated. None for a stranger, or when the time of a REST credential
    /// is over.
    pub(crate) fn keys(
        &self,
        algorithm: PasswordAlgorithm,
        username: &str,
        realm: &str,
        unix: u64,
    ) -> impl Iterator<Item = Key> {
        let fixed = self.static_key(username, algorithm).cloned();
        let live = !self.is_static(username) && RestName::split(username).is_live(unix);
        let secrets = if live { self.secrets.as_slice() } else { &[] };
        fixed.into_iter().chain(secrets.iter().map(move |secret| {
            let mut buffer = [0; 28];
            let password = rest_password(secret, username, &mut buffer);
            match algorithm {
                PasswordAlgorithm::Md5 => Key::long_term(username, realm, password),
                PasswordAlgorithm::Sha256 => Key::long_term_sha256(username, realm, password),
            }
        }))
    }

    fn is_static(&self, username: &str) -> bool {
        self.users.iter().any(|(name, _)| **name == *username)
    }

    fn static_key(&self, username: &str, algorithm: PasswordAlgorithm) -> Option<&Key> {
        let mut users = self.users.iter();
        let found = users.find(|(name, key)| **name == *username && key.algorithm() == algorithm);
        found.map(|(_, key)| key)
    }
}

/// A REST username in its two parts.
struct RestName<'u> {
    expiry: &'u str,
    id: &'u str,
}

impl<'u> RestName<'u> {
    /// The id may be left out (draft-uberti-behave-turn-rest-00 s2.2). It may also come first, if it
    /// is no number: the draft does not say so, coturn does.
    fn split(username: &'u str) -> Self {
        match username.split_once(':') {
            Some((expiry, id)) if is_number(expiry) => Self { expiry, id },
            Some((id, expiry)) => Self { expiry, id },
            None => Self { expiry: username, id: username },
        }
    }

    fn is_live(&self, unix: u64) -> bool {
        // Digits only: `parse` would also take "+1".
        let expiry = Some(self.expiry).filter(|expiry| is_number(expiry));
        let expiry = expiry.and_then(|expiry| expiry.parse::<u64>().ok());
        expiry.is_some_and(|expiry| unix < expiry && expiry - unix <= MAX_AHEAD)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
        let md5 = PasswordAlgorithm::Md5;
        credentials().keys(md5, username, "realm", unix).map(|key| key.as_ref().to_vec()).collect()
    }

    #[test]
    fn a_rest_username_counts_against_its_id_and_a_static_one_against_itself() {
        let credentials = credentials();
        for (username, id) in [
            ("1001:bob", "bob"),
            ("bob:1001", "bob"),
            ("1001:room:bob", "room:bob"),
            ("1001:1002", "1002"),
            ("1001", "1001"),
            ("1002:static", "static"),
        ] {
            assert_eq!(credentials.user_of(username), User::Rest(id.into()));
        }
        assert_eq!(credentials.user_of("2000:static"), User::Static("2000:static".into()));
    }

    #[test]
    fn what_is_expired_or_no_number_has_no_key() {
        let too_big = "99999999999999999999999:bob";
        let too_late = format!("{}:bob", 1000 + MAX_AHEAD + 1);
        for username in [
            "1000:bob",
            "999:bob",
            "bob",
            "",
            ":",
            ":bob",
            "bob:",
            "+1001:bob",
            "-1:bob",
            "bob:1000",
            "bob:+1001",
            "bob:1001:",
            "room:bob:1001",
            too_big,
            &too_late,
        ] {
            assert!(keys(username, 1000).is_empty(), "{username:?}");
        }
        assert_eq!(keys("2000:static", 3000).len(), 1, "a static user has no expiry");
        assert_eq!(keys("bob:1001", 1000).len(), 2, "the id may come first");
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
