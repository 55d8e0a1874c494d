//! What is read, and what is said of what cannot be.

use super::*;

fn read(text: &str) -> Result<ClientMessage<'_>, Refusal> {
    decode(text).and_then(|envelope| envelope.numbers.read().and(envelope.message))
}

fn code(text: &str) -> ErrorCode {
    read(text).expect_err("a wrong message").code
}

fn message(text: &str) -> String {
    read(text).expect_err("a wrong message").message.into_owned()
}

fn pool(mode: &str) -> String {
    let text = format!(r#"{{"type":"join_queue","data":{{"userId":"a"{mode}}}}}"#);
    match read(&text).expect("a right message") {
        ClientMessage::JoinQueue(join) => join.mode.into_owned(),
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
    assert!(matches!(read(extra), Ok(ClientMessage::JoinQueue(_))));
    assert!(matches!(read(r#"{"type":"leave_queue"}"#), Ok(ClientMessage::LeaveQueue)));
}

#[test]
fn an_error_names_the_field() {
    let long = format!(r#"{{"type":"join_queue","data":{{"userId":"{}"}}}}"#, "x".repeat(129));
    for (text, field) in [
        (r#"{"type":"hello","data":{"userId":[]}}"#, "userId"),
        (r#"{"type":"hello","data":{"token":""}}"#, "token"),
        (r#"{"type":"join_room","data":{"userId":"a"}}"#, "code"),
        (r#"{"type":"message","data":{"text":""}}"#, "text"),
        (r#"{"type":"report","data":{}}"#, "reason"),
        (r#"{"type":"block","data":{"userId":""}}"#, "userId"),
        (r#"{"type":"unblock"}"#, "userId"),
        (r#"{"type":"path","data":{"relayed":"yes"}}"#, "relayed"),
        (r#"{"type":"renew_token"}"#, "token"),
        (r#"{"type":"hello","data":{"userId":"a","resume":7}}"#, "resume"),
        (r#"{"type":"hello","data":{"userId":"a","resume":{}}}"#, "resume"),
        (r#"{"type":"hello","data":{"userId":"a","pairToken":[]}}"#, "pairToken"),
        (r#"{"type":"join_queue","data":{"placeToken":1}}"#, "placeToken"),
        (r#"{"type":"ping","id":"x"}"#, "id"),
        (r#"{"type":"ping","ack":-1}"#, "ack"),
        (r#"{"type":"join_queue","data":{"userId":7}}"#, "userId"),
        (r#"{"type":"join_queue","data":{"userId":""}}"#, "userId"),
        (r#"{"type":"join_queue","data":{"userId":"\ud800"}}"#, "userId"),
        (&*long, "userId"),
        (r#"{"type":"join_queue","data":{"userId":"a","matchMode":7}}"#, "matchMode"),
        (r#"{"type":"join_queue","data":["a"]}"#, "data"),
        (r#"{"type":"end_session","data":{"sessionId":7}}"#, "sessionId"),
        (r#"{"type":"signal","data":{"sessionId":{},"signal":1}}"#, "sessionId"),
        (r#"{"type":"signal","data":{"sessionId":"x"}}"#, "signal"),
    ] {
        assert_eq!(code(text), ErrorCode::InvalidField, "{text}");
        assert!(message(text).starts_with(field), "{text}: {}", message(text));
    }
}

#[test]
fn a_match_mode_is_a_string_and_none_is_the_empty_one() {
    for none in ["", r#","matchMode":null"#, r#","matchMode":"""#] {
        assert_eq!(pool(none), "");
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
        let text = format!(r#"{{"type":"signal","data":{{"sessionId":"x","signal": {signal} }}}}"#);
        match read(&text).expect("a right message") {
            ClientMessage::Signal { session: SessionRef::Nobodys, signal: raw } => {
                assert_eq!(raw.get(), signal)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn without_a_session_id_the_one_there_is_is_meant() {
    for text in [
        r#"{"type":"skip"}"#,
        r#"{"type":"skip","data":null}"#,
        r#"{"type":"skip","data":{}}"#,
        r#"{"type":"skip","data":{"sessionId":null}}"#,
    ] {
        let mine = matches!(read(text), Ok(ClientMessage::Skip { session: SessionRef::Mine }));
        assert!(mine, "{text}");
    }
}

#[test]
fn a_hello_says_what_its_client_has_from_before() {
    let text = r#"{"type":"hello","ack":3,"data":{"userId":"a","pairToken":"p",
        "resume":{"token":"t","epoch":"e","received":12}}}"#;
    let envelope = decode(text).expect("an envelope");
    assert_eq!(envelope.numbers.read(), Ok((None, Some(3))));
    let Ok(ClientMessage::Hello(hello)) = envelope.message else { panic!("no hello") };
    assert_eq!((hello.whom.user.as_deref(), hello.pair_token.as_deref()), (Some("a"), Some("p")));
    let resume = hello.resume.expect("it was there");
    assert_eq!((&*resume.token, &*resume.epoch, resume.received), ("t", "e", Some(12)));
}

#[test]
fn a_wrong_message_keeps_its_number() {
    let envelope = decode(r#"{"type":"signal","id":7,"data":{}}"#).expect("an envelope");
    assert_eq!(envelope.numbers.read(), Ok((Some(7), None)));
    assert_eq!(envelope.message.expect_err("no signal").code, ErrorCode::InvalidField);
}
