//! What clients say, as it is understood.

use std::borrow::Cow;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::SessionId;
use crate::attributes::WishFields;

/// A client's message, checked as far as it can be without knowing the client.
#[derive(Debug)]
pub(crate) enum ClientMessage<'a> {
    Hello(Box<Hello>),
    JoinQueue(Box<JoinQueue>),
    LeaveQueue,
    /// It agrees to meet whom it was offered.
    Accept,
    Signal {
        session: SessionRef,
        signal: &'a RawValue,
    },
    Skip {
        session: SessionRef,
    },
    EndSession {
        session: SessionRef,
    },
    CreateRoom(Whom),
    JoinRoom {
        whom: Whom,
        code: String,
    },
    Message {
        session: SessionRef,
        text: String,
    },
    Report {
        session: SessionRef,
        reason: String,
    },
    /// `None` is the partner it has, or had last.
    Block {
        user: Option<String>,
    },
    Unblock {
        user: String,
    },
    /// Whether its media goes over a relay.
    Path {
        session: SessionRef,
        relayed: bool,
    },
    RenewToken {
        token: String,
    },
    IceServers,
    Ping,
    /// It says nothing but how far its client has heard.
    Ack,
}

/// Who somebody says it is: by a name, by a token, or, who has said so before, by neither.
#[derive(Debug, Default)]
pub(crate) struct Whom {
    pub(crate) user: Option<String>,
    pub(crate) token: Option<String>,
}

/// `hello`: who comes, and what it has from before.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) whom: Whom,
    pub(crate) resume: Option<Resume>,
    pub(crate) pair_token: Option<String>,
}

/// A seat somebody had.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) token: String,
    pub(crate) epoch: String,
    /// The last number it has heard; `None` if it has forgotten all it heard.
    pub(crate) received: Option<u64>,
}

/// `join_queue`.
#[derive(Debug)]
pub(crate) struct JoinQueue {
    pub(crate) whom: Whom,
    /// The `matchMode`.
    pub(crate) mode: Cow<'static, str>,
    pub(crate) place_token: Option<String>,
    /// What it says of whom it wants to meet, not understood yet.
    pub(crate) buddies: Option<Json>,
    pub(crate) blocked: Option<Json>,
    pub(crate) attributes: Option<Json>,
    pub(crate) seeks: Option<Json>,
}

impl JoinQueue {
    pub(crate) fn wishes(&self) -> WishFields<'_> {
        WishFields {
            buddies: self.buddies.as_ref(),
            blocked: self.blocked.as_ref(),
            attributes: self.attributes.as_ref(),
            seeks: self.seeks.as_ref(),
        }
    }
}

/// Which session a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionRef {
    /// The one there is.
    Mine,
    Of(SessionId),
    /// A string that is no session's id: a wrong session, not a wrong message.
    Nobodys,
}

impl SessionRef {
    /// Whether this one is meant, if it is the one there is.
    pub(crate) fn means(self, session: SessionId) -> bool {
        match self {
            Self::Mine => true,
            Self::Of(id) => id == session,
            Self::Nobodys => false,
        }
    }
}
