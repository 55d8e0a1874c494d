//! An app with a client of its own, written for the first wire, in a call with a partner who has our page.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use super::driver::Browser;
use super::netns::{Host, SERVER};
use super::person::Person;
use super::scenarios::FRAMES;
use super::{World, wait_until};

#[tokio::test]
async fn an_app_that_wraps_descriptions_meets_our_page() {
    meets_our_page("wrapped").await;
}

#[tokio::test]
async fn an_app_that_sends_flat_descriptions_meets_our_page() {
    meets_our_page("flat").await;
}

async fn meets_our_page(shape: &str) {
    let Some(mut world) = World::new().await else { return };
    let hers = world.network.open_client("ada", 31);
    let mut ada = Person::arrive(&hers, &world.server.page(), &[]).await;
    let app = serve(&world.network.server());
    let url = format!("{app}?shape={shape}&server=ws://{SERVER}:8080/ws");
    let mut bob = Browser::launch(&world.network.open_client("bob", 32), &[]).await;

    // Who waited makes the offer: first our page, then the app.
    ada.press("find").await;
    ada.waits_in_line().await;
    bob.open(&url).await;
    see_each_other(&mut ada, &mut bob).await;
    assert_eq!(matched(&mut bob).await["isInitiator"], false);
    ada.press("stop").await;
    wait_until("the app waits again", async || last(&mut bob).await == "queued").await;
    ada.press("find").await;
    see_each_other(&mut ada, &mut bob).await;
    assert_eq!(matched(&mut bob).await["isInitiator"], true);

    // Two who have just met, and are alone, meet again.
    let before = matched(&mut bob).await;
    bob.eval("next()").await;
    wait_until("another session", async || {
        matched(&mut bob).await["sessionId"] != before["sessionId"]
    })
    .await;
    see_each_other(&mut ada, &mut bob).await;

    let known = "['queued', 'match_found', 'signal', 'partner_left']";
    let strange = format!(
        "heard.filter((m) => !{known}.includes(m.type) || Object.keys(m).join() !== 'type,payload')"
    );
    let strange = bob.eval(&strange).await;
    assert_eq!(strange, serde_json::json!([]), "an app of the first wire hears only that");
}

async fn see_each_other(ada: &mut Person, bob: &mut Browser) {
    ada.becomes("connected").await;
    ada.sees_video(FRAMES).await;
    let decoded = "pc.getStats().then((report) => [...report.values()]
        .find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')?.framesDecoded > 20)";
    wait_until("the app sees ada", async || bob.holds(decoded).await).await;
}

/// The payload of the last `match_found`.
async fn matched(bob: &mut Browser) -> serde_json::Value {
    bob.eval("heard.findLast((message) => message.type === 'match_found').payload").await
}

async fn last(bob: &mut Browser) -> serde_json::Value {
    bob.eval("heard.at(-1).type").await
}

/// Serves the app, from the server's host but another port, and so another origin; gives its URL.
fn serve(host: &Host) -> String {
    let listener = host.run(|| TcpListener::bind((SERVER, 0))).expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    // It ends with the test process: there is nothing to wait for.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let body = include_str!("old_wire.html");
            let length = body.len();
            let _given_up = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _asked = stream.read(&mut [0; 4096]);
            let _gone = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{SERVER}:{port}/")
}
