//! Names by which a server can count a person without telling anybody who that is.

use alloc::string::String;
use core::fmt::{self, Write};
use core::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::shared::Scope;

/// What sets this use of the secret apart from every other.
const LABEL: &[u8] = b"hairpin pseudonym 1";
/// 96 bits: two people out of a billion share a name with a probability of 1 in 10^11.
const LEN: usize = 12;
/// What every name begins with: whoever asks is given one, so it is nobody's identity.
pub(crate) const MARK: char = '~';
/// What stands between a name and a session.
const SCOPE: char = '.';

/// Whom credentials are issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A user of a service that issues credentials, by its own id.
    User(&'a str),
    /// Whoever asks from this network, which its first address stands for: an IPv4 address, or an IPv6 /64.
    Network(IpAddr),
}

/// Makes the ids in REST usernames that [`rest_credentials`](crate::rest_credentials) takes: the same for the same
/// holder on every node with the same secret, so that quotas count a person, and without the secret not to be
/// told from random digits. USERNAME travels in the clear, and with a user's id somebody can take that user's place.
#[derive(Clone)]
pub struct Pseudonyms {
    key: Hmac<Sha256>,
}

impl Pseudonyms {
    /// With a key of its own, derived from the shared secret.
    pub fn new(secret: &[u8]) -> Self {
        let key = mac(&keyed(secret), &[LABEL]);
        Self { key: keyed(&key) }
    }

    /// The name of a user in a session: as [`of`](Self::of), and behind a dot 16 more digits, which both people of the session
    /// have and nobody else (see [`Scope`]). For quotas it is the name without them.
    pub fn of_user_in(&self, user: &str, session: &str) -> String {
        let mut name = self.of(Holder::User(user));
        let [a, b, c, d, e, f, g, h, ..] = mac(&self.key, &[b"session\0", session.as_bytes()]);
        let scope = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        write!(name, "{SCOPE}{scope:016x}").expect("writing to a String does not fail");
        name
    }

    /// `~` and 24 hexadecimal digits, whoever it is. No user's are those of a network.
    pub fn of(&self, holder: Holder<'_>) -> String {
        let tag = match holder {
            Holder::User(id) => mac(&self.key, &[b"user\0", id.as_bytes()]),
            Holder::Network(IpAddr::V4(ip)) => mac(&self.key, &[b"network\0", &ip.octets()]),
            Holder::Network(IpAddr::V6(ip)) => mac(&self.key, &[b"network\0", &ip.octets()]),
        };
        let mut name = String::with_capacity(1 + 2 * LEN);
        name.push(MARK);
        for byte in &tag[..LEN] {
            write!(name, "{byte:02x}").expect("writing to a String does not fail");
        }
        name
    }
}

/// A name of ours, and the session behind it; anybody else's name is whole.
pub(crate) fn split(id: &str) -> (&str, Option<Scope>) {
    let ours = |(name, scope): (&'_ str, &str)| {
        let is_ours = name.starts_with(MARK) && name.len() == 1 + 2 * LEN && scope.len() == 16;
        let scope = u64::from_str_radix(scope, 16).ok().filter(|_| is_ours);
        scope.map(Scope)
    };
    match id.split_once(SCOPE) {
        Some(parts) if ours(parts).is_some() => (parts.0, ours(parts)),
        _ => (id, None),
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(octets: [u8; 4]) -> Holder<'static> {
        Holder::Network(octets.into())
    }

    #[test]
    fn a_holder_has_one_name_under_a_secret_and_others_have_others() {
        let ours = Pseudonyms::new(b"north");
        let again = Pseudonyms::new(b"north");
        let theirs = Pseudonyms::new(b"south");
        for holder in [Holder::User("ada"), Holder::User(""), network([192, 0, 2, 1])] {
            assert_eq!(ours.of(holder), again.of(holder));
            assert_ne!(ours.of(holder), theirs.of(holder));
        }
        assert_ne!(ours.of(Holder::User("ada")), ours.of(Holder::User("bob")));
        assert_ne!(ours.of(network([192, 0, 2, 1])), ours.of(network([192, 0, 2, 2])));
    }

    #[test]
    fn a_session_is_told_from_a_name_of_ours_and_from_no_other() {
        let names = Pseudonyms::new(b"north");
        let (ada, bob) = (names.of_user_in("ada", "s"), names.of_user_in("bob", "s"));
        let (name, scope) = split(&ada);
        assert_eq!(name, names.of(Holder::User("ada")));
        assert!(scope.is_some());
        assert_eq!(scope, split(&bob).1);
        assert_ne!(scope, split(&names.of_user_in("ada", "t")).1);
        for other in [name, "ada.0123456789abcdef", "~ada.0123456789abcdef", &ada[..41], "a.b.c"] {
            assert_eq!(split(other), (other, None));
        }
    }

    #[test]
    fn no_user_id_is_spelt_so_that_it_is_a_network() {
        let names = Pseudonyms::new(b"north");
        // The octets of an address that are text as well, alone and behind the label of networks.
        for id in ["Aaaa", "network\0Aaaa", "65.97.97.97"] {
            assert_ne!(names.of(Holder::User(id)), names.of(network(*b"Aaaa")));
        }
    }

    #[test]
    fn it_is_not_the_key_that_nonces_are_made_with() {
        // One secret, several uses: what one of them shows says nothing about another.
        let names = Pseudonyms::new(b"north");
        let direct = mac(&keyed(b"north"), &[b"user\0", b"ada"]);
        let start: String = direct[..LEN].iter().map(|byte| alloc::format!("{byte:02x}")).collect();
        assert_ne!(names.of(Holder::User("ada"))[1..], start);
    }
}
