//! A crowd of WebSocket clients that press *Find partner* at once.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::engine::{Engine, Launch, Programs, Server};
use crate::events::Events;
use crate::verdict::{Found, judge};
use crate::wishes::Wishes;
use crate::{process, ws};

/// How long the last match may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long silence must last before a second match for somebody is held to be impossible.
const SILENCE: Duration = Duration::from_millis(300);
/// The series in which the server says how long its last burst of matching took.
const OWN_CLOCK: &str = "hairpin_matchmaking_burst_seconds";
/// Open files beside one a client.
const SPARE_FILES: u64 = 200;

/// What matching a crowd took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matched {
    /// From the first `join_queue` sent until the last `match_found` received. The clients' own
    /// sending and receiving is in it.
    pub(crate) until_last: Duration,
    /// The same in the server's own clock, from the first `join_queue` read until the last
    /// `match_found` written, in milliseconds. `None`: the server keeps no such figure.
    pub(crate) own_clock_millis: Option<f64>,
    /// The server's CPU time meanwhile.
    pub(crate) cpu: Duration,
    /// The server's resident memory before anybody connected.
    pub(crate) resident_empty: u64,
    /// Its resident memory while all were connected and idle.
    pub(crate) resident_connected: u64,
    /// Its resident memory once all were matched.
    pub(crate) resident_matched: u64,
    /// Its resident memory after all had left.
    pub(crate) resident_left: u64,
}

/// Starts hairpin with so many workers (its own choice, if `None`), connects `clients` (an even number), lets all of
/// them join at once with these wishes, checks who got whom, and lets all of them leave.
///
/// # Errors
/// When the server fails, or when its matches break a rule: the message says which.
pub(crate) fn run(
    programs: &Programs,
    clients: usize,
    workers: Option<usize>,
    wishes: Wishes,
) -> Result<Matched> {
    process::allow_open_files(clients as u64 + SPARE_FILES)?;
    let more = wishes.options().to_owned();
    let launch = Launch { workers, more, ..Launch::for_web_sockets() };
    let server = Server::start(programs, Engine::Hairpin, &launch)?;
    let resident_empty = server.settled_bytes()?;
    let mut crowd = Crowd::connect(server.http, clients)?;
    crowd.wish(wishes);
    let resident_connected = server.settled_bytes()?;
    let cpu_before = server.cpu_time()?;
    let until_last = crowd.join_and_wait()?;
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let resident_matched = server.resident_bytes()?;
    crowd.listen_for_more()?;
    crowd.check()?;
    crowd.check_wishes(wishes)?;
    let own_clock_millis = server.metric(OWN_CLOCK)?.map(|seconds| seconds * 1e3);
    drop(crowd);
    Ok(Matched {
        until_last,
        own_clock_millis,
        cpu,
        resident_empty,
        resident_connected,
        resident_matched,
        resident_left: server.settled_bytes()?,
    })
}

/// All clients.
pub(crate) struct Crowd {
    members: Vec<Member>,
    events: Events,
    /// Members that have been told of a match.
    matched: usize,
}

struct Member {
    connection: Connection,
    user: String,
    /// More of its `join_queue`.
    wishes: Value,
    /// What the server said, to be understood when the clock has stopped.
    texts: Vec<String>,
    matched: bool,
}

impl Crowd {
    /// Connects `count` clients to the WebSocket of `server`.
    pub(crate) fn connect(server: SocketAddr, count: usize) -> Result<Self> {
        ensure!(count.is_multiple_of(2), "{count} clients cannot all be matched: one is left over");
        let connections = Connection::open_many(server, count)?.into_iter().enumerate();
        let members: Vec<Member> =
            connections.map(|(number, connection)| Member::new(connection, number)).collect();
        let events = Events::new()?;
        for (number, member) in members.iter().enumerate() {
            events.watch(&member.connection.stream, number)?;
        }
        Ok(Self { members, events, matched: 0 })
    }

    /// Whom everybody is to ask for.
    fn wish(&mut self, wishes: Wishes) {
        let count = self.members.len();
        for (number, member) in self.members.iter_mut().enumerate() {
            member.wishes = wishes.of(number, count);
        }
    }

    /// Everybody joins; returns the time until the last one has been matched.
    pub(crate) fn join_and_wait(&mut self) -> Result<Duration> {
        let joins: Vec<Vec<u8>> = self.members.iter().map(Member::join_frame).collect();
        let start = Instant::now();
        for (member, join) in self.members.iter_mut().zip(&joins) {
            member.connection.stream.write_all(join)?;
        }
        while self.matched < self.members.len() {
            self.receive(Duration::from_millis(100))?;
            if start.elapsed() > PATIENCE {
                bail!("{} of {} matched after {PATIENCE:?}", self.matched, self.members.len());
            }
        }
        Ok(start.elapsed())
    }

    /// Receives until all has been silent for [`SILENCE`].
    pub(crate) fn listen_for_more(&mut self) -> Result<()> {
        while self.receive(SILENCE)? {}
        Ok(())
    }

    /// Whether everybody was matched as the rules say.
    pub(crate) fn check(&self) -> Result<()> {
        let read = |member: &Member| -> Result<Vec<Found>> {
            let found = member.texts.iter().filter_map(|text| Found::read(text).transpose());
            found.collect::<Result<_, _>>().map_err(anyhow::Error::msg)
        };
        let found = self.members.iter().map(read).collect::<Result<Vec<_>>>()?;
        let users: Vec<String> = self.members.iter().map(|member| member.user.clone()).collect();
        let breaches = judge(&users, &found);
        let shown = breaches.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
        ensure!(breaches.is_empty(), "{} rules broken:\n{shown}", breaches.len());
        Ok(())
    }

    /// Whether everybody has whom it asked for.
    fn check_wishes(&self, wishes: Wishes) -> Result<()> {
        if wishes == Wishes::Plain {
            return Ok(());
        }
        let of: HashMap<&str, &Value> =
            self.members.iter().map(|member| (&*member.user, &member.wishes)).collect();
        for Member { user, wishes, texts, .. } in &self.members {
            let found = texts.iter().find_map(|text| Found::read(text).ok().flatten());
            let found = found.with_context(|| format!("{user} was not matched"))?;
            let theirs = of[&*found.partner];
            let [mine, theirs] = [wishes, theirs].map(|of| &of["attributes"]);
            ensure!(wishes["seeks"]["gender"] == theirs["gender"], "{user} got {theirs}");
            ensure!(mine["interests"] == theirs["interests"], "{user} got {theirs}");
        }
        Ok(())
    }

    /// Takes what arrives within `wait`; tells whether anything did.
    fn receive(&mut self, wait: Duration) -> Result<bool> {
        let mut any = false;
        for number in self.events.wait(wait)? {
            any = true;
            let member = &mut self.members[number];
            let was_matched = member.matched;
            member.receive()?;
            self.matched += usize::from(member.matched && !was_matched);
        }
        Ok(any)
    }
}

impl Member {
    fn new(connection: Connection, number: usize) -> Self {
        let user = format!("bench-{number}");
        Self { connection, user, wishes: json!({}), texts: Vec::new(), matched: false }
    }

    fn join_frame(&self) -> Vec<u8> {
        let mut data = self.wishes.clone();
        (data["userId"], data["matchMode"]) = (json!(self.user), json!("global"));
        ws::text_frame(&json!({ "type": "join_queue", "data": data }).to_string())
    }

    fn receive(&mut self) -> Result<()> {
        self.take_texts().with_context(|| format!("{} lost its connection", self.user))
    }

    fn take_texts(&mut self) -> Result<()> {
        self.connection.receive()?;
        while let Some(text) = self.connection.next_text()? {
            self.matched |= text.contains("\"match_found\"");
            self.texts.push(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use tungstenite::Message;

    use super::*;

    /// Serves `count` clients over another implementation of WebSockets, answering each join with
    /// what `answer` makes of the client's own place and of all users in the order they connected.
    fn serve(count: usize, answer: fn(usize, &[String]) -> Value) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let accept = |_| tungstenite::accept(listener.accept().unwrap().0).unwrap();
            let mut sockets: Vec<_> = (0..count).map(accept).collect();
            let mut users = Vec::new();
            for socket in &mut sockets {
                let join: Value =
                    serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
                assert_eq!(join["type"], "join_queue");
                users.push(join["data"]["userId"].as_str().unwrap().to_owned());
            }
            let queued = json!({ "type": "queued", "payload": { "position": 1 } }).to_string();
            for (place, socket) in sockets.iter_mut().enumerate() {
                socket.send(Message::Ping("alive?".into())).unwrap();
                socket.send(Message::text(&queued)).unwrap();
                socket.send(Message::text(answer(place, &users).to_string())).unwrap();
            }
            for socket in &mut sockets {
                // A client that does not answer pings would be cut off in a long queue.
                assert_eq!(socket.read().unwrap(), Message::Pong("alive?".into()));
            }
            // The sockets stay open until the client is done with them.
            while sockets.iter_mut().any(|socket| socket.read().is_ok()) {}
        });
        address
    }

    fn match_found(place: usize, users: &[String]) -> Value {
        let payload = json!({
            "sessionId": format!("s{}", place / 2),
            "partnerId": users[place ^ 1],
            "isInitiator": place.is_multiple_of(2),
            "iceServers": [{ "urls": "stun:127.0.0.1:3478" }],
            "iceTtl": 600,
        });
        json!({ "type": "match_found", "payload": payload })
    }

    #[test]
    fn a_crowd_of_an_honest_server_is_content() {
        let mut crowd = Crowd::connect(serve(100, match_found), 100).unwrap();
        assert!(crowd.join_and_wait().unwrap() > Duration::ZERO);
        crowd.listen_for_more().unwrap();
        crowd.check().unwrap();
    }

    #[test]
    fn a_crowd_with_two_initiators_to_a_pair_complains() {
        let server = serve(4, |place, users| {
            let mut message = match_found(place, users);
            message["payload"]["isInitiator"] = true.into();
            message
        });
        let mut crowd = Crowd::connect(server, 4).unwrap();
        crowd.join_and_wait().unwrap();
        let error = crowd.check().unwrap_err().to_string();
        assert!(error.starts_with("2 rules broken"), "{error}");
    }

    #[test]
    fn a_crowd_with_wishes_sees_who_has_not_got_what_it_asked_for() {
        let mut crowd = Crowd::connect(serve(2, match_found), 2).unwrap();
        crowd.wish(Wishes::Attributes);
        crowd.join_and_wait().unwrap();
        crowd.check_wishes(Wishes::Attributes).unwrap();
        crowd.members[1].wishes["seeks"]["gender"] = json!("man");
        assert!(crowd.check_wishes(Wishes::Attributes).is_err());
    }

    #[test]
    fn an_odd_crowd_is_refused_before_it_connects() {
        let nobody = "127.0.0.1:9".parse().unwrap();
        assert!(Crowd::connect(nobody, 3).is_err());
    }
}
