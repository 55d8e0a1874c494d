//! What a client is told when it cannot have what it asked for.

use std::borrow::Cow;
use std::time::Duration;

/// `code` in `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not JSON text of the form `{"type","data"}`.
    BadMessage,
    /// A `type` that does not exist.
    UnknownType,
    /// A field is missing, of the wrong type, empty or too long; the message names it.
    InvalidField,
    /// Not the session this connection is in.
    NoSession,
    /// Another `userId` while waiting or in a session.
    UserChange,
    /// The same user came by another connection.
    Replaced,
    /// Somebody elsewhere has this `userId`; the error says when to ask again.
    UserTaken,
    /// Another partner sooner than allowed; the error says when.
    TooOften,
    /// A token is needed to be somebody here.
    TokenMissing,
    /// The token is not one of ours, or not for us.
    TokenInvalid,
    /// The token has run out.
    TokenExpired,
    /// The key that the token is signed with is being fetched; the error says when to ask again.
    TokenUnverified,
    /// Another `userId` than the token's.
    WrongUser,
    /// There is no room of this code, or no more.
    NoRoom,
    /// This user may not meet anybody for a time; the error says until when.
    Barred,
    /// More messages or bytes than allowed.
    Flood,
    /// The server is stopping.
    ShuttingDown,
}

impl ErrorCode {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::BadMessage,
        Self::UnknownType,
        Self::InvalidField,
        Self::NoSession,
        Self::UserChange,
        Self::Replaced,
        Self::UserTaken,
        Self::TooOften,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenUnverified,
        Self::WrongUser,
        Self::NoRoom,
        Self::Barred,
        Self::Flood,
        Self::ShuttingDown,
    ];

    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::UnknownType => "unknown_type",
            Self::InvalidField => "invalid_field",
            Self::NoSession => "no_session",
            Self::UserChange => "user_change",
            Self::Replaced => "replaced",
            Self::UserTaken => "user_taken",
            Self::TooOften => "too_often",
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenUnverified => "token_unverified",
            Self::WrongUser => "wrong_user",
            Self::NoRoom => "no_room",
            Self::Barred => "barred",
            Self::Flood => "flood",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// Whether the same request may succeed later.
    pub fn temporary(self) -> bool {
        match self {
            Self::UserTaken
            | Self::TooOften
            | Self::TokenUnverified
            | Self::Barred
            | Self::ShuttingDown => true,
            Self::BadMessage
            | Self::UnknownType
            | Self::InvalidField
            | Self::NoSession
            | Self::UserChange
            | Self::Replaced
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::WrongUser
            | Self::NoRoom
            | Self::Flood => false,
        }
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    /// When the same request will be granted, where that is known.
    pub(crate) retry_after: Option<Duration>,
    /// The number of the message that is refused, if it had one.
    pub(crate) id: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after: None, id: None }
    }

    /// Somebody does something more often than it may.
    pub(crate) fn too_often(what: &str, retry_after: Duration) -> Self {
        let message = format!("you {what} too often; do it again later");
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::TooOften, message) }
    }

    pub(crate) fn user_taken(retry_after: Duration) -> Self {
        let message = "somebody elsewhere has this userId; take another, or ask again later";
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::UserTaken, message) }
    }

    pub(crate) fn barred(retry_after: Duration) -> Self {
        let message = "you may not meet anybody for a time";
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Barred, message) }
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new(ErrorCode::ShuttingDown, "the server is stopping")
    }

    /// There is none, or none for who asks.
    pub(crate) fn no_room() -> Self {
        Self::new(ErrorCode::NoRoom, "there is no room of this code, or nobody waits in it now")
    }

    pub(crate) fn no_session() -> Self {
        Self::new(ErrorCode::NoSession, "this is not the session you are in")
    }
}
