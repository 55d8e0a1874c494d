//! Somebody in front of the demo page: presses its buttons and reads what it shows.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::driver::{Browser, Kind};
use super::netns::Host;
use super::{wait_for, wait_until};

/// A browser with the page open.
pub(super) struct Person {
    pub(super) browser: Browser,
}

impl Person {
    /// Starts a browser on `host`, with more of Chromium's flags if need be, and opens the page.
    pub(super) async fn arrive(host: &Host, page: &str, flags: &[&str]) -> Self {
        Self::open(Browser::launch(host, flags).await, page).await
    }

    /// The same by either browser.
    pub(super) async fn arrive_by(kind: Kind, host: &Host, page: &str) -> Self {
        Self::open(Browser::start(kind, host).await, page).await
    }

    /// Runs a script that opens the page in another tab, and turns to that.
    pub(super) async fn opens_a_tab_by(&mut self, script: &str) {
        self.browser.chromium().open_tab_by(script).await;
        self.has_the_page().await;
    }

    async fn open(mut browser: Browser, page: &str) -> Self {
        browser.open(page).await;
        let mut person = Self { browser };
        person.has_the_page().await;
        person
    }

    async fn has_the_page(&mut self) {
        wait_until("the page's script runs", async || {
            self.browser.holds("Boolean(window.hairpin)").await
        })
        .await;
    }

    /// Presses a button, as soon as the page offers it.
    pub(super) async fn press(&mut self, id: &str) {
        let press = format!(
            "(b => b && !b.hidden && !b.disabled && (b.click(), true))(document.getElementById('{id}'))"
        );
        wait_until(&format!("the button {id}"), async || self.browser.holds(&press).await).await;
    }

    /// Waits for the page to be in that phase, as the panel names it.
    pub(super) async fn becomes(&mut self, phase: &str) {
        let question = format!("document.getElementById('stat-state').textContent === '{phase}'");
        wait_until(&format!("the phase {phase}"), async || self.browser.holds(&question).await)
            .await;
    }

    /// Waits for the server's word that this one is in line.
    pub(super) async fn waits_in_line(&mut self) {
        let question = "hairpin.client.snapshot.queue !== null";
        wait_until("a place in line", async || self.browser.holds(question).await).await;
    }

    /// Which session the page is in, if any.
    pub(super) async fn session(&mut self) -> Option<String> {
        self.browser.eval("hairpin.client.snapshot.session?.id").await.as_str().map(str::to_owned)
    }

    /// Waits until the partner's picture has been decoded `frames` more times, and returns the statistics of that moment.
    pub(super) async fn sees_video(&mut self, frames: u64) -> Call {
        let start = self.call().await.map_or(0, |call| call.video.frames_decoded);
        let call = wait_for("the partner's picture moves", async || {
            self.call()
                .await
                .filter(|call| call.video.frames_decoded >= start + frames && call.video.width > 0)
        })
        .await;
        let shown = "(v => !v.paused && v.videoWidth > 0 && v.videoHeight > 0)(document.getElementById('remote'))";
        assert!(self.browser.holds(shown).await, "decoded video is also shown");
        call
    }

    /// The page's reading of the call; none without a selected pair.
    pub(super) async fn call(&mut self) -> Option<Call> {
        let stats = self.browser.eval("hairpin.stats()").await;
        (stats != Value::Null)
            .then(|| serde_json::from_value(stats).expect("the client gives these fields"))
    }

    /// The `ice-pwd` this side uses now; an ICE restart changes it.
    pub(super) async fn ice_password(&mut self) -> Option<String> {
        let line = "hairpin.client.peerConnection?.localDescription?.sdp.match(/ice-pwd:(.+)/)[1]";
        self.browser.eval(line).await.as_str().map(str::to_owned)
    }

    /// How many allocations this side holds: one for each relay candidate it has gathered, and at most
    /// one for each TURN URL, since Chromium keeps quiet about those it gets once a path has been found.
    pub(super) async fn allocations(&mut self) -> RangeInclusive<u64> {
        let counts = "(pc => [
            pc.localDescription.sdp.match(/typ relay/g)?.length ?? 0,
            pc.getConfiguration().iceServers.flatMap(s => s.urls).filter(url => url.startsWith('turn')).length,
        ])(hairpin.client.peerConnection)";
        let counts = self.browser.eval(counts).await;
        let count = |index: usize| counts[index].as_u64().expect("a length");
        count(0)..=count(1)
    }

    /// What the panel shows beside `name`.
    pub(super) async fn panel(&mut self, name: &str) -> String {
        let text =
            self.browser.eval(&format!("document.getElementById('stat-{name}').textContent")).await;
        text.as_str().expect("the panel has that row").to_owned()
    }
}

/// `CallStats` of client/src/stats.ts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) transport: String,
    pub(super) local: Candidate,
    pub(super) remote: Candidate,
    pub(super) bytes_sent: u64,
    pub(super) packets_sent: u64,
    pub(super) video: Video,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Candidate {
    /// `host`, `srflx`, `prflx` or `relay`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) address: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Video {
    pub(super) width: u64,
    pub(super) frames_decoded: u64,
}
