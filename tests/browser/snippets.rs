//! The clients that the documentation prints, as they are printed: two people who run one get a call.

use serde_json::Value;

use super::person::Person;
use super::scenarios::two_on_secure_pages;
use super::{World, wait_until};
use crate::documentation::blocks;

#[tokio::test]
async fn the_readmes_client_gets_two_people_into_a_call() {
    let client = only_client("README.md");
    let (before, after) = client.split_once("'wss://call.example.org/ws'").expect("it is there");
    meet(&format!("{before}`ws://${{location.host}}/ws`{after}")).await;
}

#[tokio::test]
async fn the_protocols_client_gets_two_people_into_a_call() {
    meet(&only_client("docs/signaling.md")).await;
}

fn only_client(name: &str) -> String {
    let mut clients = blocks(name, "js");
    assert_eq!(clients.len(), 1, "a new one in {name} wants a test of its own");
    clients.remove(0)
}

async fn meet(client: &str) {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_on_secure_pages(&mut world).await;
    run(&mut ada, client).await;
    run(&mut bob, client).await;
    for person in [&mut ada, &mut bob] {
        let plays =
            "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 10";
        wait_until("the partner is seen", async || person.browser.holds(plays).await).await;
    }
}

/// In a page of the reader's own: a video, and a module with the client in it.
async fn run(person: &mut Person, client: &str) {
    let module = format!(
        "document.body.innerHTML = '<video autoplay muted></video>'; (async () => {{ {client}\n }})()"
    );
    assert_eq!(person.browser.eval(&module).await, Value::Null, "it throws nothing");
}
