//! The clients that the documentation prints, as they are printed: two people who run one get a call.

use serde_json::Value;

use super::person::Person;
use super::scenarios::two_on_secure_pages;
use super::{World, wait_until};
use crate::documentation::blocks;

#[tokio::test]
async fn the_readmes_clients_get_two_people_into_a_call() {
    let [in_five_lines, client] = &clients("README.md")[..] else {
        panic!("one more wants a test")
    };
    let import = "'https://call.example.org/hairpin-client.js'";
    let (before, after) = in_five_lines.split_once(import).expect("it is there");
    meet(&format!("{before}`http://${{location.host}}/hairpin-client.js`{after}")).await;
    let (before, after) = client.split_once("'wss://call.example.org/ws'").expect("it is there");
    meet(&format!("{before}`ws://${{location.host}}/ws`{after}")).await;
}

#[tokio::test]
async fn the_protocols_client_gets_two_people_into_a_call() {
    let [client] = &clients("docs/protocol.md")[..] else { panic!("one more wants a test") };
    meet(client).await;
}

fn clients(name: &str) -> Vec<String> {
    blocks(name, "js")
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
