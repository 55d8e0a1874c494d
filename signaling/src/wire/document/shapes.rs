//! What clients send, in its documented form. The reader takes more than this, and is held to this by `agreement`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use serde_json::{Number, Value};

use super::super::client::{ClientMessage, Hello, JoinQueue, Resume, SessionRef, Whom};
use super::super::decode::{MAX_CODE_LEN, MAX_REASON_LEN, MAX_TEXT_LEN, MAX_TOKEN_LEN};
use crate::attributes::{MAX_TAG_LEN, MOST_NAMES, MOST_TAGS, MOST_VALUES};
use crate::{MAX_POOL_LEN, MAX_USER_LEN, SessionId};

/// A message with its numbers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Said {
    #[serde(flatten)]
    pub(super) message: Client,
    /// Its number, from a client that has said `hello`: 1, 2, 3 and so on, for what is to arrive once and in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    /// The last `seq` its client has heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ack: Option<u64>,
}

/// A string with bounds in bytes of UTF-8. JSON Schema counts characters: `x-max-bytes` is the bound.
macro_rules! strings {
    ($($(#[$doc:meta])* $name:ident($least:expr, $most:expr);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[schemars(extend("x-max-bytes" = $most))]
        pub(super) struct $name(#[schemars(length(min = $least, max = $most))] pub(super) String);

        impl $name {
            pub(super) const BYTES: std::ops::RangeInclusive<usize> = $least..=$most;
        }
    )+};
}

strings! {
    /// Who somebody is.
    UserId(1, MAX_USER_LEN);
    /// A JSON Web Token, where the server asks for one.
    Token(1, MAX_TOKEN_LEN);
    /// `global` (also when it is absent, empty or `default`), `buddies_first`, `buddies`, or a pool of the server's configuration.
    MatchMode(0, MAX_POOL_LEN);
    /// The code of a room, as `room_created` or a human being writes it.
    RoomCode(1, MAX_CODE_LEN);
    /// What is said to the partner.
    Text(1, MAX_TEXT_LEN);
    /// What is wrong with the partner.
    ReportReason(1, MAX_REASON_LEN);
    /// A word of an attribute.
    Tag(1, MAX_TAG_LEN);
}

/// Who says so: by a name, by a token, or, having said so before, by neither.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Who {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Token>,
}

/// Which session is meant: absent is the one there is. What is no session's id is a wrong session.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Which {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<String>,
}

/// A message.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum Client {
    /// Comes, or comes back, before all else; answered by `welcome`.
    Hello {
        #[serde(flatten)]
        who: Who,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Seat>,
        /// From `match_found` or `rejoined`, while the call lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair_token: Option<String>,
    },
    /// Looks for a partner; `queued`, `match_offer` or `match_found` follows.
    JoinQueue {
        #[serde(flatten)]
        who: Who,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        match_mode: Option<MatchMode>,
        /// From `queued`, for seniority.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place_token: Option<String>,
        /// Whom one would like to meet. Only who is in each other's list is a buddy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = MOST_NAMES))]
        buddies: Option<Vec<UserId>>,
        /// Whom one does not want to meet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = MOST_NAMES))]
        blocked: Option<Vec<UserId>>,
        /// What one is, by names that the server's configuration declares.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attributes: Option<BTreeMap<String, Attribute>>,
        /// What one seeks, by the same names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seeks: Option<BTreeMap<String, Wish>>,
    },
    /// Stops looking, or leaves the room one waits in. Not an error when there is nothing to leave.
    LeaveQueue,
    /// Agrees to a `match_offer`.
    Accept,
    /// Passes `signal` on to the partner, byte for byte.
    Signal {
        #[serde(flatten)]
        which: Which,
        /// Any JSON value, `null` included.
        signal: Value,
    },
    /// Ends the session and looks for the next partner, as before.
    Skip {
        #[serde(flatten)]
        which: Which,
    },
    /// Ends the session.
    EndSession {
        #[serde(flatten)]
        which: Which,
    },
    /// Opens a room for two; `room_created` follows.
    CreateRoom {
        #[serde(flatten)]
        who: Who,
    },
    /// Meets whoever waits in a room; `match_found` follows.
    JoinRoom {
        #[serde(flatten)]
        who: Who,
        code: RoomCode,
    },
    /// Says something to the partner. It is not stored.
    Message {
        #[serde(flatten)]
        which: Which,
        text: Text,
    },
    /// Complains of the partner one has, or had last.
    Report {
        #[serde(flatten)]
        which: Which,
        reason: ReportReason,
    },
    /// Never meets a user again: absent is the partner one has, or had last. A session with that one ends.
    Block {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
    /// May meet a user again.
    Unblock { user_id: UserId },
    /// Says whether its media goes over a relay, for the records of the server.
    Path {
        #[serde(flatten)]
        which: Which,
        relayed: bool,
    },
    /// Brings a newer token.
    RenewToken { token: Token },
    /// Asks for fresh ICE servers for the session it is in.
    IceServers,
    /// Asks whether the server is there; `pong` says so.
    Ping,
    /// Says nothing but how far its client has heard, in the `ack` beside its `type`.
    Ack,
}

/// A seat one had.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Seat {
    /// The `resumeToken` of the last `welcome`.
    pub(super) token: String,
    /// The `epoch` of the last `welcome`; of another one, or without it, all begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<String>,
    /// The last `seq` one has heard; absent, if one remembers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<u64>,
}

/// What one is: one of the values of a choice, words, or a number, as the attribute is declared.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Attribute {
    Choice(String),
    Tags(#[schemars(length(max = MOST_TAGS))] Vec<Tag>),
    Number(#[schemars(with = "f64")] Number),
}

/// What one seeks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Wish {
    /// `anyone`, or one of the values of a choice.
    Word(String),
    /// Any of these: values of a choice, or at most 16 words.
    Several(#[schemars(length(min = 1, max = MOST_VALUES))] Vec<Tag>),
    /// As near as this.
    Number {
        #[schemars(with = "f64", range(min = 0))]
        within: Number,
    },
}

impl Who {
    fn meaning(&self) -> Whom {
        let Self { user_id, token } = self.clone();
        Whom { user: user_id.map(|user| user.0), token: token.map(|token| token.0) }
    }
}

impl Which {
    fn meaning(&self) -> SessionRef {
        match &self.session_id {
            None => SessionRef::Mine,
            Some(id) => SessionId::parse(id).map_or(SessionRef::Nobodys, SessionRef::Of),
        }
    }
}

impl Client {
    /// What the reader is to make of it, as it looks when it is printed.
    pub(super) fn meaning(&self) -> String {
        let text = |of: &Option<String>| of.clone();
        fn json<T: Serialize>(of: &Option<T>) -> Option<Value> {
            of.as_ref().map(|of| serde_json::to_value(of).expect("it is JSON"))
        }
        let raw;
        let meaning = match self {
            Self::Hello { who, resume, pair_token } => {
                let resume = resume.clone();
                let resume = resume.map(|Seat { token, epoch, received }| Resume {
                    token,
                    epoch: epoch.unwrap_or_default(),
                    received,
                });
                let hello = Hello { whom: who.meaning(), resume, pair_token: text(pair_token) };
                ClientMessage::Hello(Box::new(hello))
            }
            Self::JoinQueue {
                who,
                match_mode,
                place_token,
                buddies,
                blocked,
                attributes,
                seeks,
            } => ClientMessage::JoinQueue(Box::new(JoinQueue {
                whom: who.meaning(),
                mode: match_mode.as_ref().map(|mode| mode.0.clone()).unwrap_or_default().into(),
                place_token: text(place_token),
                buddies: json(buddies),
                blocked: json(blocked),
                attributes: json(attributes),
                seeks: json(seeks),
            })),
            Self::LeaveQueue => ClientMessage::LeaveQueue,
            Self::Accept => ClientMessage::Accept,
            Self::Signal { which, signal } => {
                raw = to_raw_value(signal).expect("it is JSON");
                ClientMessage::Signal { session: which.meaning(), signal: &raw }
            }
            Self::Skip { which } => ClientMessage::Skip { session: which.meaning() },
            Self::EndSession { which } => ClientMessage::EndSession { session: which.meaning() },
            Self::CreateRoom { who } => ClientMessage::CreateRoom(who.meaning()),
            Self::JoinRoom { who, code } => {
                ClientMessage::JoinRoom { whom: who.meaning(), code: code.0.clone() }
            }
            Self::Message { which, text } => {
                ClientMessage::Message { session: which.meaning(), text: text.0.clone() }
            }
            Self::Report { which, reason } => {
                ClientMessage::Report { session: which.meaning(), reason: reason.0.clone() }
            }
            Self::Block { user_id } => {
                ClientMessage::Block { user: user_id.as_ref().map(|user| user.0.clone()) }
            }
            Self::Unblock { user_id } => ClientMessage::Unblock { user: user_id.0.clone() },
            Self::Path { which, relayed } => {
                ClientMessage::Path { session: which.meaning(), relayed: *relayed }
            }
            Self::RenewToken { token } => ClientMessage::RenewToken { token: token.0.clone() },
            Self::IceServers => ClientMessage::IceServers,
            Self::Ping => ClientMessage::Ping,
            Self::Ack => ClientMessage::Ack,
        };
        format!("{meaning:?}")
    }
}
