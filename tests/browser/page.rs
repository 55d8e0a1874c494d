//! The demo page for whoever comes: in every state, at every size, by keyboard, and read out by axe.
//!
//! A scripted client puts the page into each state, with drawn people in place of cameras.

use std::path::Path;

use serde_json::Value;

use super::driver::Browser;
use super::scenarios::secure_flag;
use super::{World, wait_until};

type Size = (u32, u32);
const DESKTOP: Size = (1280, 800);
const PHONES: [Size; 3] = [(390, 844), (844, 390), (360, 640)];

const SCRIPTED_CLIENT: &str = include_str!("scripted_client.js");

/// What a visitor reads in each state: over the stage, else beside the call, else above the controls.
const WORDS: &[(&str, &str)] = &[
    ("lobby", "Meet someone new One press, and you are in a video call"),
    ("lobby-nobody-came", "Nobody came this time. Press Find partner to try again."),
    (
        "lobby-no-room",
        "There is no such room, or nobody waits in it any more. Ask for another code.",
    ),
    ("lobby-room-closed", "Nobody came to your room, and its time is over."),
    (
        "lobby-barred",
        "People have complained about you: you cannot meet anybody here for 60 minutes.",
    ),
    ("lobby-friend-left", "Your partner ended the call."),
    ("lobby-replaced", "This call was opened in another tab or window, and goes on there."),
    ("server-reached", "Reaching the server… One moment."),
    ("looking", "Looking for a partner… The call starts by itself."),
    (
        "looking-in-line",
        "Looking for a partner… You are number 3 of 8 in line. It should take about 2 minutes.",
    ),
    ("looking-alone", "Looking for a partner… Nobody else is waiting at the moment. The call"),
    (
        "looking-both-alone",
        "Your partner moved on Looking for the next one. Nobody else is here at the moment; the two of you may meet again. Report or block Lucky Falcon",
    ),
    ("looking-again", "Looking for a partner… The call starts by itself."),
    (
        "room",
        "Your room is open Whoever has this code meets you here. It closes in 9 minutes. KELP7042 Copy link",
    ),
    ("room-entered", "Entering the room… One moment."),
    ("looking-after-partner-left", "Your partner moved on Looking for the next one."),
    (
        "looking-after-no-relay",
        "The relay could not be reached A firewall may be in the way, or this server’s certificate is not trusted. Looking for the next one.",
    ),
    (
        "looking-server-gone",
        "The server does not answer Your search goes on as soon as it does. Next try in",
    ),
    (
        "looking-too-fast",
        "That was quick So many partners in so short a time need a little break. The search goes on in",
    ),
    (
        "looking-place-held",
        "One moment An older connection of yours still holds your place. The search goes on in 5 seconds.",
    ),
    ("pairing", "Found Lucky Falcon Connecting the two of you…"),
    (
        "pairing-again",
        "Lucky Falcon again Nobody else is here at the moment. Connecting the two of you…",
    ),
    ("call", ""),
    ("call-unread", ""),
    ("call-messages", ""),
    ("call-with-a-friend", ""),
    ("call-reported", ""),
    ("call-blocked", ""),
    ("call-partner-muted", ""),
    ("call-partner-camera-off", "Lucky Falcon Camera off"),
    ("call-partner-shares-screen", ""),
    ("call-own-devices-off", ""),
    ("call-own-screen", ""),
    ("call-weak", ""),
    ("call-server-gone", "Your call goes on; looking for the server… Next try in 5 seconds."),
    ("call-partner-away", "Your call goes on; Lucky Falcon is looking for the server…"),
    ("leaving", "Moving on… You leave Lucky Falcon."),
    ("interrupted", "The connection is interrupted Finding another way to Lucky Falcon…"),
    ("interrupted-partner-away", "Lucky Falcon has lost the connection Waiting a little while"),
    (
        "interrupted-offline",
        "You seem to be offline The call comes back by itself when your network does. Next try in",
    ),
    ("interrupted-reconnecting", "Reconnecting… Your network is back. Returning to Lucky Falcon."),
];

#[tokio::test]
async fn each_state_is_told_in_words_of_its_own() {
    let Some((_world, mut browser)) = scripted("").await else { return };
    for (scene, words) in WORDS {
        play(&mut browser, scene).await;
        let shown = shown(&mut browser).await;
        assert!(
            shown.starts_with(words) && words.is_empty() == shown.is_empty(),
            "{scene}: {shown}"
        );
    }
    assert!(!browser.holds("document.body.textContent.includes('says the server')").await);
    let scenes = browser.eval("scenes.length").await;
    assert_eq!(scenes, WORDS.len(), "each scripted state has its words here");
}

#[tokio::test]
async fn axe_finds_nothing_in_any_state() {
    let Some((_world, mut browser)) = scripted("").await else { return };
    browser.eval(&format!("{}; null", axe())).await;
    for (size, scheme) in
        [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONES[0], "dark"), (PHONES[1], "light")]
    {
        browser.chromium().appear_as(size, scheme, 1.0).await;
        for (scene, _) in WORDS {
            play(&mut browser, scene).await;
            axe_is_content(&mut browser, &format!("{scene}, {scheme}, {size:?}")).await;
        }
        play(&mut browser, "call").await;
        for panel in ["settings", "connection", "people", "room"] {
            browser
                .eval(&format!(
                    "{panel}.showPopover(), document.querySelector('details').open = true"
                ))
                .await;
            axe_is_content(&mut browser, &format!("{panel}, {scheme}, {size:?}")).await;
            browser.eval(&format!("{panel}.hidePopover()")).await;
        }
    }
}

#[tokio::test]
async fn every_control_is_in_sight_on_every_screen() {
    let Some((_world, mut browser)) = scripted("").await else { return };
    for size in PHONES.into_iter().chain([(640, 360), (320, 568), (650, 600), DESKTOP]) {
        browser.chromium().appear_as(size, "light", 1.0).await;
        for (scene, _) in WORDS {
            play(&mut browser, scene).await;
            // What a finger would hit in the middle of the control is the control. An open panel may be scrolled, and
            // may cover the rest.
            let out_of_sight = browser
                .eval(&format!("{CONTROLS}.filter(c => {{
                    const panel = document.querySelector('[popover=\"\"]:popover-open');
                    if (panel && !panel.contains(c)) return false;
                    panel && c.scrollIntoView({{ block: 'nearest' }});
                    const {{ left, top, right, bottom }} = c.getBoundingClientRect();
                    return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight
                        || !c.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
                }}).map(c => c.id).join()"))
                .await;
            assert_eq!(out_of_sight, "", "{scene} at {size:?}");
        }
    }
}

#[tokio::test]
async fn the_keyboard_reaches_everything() {
    let Some((_world, mut browser)) = scripted("").await else { return };
    for scene in ["lobby", "lobby-nobody-came", "looking", "call", "interrupted"] {
        play(&mut browser, scene).await;
        wait_until("the page is ready", async || {
            browser.holds("!document.getElementById('local').hidden").await
        })
        .await;
        let all = browser.eval(&format!("{CONTROLS}.map(c => c.id)")).await;
        assert_eq!(
            tab_through(&mut browser, all.as_array().map_or(0, Vec::len)).await,
            all,
            "{scene}"
        );
    }
    // A panel opens and closes without a mouse, and the focus comes back to where it was.
    browser.eval("document.getElementById('settings-button').focus()").await;
    browser.chromium().key("Enter").await;
    wait_until("the panel opens", async || {
        browser.holds("settings.matches(':popover-open')").await
    })
    .await;
    browser.chromium().key("Tab").await;
    assert!(browser.holds("settings.contains(document.activeElement)").await, "the panel is next");
    browser.chromium().key("Escape").await;
    assert!(!browser.holds("settings.matches(':popover-open')").await, "Escape closes it");
    assert_eq!(browser.eval("document.activeElement.id").await, "settings-button");
}

#[tokio::test]
async fn next_can_be_undone_for_a_second() {
    let Some((_world, mut browser)) = scripted("").await else { return };
    let skips = "hairpin.client.calls.filter(([method]) => method === 'next').length";
    play(&mut browser, "call").await;
    for undo in ["Enter", "Escape"] {
        browser.eval("next.focus()").await;
        browser.chromium().key("Enter").await;
        assert_eq!(browser.eval("document.body.dataset.scene").await, "leaving");
        assert_eq!(
            browser.eval("document.activeElement.id").await,
            "undo",
            "the focus is on the way back"
        );
        browser.chromium().key(undo).await;
        assert_eq!(browser.eval("document.body.dataset.scene").await, "call");
    }
    let started = std::time::Instant::now();
    browser.eval("next.click()").await;
    wait_until("the client is told", async || browser.eval(skips).await == 1).await;
    assert!(started.elapsed() >= std::time::Duration::from_millis(900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn whoever_has_no_camera_is_told_why_and_can_still_take_part() {
    let both = "camera: 'NotAllowedError', microphone: 'NotAllowedError'";
    for (devices, words) in [
        (both, "Your camera and microphone are blocked. You can still watch and listen."),
        (
            "camera: 'NotFoundError'",
            "No camera was found. Your partner hears you and sees your name.",
        ),
        (
            "camera: 'NotReadableError'",
            "Your camera is in use by another program. Your partner hears you and sees your name.",
        ),
        (
            "microphone: 'NotFoundError'",
            "No microphone was found. Your partner sees you, but cannot hear you.",
        ),
    ] {
        let Some((_world, mut browser)) =
            scripted(&format!("window.devices = {{ {devices} }};")).await
        else {
            return;
        };
        assert_eq!(
            browser.eval("document.getElementById('start-camera').textContent").await,
            "Turn on camera"
        );
        browser.eval("document.getElementById('find').click()").await;
        let called = "hairpin.client.calls.some(([method]) => method === 'find')";
        wait_until("the search begins", async || browser.holds(called).await).await;
        assert!(
            shown(&mut browser).await.starts_with(words),
            "{devices}: {}",
            shown(&mut browser).await
        );
        // It is tried again by the button that shows what is off.
        let toggle = if devices.starts_with("camera") { "camera" } else { "microphone" };
        browser
            .eval(&format!("window.devices = null, document.getElementById('{toggle}').click()"))
            .await;
        wait_until("all is well", async || shown(&mut browser).await.starts_with("Meet someone"))
            .await;
    }
}

/// With UPDATE_SCREENSHOTS=1 the pictures in docs/ are taken anew; else elsewhere, so that a test run leaves the tree as it was.
#[tokio::test]
async fn every_state_has_its_picture() {
    let keep = std::env::var_os("UPDATE_SCREENSHOTS").is_some_and(|value| value == "1");
    let docs = if keep {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
    } else {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs")
    };
    std::fs::create_dir_all(docs.join("page")).expect("the folder is writable");
    let Some((_world, mut browser)) = scripted("").await else { return };
    for (name, size, scheme) in [
        ("page", DESKTOP, "light"),
        ("page-dark", DESKTOP, "dark"),
        ("page-phone", PHONES[0], "dark"),
    ] {
        browser.chromium().appear_as(size, scheme, 1.0).await;
        picture(&mut browser, "call", &docs.join(format!("{name}.png"))).await;
    }
    for (scene, _) in WORDS {
        // By turns, so that each state is seen somewhere and each look often.
        let index = WORDS.iter().position(|(name, _)| name == scene).unwrap_or_default();
        let (size, scale) = [(DESKTOP, 0.5), (PHONES[0], 0.6), (PHONES[1], 0.6)][index % 3];
        browser.chromium().appear_as(size, ["light", "dark"][index % 2], scale).await;
        picture(&mut browser, scene, &docs.join(format!("page/{scene}.png"))).await;
    }
}

// -- helpers -------------------------------------------------------------------------------------

/// What can be pressed or chosen now, in the order of the page.
const CONTROLS: &str = "[...document.querySelectorAll('button, input, select, textarea, summary')]
    .filter(c => !c.disabled && c.checkVisibility({ visibilityProperty: true }))";

/// A page with the scripted client, on an origin that the browser trusts with devices; `script` is run before it.
async fn scripted(script: &str) -> Option<(World, Browser)> {
    let mut world = World::new().await?;
    let secure = secure_flag(&world);
    let host = world.network.open_client("ada", 31);
    let mut browser = Browser::launch(&host, &[&secure]).await;
    browser.chromium().run_first(&format!("{script} {SCRIPTED_CLIENT}")).await;
    browser.open(&world.server.page()).await;
    wait_until("the page's script runs", async || {
        browser.holds("Boolean(window.hairpin?.stats)").await
    })
    .await;
    browser.chromium().appear_as(DESKTOP, "light", 1.0).await;
    Some((world, browser))
}

async fn play(browser: &mut Browser, scene: &str) {
    browser.eval(&format!("hairpin.client.play('{scene}')")).await;
}

/// The text a visitor reads now.
async fn shown(browser: &mut Browser) -> String {
    let text = browser
        .eval("(id => id ? document.getElementById(id).innerText.replace(/\\s+/g, ' ').trim() : '')(['veil', 'banner', 'notice', 'lobby'].find(id => document.getElementById(id).checkVisibility()))")
        .await;
    text.as_str().expect("a text").to_owned()
}

/// Presses Tab from the top of the page and returns where the focus went, each time with a ring around it.
async fn tab_through(browser: &mut Browser, count: usize) -> Value {
    browser.eval("document.activeElement.blur(), document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')").await;
    let mut reached = Vec::new();
    for _ in 0..count {
        browser.chromium().key("Tab").await;
        let seen = "document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        assert!(browser.holds(seen).await, "the focus after {reached:?} is seen");
        reached.push(browser.eval("document.activeElement.id").await);
    }
    Value::Array(reached)
}

async fn axe_is_content(browser: &mut Browser, at: &str) {
    let found = browser
        .eval("axe.run({ resultTypes: ['violations'] }).then(({ violations, passes }) => [passes.length,
            violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target).join(', ')}`)])")
        .await;
    assert!(found[0].as_u64().is_some_and(|passes| passes > 10), "{at}: axe has looked: {found}");
    assert_eq!(found[1], Value::Array(Vec::new()), "{at}");
}

/// axe-core, which `npm ci` in client/ installs and `tests/run` with it.
fn axe() -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("client/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `npm ci` in client/", path.display()))
}

/// Once the pictures in the state are there, drawn anew for this size.
async fn picture(browser: &mut Browser, scene: &str, path: &Path) {
    play(browser, "lobby").await;
    play(browser, scene).await;
    let painted = "[...document.querySelectorAll('video')].every(v => !v.checkVisibility({ visibilityProperty: true }) || v.videoWidth > 0)
        && (document.body.dataset.phase !== 'connected' || quality.dataset.quality === hairpin.client.quality)";
    wait_until("the pictures are there", async || browser.holds(painted).await).await;
    browser.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))").await;
    browser.screenshot(path).await;
}
