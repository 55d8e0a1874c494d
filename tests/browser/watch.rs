//! An eye on the partner's picture that never looks away, since what is asked for is that it never stops.

use std::time::Duration;

use serde::Deserialize;

use super::person::Person;
use super::wait_for;

/// Longer than this without a new frame is a stall.
const STALL: Duration = Duration::from_millis(1000);

/// And longer than this, nothing but a call that was broken: one path gone silent costs five seconds and more, while several
/// browsers that code in software on two cores were seen to stand still for 1.1 s.
const BROKEN: Duration = Duration::from_millis(2000);

/// Looking takes this long only when the page cannot run.
const BLINK: Duration = Duration::from_millis(400);

/// What was seen since [`Person::watch`].
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    /// The longest time between two frames, in milliseconds, the one that lasts included.
    pub(super) longest_gap: f64,
    /// When each stall began and ended on the page's clock, in milliseconds.
    pub(super) stalls: Vec<[f64; 2]>,
    /// How many connections to a partner there were. A call that goes on keeps its one.
    pub(super) connections: u32,
    /// The longest time the eye itself was closed: then the machine was too busy to say anything.
    pub(super) longest_blink: f64,
    pub(super) now: f64,
}

impl Person {
    /// Begins to watch, from nothing seen.
    pub(super) async fn watch(&mut self) {
        let script = r#"{
            clearInterval(window.watched?.timer);
            const seen = (window.watched = { longestGap: 0, stalls: [], connections: 0, longestBlink: 0 });
            let connection, frames, since = performance.now(), looked = since, open = false;
            const look = async () => {
                const pc = hairpin.client.peerConnection;
                const report = [...(await pc?.getStats() ?? new Map()).values()];
                const now = performance.now();
                if (pc && pc !== connection) seen.connections += 1;
                const video = report.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video');
                const fresh = video?.framesDecoded !== frames || pc !== connection;
                const gap = now - since;
                // What happened while the eye was closed is not known, only what was the case before.
                const blink = now - looked > BLINK && fresh;
                seen.longestGap = Math.max(seen.longestGap, blink ? looked - since : gap);
                seen.longestBlink = Math.max(seen.longestBlink, now - looked);
                if (fresh && gap > STALL && !blink) seen.stalls.push([since, now]);
                if (fresh) since = now;
                [connection, frames, looked] = [pc ?? connection, video?.framesDecoded ?? frames, now];
            };
            seen.timer = setInterval(look, 50);
        } 0"#;
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let script = script.replace("STALL", &milliseconds(STALL));
        self.browser.eval(&script.replace("BLINK", &milliseconds(BLINK))).await;
    }

    /// What the eye has seen by now.
    pub(super) async fn seen(&mut self) -> Seen {
        let seen = self.browser.eval("({ ...watched, now: performance.now() })").await;
        serde_json::from_value(seen).expect("the script above gives these fields")
    }

    /// Nothing has stopped since the watch began, and the connection is the one there was.
    pub(super) async fn has_seen_no_stall(&mut self, during: &str) {
        let seen = self.seen().await;
        println!(
            "{during}: the longest gap between two frames was {:.0} ms (looked at every {:.0} ms at least)",
            seen.longest_gap, seen.longest_blink
        );
        let broken = seen.longest_gap >= BROKEN.as_secs_f64() * 1000.0;
        assert!(!broken, "{during}: {seen:?}");
        assert_eq!(seen.connections, 1, "{during}: {seen:?}");
    }

    /// How long after `since`, on the page's clock, the picture moved again after a stall.
    pub(super) async fn is_back_after(&mut self, since: f64) -> Duration {
        let end = wait_for("the picture moves again", async || {
            let seen = self.seen().await;
            let ended = seen.stalls.iter().find(|stall| stall[1] > since).map(|stall| stall[1]);
            // It may also never have stopped for as long as counts.
            ended.or((seen.now - since > 15_000.0 && seen.longest_gap < 1000.0).then_some(since))
        })
        .await;
        Duration::from_secs_f64((end - since) / 1000.0)
    }

    /// The page's clock, in milliseconds.
    pub(super) async fn clock(&mut self) -> f64 {
        self.browser.eval("performance.now()").await.as_f64().expect("a number")
    }
}
