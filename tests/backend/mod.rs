//! What an app's backend has of a server: records as the `sqlite3` tool reads them, webhooks as a receiver gets them,
//! and the admin API.

mod admin;
mod disk;
mod documentation;
mod endings;
mod people;
mod process;
mod receiver;
mod records;
mod webhooks;

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing here takes long; what hangs is to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// A token of the admin API.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What webhooks are signed with.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not hang")
}

/// Asks again until it is so.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An answer of the admin listener.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Asks with these headers, each ended by a line break, and this body.
async fn ask(port: u16, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    // Who has heard enough answers before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    if let Err(error) = patiently(stream.read_to_end(&mut answer)).await {
        assert!(!answer.is_empty(), "{line}: {error}");
    }
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header ends with an empty line");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status"), head: head.to_lowercase(), body: body.to_owned() }
}

/// Asks the admin API with the token.
async fn admin(port: u16, line: &str, body: &str) -> Answer {
    ask(port, line, &format!("Authorization: Bearer {TOKEN}\r\n"), body).await
}
