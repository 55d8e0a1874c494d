//! Names of things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// A client's connection, named by the caller and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where a client comes from: its network, as a number that the caller chooses. Clients of one origin share a bound on
/// how often they may ask for partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(pub u64);

/// A server that shares its waiting room with others, named by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// A session of two: 128 bits that nobody can guess, on the wire as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u128);

impl SessionId {
    const DIGITS: usize = 32;

    /// Reads the form on the wire, and only exactly that.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == Self::DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        canonical.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, NotASession> {
        Self::parse(text).ok_or(NotASession)
    }
}

/// What was read as a [`SessionId`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASession;

impl fmt::Display for NotASession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's id is 32 hexadecimal digits")
    }
}

impl std::error::Error for NotASession {}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Self::parse(text).ok_or_else(|| de::Error::custom("not a session id"))
    }
}

/// Makes session ids: a keyed pseudorandom function over a counter, so that the hub needs no entropy of
/// its own and a client that knows its own ids learns nothing about anybody else's.
pub(crate) struct SessionIds {
    key: [u64; 2],
    made: u64,
}

impl SessionIds {
    pub(crate) fn new(key: [u64; 2]) -> Self {
        Self { key, made: 0 }
    }

    pub(crate) fn next(&mut self) -> SessionId {
        self.made += 1;
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(self.made);
        SessionId(hasher.finish128().as_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_reads_back_as_it_was_written() {
        let id = SessionIds::new([1, 2]).next();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId(0xf).to_string().len(), 32);
    }

    #[test]
    fn nothing_else_reads_as_a_session_id() {
        let text = SessionId(0xab << 120).to_string();
        for wrong in ["", "ab", "+", &text[1..], &format!("{text}0"), &text.to_uppercase()] {
            assert_eq!(SessionId::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(
            SessionId::parse(&format!("+{}", &text[1..])),
            None,
            "from_str_radix takes a sign"
        );
    }

    #[test]
    fn ids_differ_from_each_other_and_from_those_of_another_key() {
        let (mut ours, mut theirs) = (SessionIds::new([1, 2]), SessionIds::new([1, 3]));
        let ids = std::collections::BTreeSet::from_iter(
            (0..1000).flat_map(|_| [ours.next(), theirs.next()]),
        );
        assert_eq!(ids.len(), 2000);
    }
}
