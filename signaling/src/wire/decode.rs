//! What clients send.
//!
//! Fields are taken one by one from their raw text rather than by a derived decoder, so that an error can
//! name the field, and so that a `signal` passes through without being understood. Unknown fields are ignored, and `null`
//! is as good as absent, but for a signal.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::refusal::{ErrorCode, Refusal};
use crate::{DEFAULT_POOL, MAX_POOL_LEN, MAX_USER_LEN, SessionId};

/// A client's message, checked as far as it can be without knowing the client.
#[derive(Debug)]
pub(crate) enum ClientMessage<'a> {
    Hello(Box<Hello>),
    JoinQueue(JoinQueue),
    LeaveQueue,
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
    IceServers,
    Ping,
    /// It says nothing but how far its client has heard.
    Ack,
}

/// `hello`: who comes, and what it has from before.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) user: String,
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
    /// Only who has said `hello` need not say it again.
    pub(crate) user: Option<String>,
    pub(crate) pool: Cow<'static, str>,
    pub(crate) place_token: Option<String>,
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

/// A message with what is said beside it.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) numbers: Numbers<'a>,
    pub(crate) message: Result<ClientMessage<'a>, Refusal>,
}

/// What a client that counts says beside a message.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    /// Its number, from a client that wants to know that it has arrived.
    id: Option<&'a RawValue>,
    /// The last number its client has heard.
    ack: Option<&'a RawValue>,
}

impl Numbers<'_> {
    /// `id` and `ack`.
    pub(crate) fn read(&self) -> Result<(Option<u64>, Option<u64>), Refusal> {
        Ok((number("id", self.id)?, number("ack", self.ack)?))
    }
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ack: Option<&'a RawValue>,
}

/// Every field of every message; each is checked by the message that needs it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    match_mode: Option<&'a RawValue>,
    #[serde(borrow, default)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    signal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resume: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pair_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    place_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawResume<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    epoch: Cow<'a, str>,
    #[serde(default)]
    received: Option<u64>,
}

/// `"signal": null` is a signal: clients send it at the end of candidates.
fn even_null<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

/// Reads one message.
///
/// # Errors
/// What is no message at all. One that is wrong in itself comes with its number, for its client to know which was.
pub(crate) fn decode(text: &str) -> Result<Envelope<'_>, Refusal> {
    let RawEnvelope { kind, data, id, ack } = object(text).ok_or_else(|| {
        Refusal::new(
            ErrorCode::BadMessage,
            r#"expected JSON text of the form {"type": "...", "data": {...}}"#,
        )
    })?;
    Ok(Envelope { numbers: Numbers { id, ack }, message: message(&kind, data) })
}

fn message<'a>(kind: &str, data: Option<&'a RawValue>) -> Result<ClientMessage<'a>, Refusal> {
    let data = match data {
        Some(data) => object(data.get()).ok_or_else(|| invalid("data must be an object")),
        None => Ok(Data::default()),
    };
    match kind {
        "hello" => data?.hello(),
        "join_queue" => data?.join_queue(),
        "leave_queue" => Ok(ClientMessage::LeaveQueue),
        "signal" => data?.signal(),
        "skip" => Ok(ClientMessage::Skip { session: data?.session()? }),
        "end_session" => Ok(ClientMessage::EndSession { session: data?.session()? }),
        "ice_servers" => Ok(ClientMessage::IceServers),
        "ping" => Ok(ClientMessage::Ping),
        "ack" => Ok(ClientMessage::Ack),
        _ => Err(Refusal::new(
            ErrorCode::UnknownType,
            "type must be hello, join_queue, leave_queue, signal, skip, end_session, ice_servers, ping or ack",
        )),
    }
}

impl<'a> Data<'a> {
    fn hello(self) -> Result<ClientMessage<'a>, Refusal> {
        let user = self.user()?.ok_or_else(no_user)?;
        let resume = match self.resume {
            Some(raw) => Some(resume(raw)?),
            None => None,
        };
        let pair_token = token("pairToken", self.pair_token)?;
        Ok(ClientMessage::Hello(Box::new(Hello { user, resume, pair_token })))
    }

    fn join_queue(self) -> Result<ClientMessage<'a>, Refusal> {
        let (user, pool) = (self.user()?, self.pool()?);
        let place_token = token("placeToken", self.place_token)?;
        Ok(ClientMessage::JoinQueue(JoinQueue { user, pool, place_token }))
    }

    /// Absent is nobody; everything else must be a user's name.
    fn user(&self) -> Result<Option<String>, Refusal> {
        let Some(raw) = self.user_id else { return Ok(None) };
        let user = text(Some(raw)).filter(|user| (1..=MAX_USER_LEN).contains(&user.len()));
        user.map(Some).ok_or_else(no_user)
    }

    /// The pool is the `matchMode`, for which absent, null and empty are the same.
    fn pool(&self) -> Result<Cow<'static, str>, Refusal> {
        let Some(mode) = self.match_mode else { return Ok(DEFAULT_POOL.into()) };
        match text(Some(mode)) {
            Some(mode) if mode.is_empty() => Ok(DEFAULT_POOL.into()),
            Some(mode) if mode.len() <= MAX_POOL_LEN => Ok(mode.into()),
            _ => {
                Err(invalid(format!("matchMode must be a string of at most {MAX_POOL_LEN} bytes")))
            }
        }
    }

    fn signal(self) -> Result<ClientMessage<'a>, Refusal> {
        let session = self.session()?;
        let signal = self.signal.ok_or_else(|| invalid("signal is missing"))?;
        Ok(ClientMessage::Signal { session, signal })
    }

    /// Absent or null is the session there is.
    fn session(&self) -> Result<SessionRef, Refusal> {
        let Some(raw) = self.session_id else { return Ok(SessionRef::Mine) };
        let id = text(Some(raw)).ok_or_else(|| invalid("sessionId must be a string"))?;
        Ok(SessionId::parse(&id).map_or(SessionRef::Nobodys, SessionRef::Of))
    }
}

/// What it says of a seat. An epoch of another form is another epoch.
fn resume(raw: &RawValue) -> Result<Resume, Refusal> {
    let RawResume { token, epoch, received } = object(raw.get()).ok_or_else(|| {
        invalid("resume must be of the form {token: string, epoch: string, received: number}")
    })?;
    Ok(Resume { token: token.into_owned(), epoch: epoch.into_owned(), received })
}

fn token(name: &str, field: Option<&RawValue>) -> Result<Option<String>, Refusal> {
    let Some(raw) = field else { return Ok(None) };
    text(Some(raw)).map(Some).ok_or_else(|| invalid(format!("{name} must be a string")))
}

fn number(name: &str, field: Option<&RawValue>) -> Result<Option<u64>, Refusal> {
    let Some(raw) = field else { return Ok(None) };
    let number = serde_json::from_str(raw.get()).ok();
    number.map(Some).ok_or_else(|| invalid(format!("{name} must be a whole number")))
}

pub(crate) fn no_user() -> Refusal {
    invalid(format!("userId must be a string of 1 to {MAX_USER_LEN} bytes"))
}

/// Reads an object and nothing else: a derived decoder would take an array for a struct as well.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    let json = json.trim_ascii_start();
    json.starts_with('{').then(|| serde_json::from_str(json).ok())?
}

fn text(field: Option<&RawValue>) -> Option<String> {
    field.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, message)
}

#[cfg(test)]
mod tests;
