//! docs/identity.md: tokens that are made as it says are let in.

use std::process::Command;

use hairpin::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::blocks;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn tokens_made_as_the_page_says_are_let_in() {
    let server = Server::builder()
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "none")
        .set("jwt-secret", SECRET)
        .set("jwt-audience", "hairpin");
    let server = server.start().await.expect("loopback has free ports");
    let [python] = &blocks("docs/identity.md", "py")[..] else { panic!("one more wants a test") };
    let [node] = &blocks("docs/identity.md", "mjs")[..] else { panic!("one more wants a test") };
    let python = format!("{python}\nprint(token('ada', '{SECRET}'))");
    let node = format!("{node}\nconsole.log(token('ada', '{SECRET}'));");
    for (what, arguments) in
        [("python3", &["-c", &*python][..]), ("node", &["--input-type=module", "--eval", &node])]
    {
        let output = Command::new(what).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{what}: {error}; run tests/run"));
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).expect("text");
        assert_eq!(ice(&server, token.trim()).await, 200, "{what}: {token}");
        let changed = token.trim().replace('.', "x.");
        assert_eq!(ice(&server, &changed).await, 401, "{what}");
    }
    server.shutdown().await;
}

/// The status of `/v1/ice` for whoever bears a token.
async fn ice(server: &Server, token: &str) -> u16 {
    let address = server.addresses().http[0];
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "GET /v1/ice HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}
