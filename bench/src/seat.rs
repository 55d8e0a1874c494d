//! Clients with a seat: they say `hello`, count what they hear, and can come back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::events::Events;
use crate::verdict::{Found, judge};

/// How long it may take until all are matched.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wire {
    /// It says `hello`; both sides number what they say, and acknowledge it.
    New,
    /// It begins with `join_queue`, and nothing is numbered.
    Old,
}

/// A client, whatever connection it has at the time.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) user: String,
    pub(crate) connection: Connection,
    /// The number of the last message it has heard.
    pub(crate) received: u64,
    /// The session it was told of last.
    pub(crate) found: Option<Found>,
    resume_token: String,
    epoch: String,
    pair_token: String,
}

/// What a client has heard, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Matched,
    Rejoined,
    Goaway(Duration),
    Signal,
    Other,
}

impl Seat {
    pub(crate) fn new(number: usize, connection: Connection) -> Self {
        Self {
            user: format!("bench-{number}"),
            connection,
            received: 0,
            found: None,
            resume_token: String::new(),
            epoch: String::new(),
            pair_token: String::new(),
        }
    }

    /// Says who it is, and looks for a partner.
    pub(crate) fn join(&self, wire: Wire) -> Result<()> {
        if wire == Wire::New {
            self.say(&json!({ "type": "hello", "data": { "userId": self.user } }))?;
        }
        self.say(&json!({ "type": "join_queue", "data": { "userId": self.user } }))
    }

    /// Says who it is and what it has had, to any server that has the same secret.
    pub(crate) fn come_back(&self) -> Result<()> {
        let Self { user, resume_token, epoch, received, pair_token, .. } = self;
        let resume = json!({ "token": resume_token, "epoch": epoch, "received": received });
        let data = json!({ "userId": user, "resume": resume, "pairToken": pair_token });
        self.say(&json!({ "type": "hello", "data": data }))
    }

    /// Something for its partner.
    pub(crate) fn signal(&self) -> Result<()> {
        self.say(&json!({ "type": "signal", "data": { "signal": { "candidate": null } } }))
    }

    fn say(&self, message: &Value) -> Result<()> {
        self.connection.send(&message.to_string())
    }

    /// Takes all that has arrived, and shows each message to `take`.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Heard)) -> Result<()> {
        self.connection.receive()?;
        while let Some(text) = self.connection.next_text()? {
            take(self.hear(&text).with_context(|| format!("{}: {text}", self.user))?);
        }
        Ok(())
    }

    fn hear(&mut self, text: &str) -> Result<Heard> {
        let message: Value = serde_json::from_str(text)?;
        let payload = &message["payload"];
        let string = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
        if let Some(number) = message["seq"].as_u64() {
            ensure!(number == self.received + 1, "{number} comes after {}", self.received);
            self.received = number;
        }
        match message["type"].as_str().context("a message without a type")? {
            "welcome" => (self.resume_token, self.epoch) = (string("resumeToken"), string("epoch")),
            "restart" => self.received = 0,
            kind @ ("match_found" | "rejoined") => {
                self.found = Some(Found::of(payload).context("fields are missing")?);
                self.pair_token = string("pairToken");
                return Ok(if kind == "rejoined" { Heard::Rejoined } else { Heard::Matched });
            }
            "goaway" => {
                let wait = payload["retryAfterMs"].as_u64().context("no retryAfterMs")?;
                return Ok(Heard::Goaway(Duration::from_millis(wait)));
            }
            "match_offer" => self.say(&json!({ "type": "accept" }))?,
            "signal" => return Ok(Heard::Signal),
            "queued" | "ack" | "pong" | "ice_servers" | "partner_away" | "partner_back" => {}
            other => bail!("nobody expects {other} here"),
        }
        Ok(Heard::Other)
    }
}

/// Connects `count` clients (an even number) to `server` and waits until all of them have partners.
///
/// # Errors
/// When a rule of matching is broken: the message says which.
pub(crate) fn pair_up(server: SocketAddr, count: usize, wire: Wire) -> Result<Vec<Seat>> {
    ensure!(count.is_multiple_of(2), "{count} clients cannot all be matched: one is left over");
    let connections = Connection::open_many(server, count)?.into_iter().enumerate();
    let mut seats: Vec<Seat> =
        connections.map(|(number, connection)| Seat::new(number, connection)).collect();
    let mut events = Events::new()?;
    for (number, seat) in seats.iter().enumerate() {
        events.watch(&seat.connection.stream, number)?;
        seat.join(wire)?;
    }
    let (start, mut matched) = (Instant::now(), 0);
    while matched < count {
        for number in events.wait(Duration::from_millis(100))? {
            seats[number].receive(|heard| matched += usize::from(heard == Heard::Matched))?;
        }
        ensure!(start.elapsed() < PATIENCE, "{matched} of {count} matched after {PATIENCE:?}");
    }
    check(&seats)?;
    Ok(seats)
}

/// Whether all of `seats` are in a session with each other, as each was told last.
pub(crate) fn check(seats: &[Seat]) -> Result<()> {
    let users: Vec<String> = seats.iter().map(|seat| seat.user.clone()).collect();
    let found: Vec<Vec<Found>> =
        seats.iter().map(|seat| Vec::from_iter(seat.found.clone())).collect();
    let breaches = judge(&users, &found);
    let shown = breaches.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    ensure!(breaches.is_empty(), "{} rules broken:\n{shown}", breaches.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use tungstenite::Message;

    use super::*;

    /// A client of a server that accepts it as a WebSocket and says all of `texts`.
    fn seat(texts: &[&str]) -> Seat {
        let texts: Vec<Message> = texts.iter().map(|&text| Message::text(text)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut socket: tungstenite::WebSocket<TcpStream> =
                tungstenite::accept(listener.accept().unwrap().0).unwrap();
            texts.into_iter().for_each(|text| socket.send(text).unwrap());
            let _ = socket.close(None);
            while socket.read().is_ok() {}
        });
        Seat::new(7, Connection::open_many(address, 1).unwrap().remove(0))
    }

    /// What it has heard until the connection ended or something was wrong.
    fn hear_all(seat: &mut Seat) -> (Vec<Heard>, String) {
        seat.connection.stream.set_nonblocking(false).unwrap();
        let mut all = Vec::new();
        loop {
            if let Err(error) = seat.receive(|heard| all.push(heard)) {
                return (all, format!("{error:#}"));
            }
        }
    }

    #[test]
    fn what_is_needed_to_come_back_is_kept() {
        let mut seat = seat(&[
            r#"{"type":"welcome","payload":{"epoch":"e","resumeToken":"t"}}"#,
            r#"{"seq":1,"type":"queued","payload":{"position":1}}"#,
            r#"{"seq":2,"type":"match_found","payload":{"sessionId":"s","partnerId":"p",
                "isInitiator":true,"iceServers":[{}],"pairToken":"pair"}}"#,
            r#"{"type":"goaway","payload":{"retryAfterMs":250}}"#,
        ]);
        let (heard, end) = hear_all(&mut seat);
        let goaway = Heard::Goaway(Duration::from_millis(250));
        assert_eq!(heard, [Heard::Other, Heard::Other, Heard::Matched, goaway]);
        assert!(end.contains("closed the WebSocket"), "{end}");
        assert_eq!((&*seat.resume_token, &*seat.epoch, &*seat.pair_token), ("t", "e", "pair"));
        assert_eq!((seat.received, seat.found.unwrap().partner), (2, "p".to_owned()));
    }

    #[test]
    fn a_message_that_is_missing_and_one_that_nobody_expects_are_errors() {
        let queued = r#"{"seq":1,"type":"queued","payload":{"position":1}}"#;
        let (heard, end) = hear_all(&mut seat(&[queued, r#"{"seq":3,"type":"signal"}"#]));
        assert_eq!(heard, [Heard::Other]);
        assert!(end.contains("3 comes after 1"), "{end}");
        let left = r#"{"type":"partner_left","payload":{}}"#;
        assert!(hear_all(&mut seat(&[left])).1.contains("nobody expects partner_left"));
    }
}
