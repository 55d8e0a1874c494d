//! What clients send.
//!
//! Fields are taken one by one from their raw text rather than by a derived decoder, so that an error can
//! name the field, and so that a `signal` passes through without being understood. Unknown fields are ignored.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::refusal::{ErrorCode, Refusal};
use crate::{DEFAULT_POOL, MAX_POOL_LEN, MAX_USER_LEN, SessionId};

/// A client's message, checked as far as it can be without knowing the client.
#[derive(Debug)]
pub(crate) enum ClientMessage<'a> {
    JoinQueue { user: String, pool: Cow<'static, str> },
    LeaveQueue,
    Signal { session: Option<SessionId>, signal: &'a RawValue },
    Skip { session: Option<SessionId> },
    EndSession { session: Option<SessionId> },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
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
}

/// `"signal": null` is a signal: clients send it at the end of candidates.
fn even_null<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

/// Reads one message.
pub(crate) fn decode(text: &str) -> Result<ClientMessage<'_>, Refusal> {
    let Envelope { kind, data } = object(text).ok_or_else(|| {
        Refusal::new(
            ErrorCode::BadMessage,
            r#"expected JSON text of the form {"type": "...", "data": {...}}"#,
        )
    })?;
    let data = match data {
        Some(data) => object(data.get()).ok_or_else(|| invalid("data must be an object")),
        None => Ok(Data::default()),
    };
    match &*kind {
        "join_queue" => data?.join_queue(),
        "leave_queue" => Ok(ClientMessage::LeaveQueue),
        "signal" => data?.signal(),
        "skip" => Ok(ClientMessage::Skip { session: data?.session()? }),
        "end_session" => Ok(ClientMessage::EndSession { session: data?.session()? }),
        _ => Err(Refusal::new(
            ErrorCode::UnknownType,
            "type must be join_queue, leave_queue, signal, skip or end_session",
        )),
    }
}

impl<'a> Data<'a> {
    fn join_queue(self) -> Result<ClientMessage<'a>, Refusal> {
        let user =
            text(self.user_id).filter(|user| (1..=MAX_USER_LEN).contains(&user.len())).ok_or_else(
                || invalid(format!("userId must be a string of 1 to {MAX_USER_LEN} bytes")),
            )?;
        Ok(ClientMessage::JoinQueue { user, pool: self.pool()? })
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

    /// A string that cannot be the id of any session is `None`: a wrong session, not a wrong message.
    fn session(&self) -> Result<Option<SessionId>, Refusal> {
        let id = text(self.session_id).ok_or_else(|| invalid("sessionId must be a string"))?;
        Ok(SessionId::parse(&id))
    }
}

/// Reads an object and nothing else: a derived decoder would take an array for a struct as well.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    let json = json.trim_ascii_start();
    json.starts_with('{').then(|| serde_json::from_str(json).ok())?
}

fn text(field: Option<&RawValue>) -> Option<String> {
    field.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ErrorCode {
        decode(text).expect_err("a wrong message").code
    }

    fn message(text: &str) -> String {
        decode(text).expect_err("a wrong message").message.into_owned()
    }

    fn pool(mode: &str) -> String {
        let text = format!(r#"{{"type":"join_queue","data":{{"userId":"a"{mode}}}}}"#);
        match decode(&text).expect("a right message") {
            ClientMessage::JoinQueue { pool, .. } => pool.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_a_message_is_a_bad_message() {
        let deep = "[".repeat(60_000);
        for text in [
            "",
            "null",
            "7",
            "[]",
            r#"["leave_queue"]"#,
            "{}",
            r#"{"type":7}"#,
            r#"{"type":null}"#,
            "{",
            &deep,
        ] {
            assert_eq!(code(text), ErrorCode::BadMessage, "{text:.20}");
        }
    }

    #[test]
    fn unknown_types_are_told_so_and_unknown_fields_are_not() {
        assert_eq!(code(r#"{"type":"dance","data":{}}"#), ErrorCode::UnknownType);
        assert_eq!(code(r#"{"type":"dance","data":7}"#), ErrorCode::UnknownType);
        let extra = r#"{"v":1,"type":"join_queue","data":{"userId":"a","mood":{"x":[1]}}}"#;
        assert!(matches!(decode(extra), Ok(ClientMessage::JoinQueue { .. })));
        assert!(matches!(decode(r#"{"type":"leave_queue"}"#), Ok(ClientMessage::LeaveQueue)));
    }

    #[test]
    fn an_error_names_the_field() {
        let long = format!(r#"{{"type":"join_queue","data":{{"userId":"{}"}}}}"#, "x".repeat(129));
        for (text, field) in [
            (r#"{"type":"join_queue"}"#, "userId"),
            (r#"{"type":"join_queue","data":{}}"#, "userId"),
            (r#"{"type":"join_queue","data":{"userId":7}}"#, "userId"),
            (r#"{"type":"join_queue","data":{"userId":null}}"#, "userId"),
            (r#"{"type":"join_queue","data":{"userId":""}}"#, "userId"),
            (r#"{"type":"join_queue","data":{"userId":"\ud800"}}"#, "userId"),
            (&*long, "userId"),
            (r#"{"type":"join_queue","data":{"userId":"a","matchMode":7}}"#, "matchMode"),
            (r#"{"type":"join_queue","data":["a"]}"#, "data"),
            (r#"{"type":"skip","data":{}}"#, "sessionId"),
            (r#"{"type":"end_session","data":{"sessionId":7}}"#, "sessionId"),
            (r#"{"type":"signal","data":{"signal":1}}"#, "sessionId"),
            (r#"{"type":"signal","data":{"sessionId":"x"}}"#, "signal"),
        ] {
            assert_eq!(code(text), ErrorCode::InvalidField, "{text}");
            assert!(message(text).starts_with(field), "{text}: {}", message(text));
        }
    }

    #[test]
    fn a_match_mode_is_a_pool_and_none_is_the_default_one() {
        for none in ["", r#","matchMode":null"#, r#","matchMode":"""#] {
            assert_eq!(pool(none), DEFAULT_POOL);
        }
        assert_eq!(pool(r#","matchMode":"video""#), "video");
        assert_eq!(pool(&format!(r#","matchMode":"{}""#, "x".repeat(64))).len(), 64);
        let long = format!(
            r#"{{"type":"join_queue","data":{{"userId":"a","matchMode":"{}"}}}}"#,
            "x".repeat(65)
        );
        assert_eq!(code(&long), ErrorCode::InvalidField);
    }

    #[test]
    fn a_signal_keeps_every_byte() {
        for signal in ["null", "7", r#""\ud800""#, r#"{ "b" :1,"a":1.0, "a":[ ] }"#] {
            let text =
                format!(r#"{{"type":"signal","data":{{"sessionId":"x","signal": {signal} }}}}"#);
            match decode(&text).expect("a right message") {
                ClientMessage::Signal { session: None, signal: raw } => {
                    assert_eq!(raw.get(), signal)
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
