//! Golden conversations: what clients say, and all that each hears of it. `docs/protocol/golden/conversations.json` holds
//! both; `UPDATE_PROTOCOL=1 cargo test -p hairpin-signaling golden` writes anew what they hear.
//!
//! What is made up by the server (ids, tokens, codes of rooms) stands there by a name such as `<sessionId 1>`, and is said
//! by that name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_matcher::{Attribute, Kind};
use hairpin_signaling::{
    Config, ConnectionId, Declaration, Declared, Departure, Hub, Identity, Keys, MessageKind,
    Naming,
};
use serde_json::{Map, Value, json};

use crate::checked_in;
use crate::documented::{self, UNNUMBERED};
use crate::harness::{World, config};

const FILE: &str = "golden/conversations.json";
/// Fields that hold what the server makes up.
const MADE_UP: [&str; 5] = ["sessionId", "resumeToken", "epoch", "pairToken", "placeToken"];

struct Conversation {
    world: World,
    lives: u64,
    /// Connections by name.
    connections: BTreeMap<String, u64>,
    opened: u64,
    /// Which clients have said `hello`.
    counting: BTreeSet<String>,
    /// What was made up, and the names it goes by.
    names: Vec<(String, String)>,
    /// What was said and heard, a step a line.
    steps: Vec<String>,
}

impl Conversation {
    fn new() -> Self {
        Self {
            world: World::with(settings()),
            lives: 0,
            connections: BTreeMap::new(),
            opened: 0,
            counting: BTreeSet::new(),
            names: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Does what a step says; what only says what was heard is nothing to do.
    fn play(&mut self, step: &Map<String, Value>) {
        let who = |action: &str| step.get(action).and_then(Value::as_str).map(str::to_owned);
        if step.contains_key("hears") || step.contains_key("closed") {
            return;
        }
        self.steps.push(json!(step).to_string());
        if let Some(who) = who("opens") {
            self.opened += 1;
            self.counting.remove(&who);
            self.connections.insert(who, self.opened);
            self.world.connect(self.opened);
        } else if let Some(who) = who("says") {
            let message = &step["what"];
            documented::by_client(message);
            if message["type"] == "hello" {
                self.counting.insert(who.clone());
            }
            let said = self.unnamed(&message.to_string());
            self.world.say_text(self.connections[&who], &said);
        } else if let Some(tokens) = step.get("tokens").and_then(Value::as_object) {
            // The server asks for tokens, and these are good.
            self.world = World::with(Config { naming: Naming::Tokens, ..settings() });
            for (token, says) in tokens {
                let user = says["user"].as_str().expect("a user");
                let identity = Identity::new(user, milliseconds(&says["lastsMs"]));
                self.world.ice.tokens.insert(token.clone(), Ok(identity));
            }
        } else if let Some(who) = who("loses") {
            self.world.depart(self.connections[&who], Departure::Lost);
        } else if let Some(who) = who("leaves") {
            self.world.depart(self.connections[&who], Departure::Goodbye);
        } else if let Some(who) = who("pongs") {
            self.world.pong(self.connections[&who]);
        } else if let Some(time) = step.get("passes") {
            let alive = step.get("alive").and_then(Value::as_array);
            let alive = alive.into_iter().flatten().filter_map(Value::as_str);
            let alive: Vec<u64> = alive.map(|who| self.connections[who]).collect();
            self.world.pass_alive(milliseconds(time), &alive);
        } else if let Some(spread) = step.get("stops") {
            let now = self.world.now;
            self.world.hub.drain(now, milliseconds(spread), Duration::from_secs(5));
            self.world.settle();
        } else if step.contains_key("restarts") {
            // Another life of the same server: the secret is the same, and nothing else.
            self.lives += 1;
            let now = self.world.now;
            self.world = World::with(settings());
            self.world.hub = Hub::new(settings(), &Keys::new([self.lives; 2], b"north"));
            self.world.now = now;
        } else {
            panic!("{step:?} is no step");
        }
        self.listen();
    }

    /// Notes what everybody has heard of it.
    fn listen(&mut self) {
        let connections = self.connections.clone();
        for (who, id) in connections {
            for message in self.world.take(id) {
                let kind = message["type"].as_str().expect("a type");
                let numbered = self.counting.contains(&who) && !UNNUMBERED.contains(&kind);
                // Who is refused at the door has no seat yet.
                let counts = numbered == message.get("seq").is_some() || kind == "error";
                assert!(counts, "{who}: {message}");
                let message = self.named(message);
                self.steps.push(json!({ "hears": who, "what": message }).to_string());
            }
            if let Some(code) = self.world.closed.remove(&ConnectionId(id)) {
                self.connections.remove(&who);
                self.steps.push(json!({ "closed": who, "code": code.code() }).to_string());
            }
        }
    }

    fn named(&mut self, mut message: Value) -> Value {
        let room = message["type"] != "error";
        let Some(fields) = message["payload"].as_object_mut() else { return message };
        for (field, value) in fields {
            let made_up = MADE_UP.contains(&&**field) || (room && field == "code");
            if let (true, Some(text)) = (made_up, value.as_str()) {
                *value = self.name(field, text).into();
            }
        }
        message
    }

    fn name(&mut self, field: &str, value: &str) -> String {
        if let Some((name, _)) = self.names.iter().find(|(_, known)| known == value) {
            return name.clone();
        }
        let prefix = format!("<{field} ");
        let number = 1 + self.names.iter().filter(|(name, _)| name.starts_with(&prefix)).count();
        let name = format!("{prefix}{number}>");
        self.names.push((name.clone(), value.to_owned()));
        name
    }

    fn unnamed(&self, text: &str) -> String {
        let said = |text: String, (name, value): &(String, String)| text.replace(name, value);
        self.names.iter().fold(text.to_owned(), said)
    }
}

/// As by `--pool video --pool chess --pool go --attribute gender=choice:woman/man/nonbinary --attribute interests=tags`, both widening after 10 s.
fn settings() -> Config {
    let declare = |name: &str, kind, values: &[&str]| Declaration {
        name: name.into(),
        attribute: Attribute { kind, widen: Some(Duration::from_secs(10)) },
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let attributes = Declared(vec![
        declare("gender", Kind::Choice, &["woman", "man", "nonbinary"]),
        declare("interests", Kind::Tags, &[]),
    ]);
    Config { attributes, ..config() }
}

fn milliseconds(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().expect("milliseconds"))
}

fn conversations() -> Map<String, Value> {
    serde_json::from_str(&checked_in::read(FILE)).expect("it is JSON")
}

#[test]
fn conversations_go_as_they_are_written() {
    let mut written = Vec::new();
    for (title, steps) in conversations() {
        let mut conversation = Conversation::new();
        for step in steps.as_array().expect("steps") {
            conversation.play(step.as_object().expect("a step"));
        }
        let steps = conversation.steps.join(",\n    ");
        written.push(format!("  {}: [\n    {steps}\n  ]", json!(title)));
    }
    checked_in::hold(FILE, &format!("{{\n{}\n}}\n", written.join(",\n")));
}

/// Whoever adds a message adds a conversation in which it comes.
#[test]
fn every_message_comes_in_a_conversation() {
    let all = conversations();
    let types = |action: &str| -> BTreeSet<String> {
        let steps = all.values().flat_map(|steps| steps.as_array().expect("steps"));
        let messages = steps.filter(|step| step.get(action).is_some());
        messages.filter_map(|step| step["what"]["type"].as_str()).map(str::to_owned).collect()
    };
    let (said, heard) = (types("says"), types("hears"));
    for kind in documented::kinds(&documented::CLIENT) {
        assert!(said.contains(kind), "nobody says {kind}");
    }
    for kind in MessageKind::ALL {
        let kind = kind.as_str();
        assert!(heard.contains(kind), "nobody hears {kind}");
    }
}
