//! Many at once.

use std::collections::HashMap;

use super::{Client, get, server};
use crate::relay::embedding::OPEN_FILES;

/// Few enough for any machine's limit on open files; `hairpin-bench match` does ten thousand.
const CROWD: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_joins_at_once_is_matched_each_exactly_once() {
    {
        let _alone = OPEN_FILES.lock().await;
        hairpin::raise_open_files_limit().expect("up to the maximum");
    }
    let server = server().await;
    let address = server.addresses().http[0];
    let clients = (0..CROWD).map(|n| {
        tokio::spawn(async move {
            let mut client = Client::open(address, "/ws").await;
            client.join(&format!("user-{n}")).await;
            let found = client.wait_for("match_found").await;
            (n, found, client)
        })
    });
    let mut found = HashMap::new();
    let mut open = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        let (n, payload, client) = client.await.expect("no panic");
        found.insert(format!("user-{n}"), payload);
        open.push(client);
    }
    for (user, mine) in &found {
        let partner = mine["partnerId"].as_str().expect("a name");
        let theirs = &found[partner];
        assert_ne!(partner, user);
        assert_eq!(theirs["partnerId"], user.as_str());
        assert_eq!(theirs["sessionId"], mine["sessionId"]);
        assert_ne!(theirs["isInitiator"], mine["isInitiator"]);
    }
    // The gauges follow the answers; when what was asked after an answer is answered, they are there.
    let mut late = Client::open(address, "/ws").await;
    for _ in 0..2 {
        late.join("late").await;
        late.wait_for("queued").await;
    }
    let (_, metrics) = get(server.addresses().admin.expect("it is configured"), "/metrics").await;
    for (series, value) in [
        ("active_sessions_count", CROWD / 2),
        ("websocket_connections", CROWD + 1),
        ("matchmaking_queue_length", 1),
        ("matchmaking_latency_ms_count", CROWD),
    ] {
        assert!(metrics.contains(&format!("\n{series} {value}\n")), "{series} in\n{metrics}");
    }
    server.shutdown().await;
}
