//! A backend's server, which answers webhooks as a test says and keeps what it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What it does with a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// Answers with this status line and these headers.
    Status(&'static str),
    /// Takes the request, and says nothing.
    Stall,
}

pub(super) const FINE: Reply = Reply::Status("204 Fine");
pub(super) const BROKEN: Reply = Reply::Status("500 Broken");

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
    pub(super) reply: Reply,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(super) fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

/// What it does with a request, by what that says.
type Manner = Box<dyn Fn(&Value) -> Reply + Send>;

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) port: u16,
    heard: Arc<Mutex<Vec<Request>>>,
    reply: Arc<Mutex<Manner>>,
    changed: Arc<Notify>,
}

impl Receiver {
    /// One that takes everything.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::serve(listener)
    }

    pub(super) fn serve(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("bound").port();
        let reply: Manner = Box::new(|_| FINE);
        let reply = Arc::new(Mutex::new(reply));
        let receiver = Self { port, heard: Arc::default(), reply, changed: Arc::default() };
        let this = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().connection(stream));
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?key=hidden", self.port)
    }

    pub(super) fn flag(&self) -> String {
        format!("--webhook-url={}", self.url())
    }

    /// From now on it does this with a request, by what that says.
    pub(super) fn reply(&self, reply: impl Fn(&Value) -> Reply + Send + 'static) {
        *self.reply.lock().expect("no panic") = Box::new(reply);
    }

    pub(super) fn heard(&self) -> Vec<Request> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Waits until what it has heard is like this.
    pub(super) async fn until(&self, what: &str, is: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let waited = tokio::time::timeout(super::PATIENCE, async {
            loop {
                let changed = self.changed.notified();
                let heard = self.heard();
                if is(&heard) {
                    return heard;
                }
                changed.await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{what}: not in time; heard {:?}", self.heard()))
    }

    /// Waits until it has said to so many that they have arrived.
    pub(super) async fn taken(&self, count: usize) -> Vec<Request> {
        let fine = |request: &&Request| request.reply == FINE;
        let what = format!("{count} webhooks");
        let heard = self.until(&what, |heard| heard.iter().filter(fine).count() >= count).await;
        heard.into_iter().filter(|request| request.reply == FINE).collect()
    }

    async fn connection(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut headers = HashMap::new();
            let mut line = String::new();
            while let Ok(1..) = stream.read_line(&mut line).await
                && !line.trim().is_empty()
            {
                if let Some((name, value)) = line.trim().split_once(": ") {
                    headers.insert(name.to_lowercase(), value.to_owned());
                }
                line.clear();
            }
            let Some(length) = headers.get("content-length") else { return };
            let mut body = vec![0; length.parse().expect("a number")];
            if stream.read_exact(&mut body).await.is_err() {
                return;
            }
            let body = String::from_utf8(body).expect("text");
            let json = serde_json::from_str(&body).expect("JSON");
            let reply = self.reply.lock().expect("no panic")(&json);
            self.heard.lock().expect("no panic").push(Request {
                headers,
                body,
                reply: reply.clone(),
            });
            self.changed.notify_waiters();
            match reply {
                Reply::Status(status) => {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Reply::Stall => tokio::time::sleep(Duration::from_secs(600)).await,
            }
        }
    }
}
