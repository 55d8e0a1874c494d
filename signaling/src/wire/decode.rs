//! What clients send.
//!
//! Fields are taken one by one from their raw text rather than by a derived decoder, so that an error can
//! name the field, and so that a `signal` passes through without being understood. Unknown fields are ignored, and `null`
//! is as good as absent, but for a signal.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::client::{ClientMessage, Hello, JoinQueue, Resume, SessionRef, Whom};
use crate::refusal::{ErrorCode, Refusal};
use crate::{MAX_POOL_LEN, MAX_USER_LEN, SessionId};

/// The longest `text` of a `message`, in bytes.
pub(super) const MAX_TEXT_LEN: usize = 4000;
/// The longest `reason` of a `report`, in bytes.
pub(super) const MAX_REASON_LEN: usize = 500;
/// No code of a room is longer, however it is written.
pub(super) const MAX_CODE_LEN: usize = 32;
/// No token is longer, in bytes.
pub(super) const MAX_TOKEN_LEN: usize = 8192;

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
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    buddies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    blocked: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seeks: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    relayed: Option<&'a RawValue>,
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
        "accept" => Ok(ClientMessage::Accept),
        "create_room" => Ok(ClientMessage::CreateRoom(data?.whom()?)),
        "join_room" => data?.join_room(),
        "message" => data?.words(),
        "report" => data?.report(),
        "block" => Ok(ClientMessage::Block { user: data?.user()? }),
        "unblock" => Ok(ClientMessage::Unblock { user: data?.user()?.ok_or_else(no_user)? }),
        "path" => data?.path(),
        "renew_token" => data?.renew_token(),
        "signal" => data?.signal(),
        "skip" => Ok(ClientMessage::Skip { session: data?.session()? }),
        "end_session" => Ok(ClientMessage::EndSession { session: data?.session()? }),
        "ice_servers" => Ok(ClientMessage::IceServers),
        "ping" => Ok(ClientMessage::Ping),
        "ack" => Ok(ClientMessage::Ack),
        _ => Err(Refusal::new(
            ErrorCode::UnknownType,
            "type must be hello, join_queue, leave_queue, accept, signal, skip, end_session, create_room, join_room, message, \
             report, block, unblock, path, renew_token, ice_servers, ping or ack",
        )),
    }
}

impl<'a> Data<'a> {
    fn hello(self) -> Result<ClientMessage<'a>, Refusal> {
        let whom = self.whom()?;
        let resume = match self.resume {
            Some(raw) => Some(resume(raw)?),
            None => None,
        };
        let pair_token = token("pairToken", self.pair_token)?;
        Ok(ClientMessage::Hello(Box::new(Hello { whom, resume, pair_token })))
    }

    fn join_queue(self) -> Result<ClientMessage<'a>, Refusal> {
        let (whom, mode) = (self.whom()?, self.mode()?);
        let place_token = token("placeToken", self.place_token)?;
        let [buddies, blocked, attributes, seeks] =
            [self.buddies, self.blocked, self.attributes, self.seeks]
                .map(|raw| raw.and_then(|raw| serde_json::from_str(raw.get()).ok()));
        let join = JoinQueue { whom, mode, place_token, buddies, blocked, attributes, seeks };
        Ok(ClientMessage::JoinQueue(Box::new(join)))
    }

    fn join_room(self) -> Result<ClientMessage<'a>, Refusal> {
        let (whom, code) = (self.whom()?, words("code", self.code, MAX_CODE_LEN)?);
        Ok(ClientMessage::JoinRoom { whom, code })
    }

    fn words(self) -> Result<ClientMessage<'a>, Refusal> {
        let (session, text) = (self.session()?, words("text", self.text, MAX_TEXT_LEN)?);
        Ok(ClientMessage::Message { session, text })
    }

    fn report(self) -> Result<ClientMessage<'a>, Refusal> {
        let (session, reason) = (self.session()?, words("reason", self.reason, MAX_REASON_LEN)?);
        Ok(ClientMessage::Report { session, reason })
    }

    fn path(self) -> Result<ClientMessage<'a>, Refusal> {
        let session = self.session()?;
        let relayed = self.relayed.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let relayed = relayed.ok_or_else(|| invalid("relayed must be true or false"))?;
        Ok(ClientMessage::Path { session, relayed })
    }

    fn renew_token(self) -> Result<ClientMessage<'a>, Refusal> {
        let token = words("token", self.token, MAX_TOKEN_LEN)?;
        Ok(ClientMessage::RenewToken { token })
    }

    fn whom(&self) -> Result<Whom, Refusal> {
        let token = self.token.map(|raw| words("token", Some(raw), MAX_TOKEN_LEN)).transpose()?;
        Ok(Whom { user: self.user()?, token })
    }

    /// Absent is nobody; everything else must be a user's name.
    fn user(&self) -> Result<Option<String>, Refusal> {
        let Some(raw) = self.user_id else { return Ok(None) };
        let user = text(Some(raw)).filter(|user| (1..=MAX_USER_LEN).contains(&user.len()));
        user.map(Some).ok_or_else(no_user)
    }

    /// Absent, null and empty are the same.
    fn mode(&self) -> Result<Cow<'static, str>, Refusal> {
        let Some(mode) = self.match_mode else { return Ok("".into()) };
        let mode = text(Some(mode)).filter(|mode| mode.len() <= MAX_POOL_LEN).map(Cow::Owned);
        mode.ok_or_else(|| {
            invalid(format!("matchMode must be a string of at most {MAX_POOL_LEN} bytes"))
        })
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

/// A string that says something.
fn words(name: &str, field: Option<&RawValue>, most: usize) -> Result<String, Refusal> {
    let words = text(field).filter(|words| (1..=most).contains(&words.len()));
    words.ok_or_else(|| invalid(format!("{name} must be a string of 1 to {most} bytes")))
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
