//! Whether a crowd was matched as the rules say. Pure: it judges what the clients received.

use std::collections::HashMap;

use serde_json::Value;

/// One `match_found` as a client received it, or one `rejoined`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) session: String,
    pub(crate) partner: String,
    pub(crate) is_initiator: bool,
    has_ice_servers: bool,
}

impl Found {
    /// Reads a server's message. `None`: it is some other message. An error says what is wrong.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, String> {
        let message: Value = serde_json::from_str(text).map_err(|e| format!("{e}: {text}"))?;
        match message["type"].as_str() {
            Some("match_found") => {}
            Some("queued") => return Ok(None),
            _ => return Err(format!("a message nobody expects here: {text}")),
        }
        let found = Self::of(&message["payload"]);
        found.map(Some).ok_or_else(|| format!("a match_found without its fields: {text}"))
    }

    /// Reads what such a message says.
    pub(crate) fn of(payload: &Value) -> Option<Self> {
        let string = |key: &str| payload[key].as_str().map(str::to_owned);
        Some(Self {
            session: string("sessionId")?,
            partner: string("partnerId")?,
            is_initiator: payload["isInitiator"].as_bool()?,
            has_ice_servers: !payload["iceServers"].as_array()?.is_empty(),
        })
    }
}

/// Checks that everybody was matched exactly once, with somebody else who says the same of them,
/// in a session of their own with exactly one initiator, and was given ICE servers.
///
/// `users[i]` is the name of client i and `found[i]` all it was told. Every breach is one line.
pub(crate) fn judge(users: &[String], found: &[Vec<Found>]) -> Vec<String> {
    let index: HashMap<&str, usize> =
        users.iter().enumerate().map(|(index, user)| (user.as_str(), index)).collect();
    let mut sessions: HashMap<&str, usize> = HashMap::new();
    let mut breaches = Vec::new();
    for (me, (user, told)) in users.iter().zip(found).enumerate() {
        let [mine] = &told[..] else {
            breaches.push(format!("{user} was matched {} times", told.len()));
            continue;
        };
        *sessions.entry(&mine.session).or_default() += 1;
        if !mine.has_ice_servers {
            breaches.push(format!("{user} got no ICE servers"));
        }
        let Some(&partner) = index.get(mine.partner.as_str()) else {
            breaches.push(format!("{user} was matched with {}, who is nobody", mine.partner));
            continue;
        };
        if partner == me {
            breaches.push(format!("{user} was matched with themselves"));
            continue;
        }
        let [theirs] = &found[partner][..] else { continue };
        if theirs.partner != *user || theirs.session != mine.session {
            breaches.push(format!("{user} has {}, who has {}", mine.partner, theirs.partner));
        } else if me < partner && mine.is_initiator == theirs.is_initiator {
            breaches.push(format!("{user} and {} both or neither initiate", mine.partner));
        }
    }
    let crowded = sessions.iter().filter(|&(_, &members)| members != 2);
    breaches.extend(crowded.map(|(session, members)| format!("{session} has {members} members")));
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(session: &str, partner: &str, is_initiator: bool) -> Vec<Found> {
        let (session, partner) = (session.to_owned(), partner.to_owned());
        vec![Found { session, partner, is_initiator, has_ice_servers: true }]
    }

    fn users(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn breaches(found: &[Vec<Found>]) -> String {
        judge(&users(&["ann", "bob", "cid", "dee"][..found.len()]), found).join("; ")
    }

    #[test]
    fn two_proper_pairs_are_right() {
        let told = [
            found("s1", "cid", true),
            found("s2", "dee", false),
            found("s1", "ann", false),
            found("s2", "bob", true),
        ];
        assert_eq!(breaches(&told), "");
    }

    #[test]
    fn every_breach_is_named() {
        let pair = || [found("s", "bob", true), found("s", "ann", false)];
        let with = |change: fn(&mut [Vec<Found>; 2])| {
            let mut told = pair();
            change(&mut told);
            breaches(&told)
        };
        assert!(with(|told| told[0].clear()).contains("ann was matched 0 times"));
        assert!(with(|told| told[1].extend(found("t", "ann", true))).contains("bob was matched 2"));
        assert!(with(|told| told[0] = found("s", "ann", true)).contains("themselves"));
        assert!(with(|told| told[0] = found("s", "eve", true)).contains("nobody"));
        assert!(with(|told| told[1] = found("s", "ann", true)).contains("both or neither"));
        assert!(with(|told| told[1] = found("t", "ann", false)).contains("1 members"));
        assert!(with(|told| told[1][0].has_ice_servers = false).contains("bob got no ICE"));
    }

    #[test]
    fn a_session_shared_by_two_pairs_is_a_breach() {
        let told = [
            found("s", "bob", true),
            found("s", "ann", false),
            found("s", "dee", true),
            found("s", "cid", false),
        ];
        assert_eq!(breaches(&told), "s has 4 members");
    }

    #[test]
    fn messages_are_read_by_their_type() {
        let text = r#"{"type":"match_found","payload":{"sessionId":"s","partnerId":"bob",
            "isInitiator":true,"iceServers":[{"urls":"stun:h"}],"iceTtl":600}}"#;
        assert_eq!(Found::read(text).unwrap(), found("s", "bob", true).pop());
        assert_eq!(Found::read(r#"{"type":"queued","payload":{"position":1}}"#).unwrap(), None);
        assert!(Found::read(r#"{"type":"error","payload":{}}"#).is_err());
        assert!(Found::read(r#"{"type":"match_found","payload":{}}"#).is_err());
        assert!(Found::read("pardon?").is_err());
    }
}
