//! A stream cut at every byte, either way: its client comes back, and both applications hear exactly what they would have.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use hairpin_signaling::{Config, Protocol};
use hairpin_sim::{News, WireClient};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::Role;

use super::{LIMITS, PIPE, Site, patiently};
use crate::ice::IceUrls;
use crate::signaling::{Visitor, socket};

/// What both applications are to hear.
const CALL: [&str; 4] = ["met", "signal 1", "signal 2", "signal 3"];

/// How many bytes pass, up and down, before all is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    up: usize,
    down: usize,
}

const NEVER: Cut = Cut { up: usize::MAX, down: usize::MAX };

/// Carries bytes between two streams, and cuts both. Gives back how many it could have carried beyond.
async fn carry(mut client: DuplexStream, mut server: DuplexStream, mut cut: Cut) {
    let (mut said, mut told) = ([0; 1024], [0; 1024]);
    while cut.up > 0 && cut.down > 0 {
        let (into, bytes, left) = tokio::select! {
            read = client.read(&mut said) => (&mut server, &said[..read.unwrap_or(0)], &mut cut.up),
            read = server.read(&mut told) => (&mut client, &told[..read.unwrap_or(0)], &mut cut.down),
        };
        let bytes = &bytes[..bytes.len().min(*left)];
        if bytes.is_empty() || into.write_all(bytes).await.is_err() {
            return;
        }
        *left -= bytes.len();
    }
}

struct Caller<'a> {
    site: &'a Site,
    wire: WireClient,
    socket: WebSocketStream<DuplexStream>,
    sockets: usize,
    history: Vec<String>,
}

impl<'a> Caller<'a> {
    async fn new(site: &'a Site, user: &str, pool: &str, cut: Cut) -> Self {
        let mut wire = WireClient::new(user, Protocol::Resumable);
        // Said when it is welcome.
        assert!(wire.join(pool).is_empty());
        let socket = connect(site, cut).await;
        let mut caller = Self { site, wire, socket, sockets: 1, history: Vec::new() };
        let hello = caller.wire.opened();
        caller.say(hello).await;
        caller
    }

    /// Whether it arrives is seen by what comes back.
    async fn say(&mut self, texts: Vec<String>) {
        for text in texts {
            let _ = self.socket.send(Message::text(text)).await;
        }
    }

    /// Hears one thing, or comes back.
    async fn go_on(&mut self) {
        match patiently(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let answer = self.wire.hear(&text);
                self.say(answer).await;
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => {
                self.sockets += 1;
                self.wire.lost();
                self.socket = connect(self.site, NEVER).await;
                let hello = self.wire.opened();
                self.say(hello).await;
            }
        }
        for news in self.wire.take_news() {
            match news {
                News::Met { .. } => {
                    self.history.push("met".into());
                    for n in 1..=3 {
                        let signal = self.wire.signal(&json!(n));
                        self.say(signal).await;
                    }
                }
                News::Signal { signal, .. } => self.history.push(format!("signal {signal}")),
                News::Left { .. } => self.history.push("left".into()),
                News::Restart { session } => assert_eq!(session, None, "a call goes on"),
                News::Goaway(_) => panic!("nobody stops"),
            }
        }
    }

    async fn talk(&mut self) {
        while self.history.len() < CALL.len() || !self.wire.is_settled() {
            self.go_on().await;
        }
        assert_eq!(self.history, CALL);
    }

    async fn hang_up(&mut self) {
        let end = self.wire.end();
        self.say(end).await;
        while !self.wire.is_settled() {
            self.go_on().await;
        }
        assert_eq!(self.history, CALL);
    }

    async fn hear_the_end(&mut self) {
        while self.history.len() == CALL.len() {
            self.go_on().await;
        }
        assert_eq!(self.history.last().map(String::as_str), Some("left"));
    }
}

async fn connect(site: &Site, cut: Cut) -> WebSocketStream<DuplexStream> {
    let [(theirs, ours), (near, far)] = [duplex(PIPE), duplex(PIPE)];
    let hub = site.hub.clone();
    let address = Ipv4Addr::LOCALHOST.into();
    let here = Box::new(Visitor { address, ice: IceUrls::default(), identity: None });
    tokio::spawn(async move { socket::serve(ours, Vec::new(), here, &hub, LIMITS).await });
    tokio::spawn(carry(far, theirs, cut));
    WebSocketStream::from_raw_socket(near, Role::Client, None).await
}

/// A call of two, one of whose sockets is cut; whether it was.
async fn call(site: &Site, name: &str, cut: Cut) -> bool {
    let mut ann = Caller::new(site, &format!("ann-{name}"), name, cut).await;
    let mut bob = Caller::new(site, &format!("bob-{name}"), name, NEVER).await;
    tokio::join!(ann.talk(), bob.talk());
    tokio::join!(ann.hang_up(), bob.hear_the_end());
    assert_eq!(bob.sockets, 1);
    ann.sockets > 1
}

/// A site with a pool for each two who talk.
fn site(direction: &str) -> Site {
    let pools = (0..3000).map(|byte| format!("{direction}-{byte:04}").into()).collect();
    Site::with(Config { pools, ..Config::default() })
}

#[tokio::test(start_paused = true)]
async fn cut_at_any_byte_that_it_sends() {
    let site = site("up");
    let mut up = 0;
    while call(&site, &format!("up-{up:04}"), Cut { up, ..NEVER }).await {
        up += 1;
    }
    assert!(up > 500, "there is more to cut than {up} bytes");
}

#[tokio::test(start_paused = true)]
async fn cut_at_any_byte_that_it_is_sent() {
    let site = site("down");
    let mut down = 0;
    while call(&site, &format!("down-{down:04}"), Cut { down, ..NEVER }).await {
        down += 1;
    }
    assert!(down > 700, "there is more to cut than {down} bytes");
}
