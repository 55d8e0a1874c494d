//! A small client of Chromium's DevTools protocol over `--remote-debugging-pipe`: two file descriptors cross namespaces where a port would not.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::netns::Host;

/// No single command takes longer, however busy the machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(40);
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-pipe",
];

/// A Chromium of its own. Ends with its value.
pub(super) struct Chromium {
    /// Ended by `kill_on_drop`.
    _process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    /// DevTools' sessions with the tabs, in the order they were opened, each with its target.
    tabs: Vec<(String, String)>,
    /// The one that is meant.
    tab: usize,
    last_id: u64,
    /// What the page said on its console and what it threw, in order.
    pub(super) log: Vec<String>,
    host: String,
}

impl Chromium {
    /// Starts Chromium on `host` and opens an empty tab. `extra` is appended to the flags.
    pub(super) async fn launch(host: &Host, extra: &[&str]) -> Self {
        // DevTools' pipe is descriptors 3 (in) and 4 (out); ours are 0 and 1, so a shell moves them.
        let mut process = Command::from(host.command("sh"))
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "chromium"])
            .args(FLAGS)
            .args(extra)
            .arg(format!("--user-data-dir={}", host.home.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ip netns could be used to make the namespace");
        let commands = process.stdin.take().expect("piped above");
        let messages = BufReader::new(process.stdout.take().expect("piped above"));
        let mut browser = Self {
            _process: process,
            commands,
            messages,
            tabs: Vec::new(),
            tab: 0,
            last_id: 0,
            log: Vec::new(),
            host: host.namespace.clone(),
        };
        let target = browser.send("Target.createTarget", json!({ "url": "about:blank" }), None);
        let target =
            target.await["targetId"].as_str().expect("the protocol promises it").to_owned();
        browser.attach(target).await;
        browser
    }

    /// From now on another tab is meant, by its number in the order they were opened.
    pub(super) fn turn_to(&mut self, tab: usize) {
        assert!(tab < self.tabs.len(), "there are {} tabs", self.tabs.len());
        self.tab = tab;
    }

    /// Runs a script that opens a tab, turns to that and waits until it has loaded.
    pub(super) async fn open_tab_by(&mut self, script: &str) {
        self.eval(script).await;
        let target = super::wait_for("the new tab", async || {
            let targets = self.send("Target.getTargets", json!({}), None).await;
            let targets = targets["targetInfos"].as_array().expect("the protocol promises it");
            let pages = targets.iter().filter(|target| target["type"] == "page");
            let mut pages = pages.filter_map(|target| target["targetId"].as_str());
            pages.find(|id| self.tabs.iter().all(|(_, known)| known != id)).map(str::to_owned)
        })
        .await;
        self.attach(target).await;
        self.has_loaded("location.protocol !== 'about:'").await;
    }

    /// Waits until the tab shows what it is on its way to.
    async fn has_loaded(&mut self, there: &str) {
        let expression = format!("{there} && document.readyState === 'complete'");
        super::wait_until("the page has loaded", async || self.eval(&expression).await == true)
            .await;
    }

    async fn attach(&mut self, target: String) {
        let parameters = json!({ "targetId": target, "flatten": true });
        let attached = self.send("Target.attachToTarget", parameters, None).await;
        let session = attached["sessionId"].as_str().expect("the protocol promises it");
        self.tabs.push((session.to_owned(), target));
        self.tab = self.tabs.len() - 1;
        self.call("Runtime.enable", json!({})).await;
        self.call("Page.enable", json!({})).await;
    }

    /// Opens `url` and waits until it has loaded.
    pub(super) async fn open(&mut self, url: &str) {
        let answer = super::wait_for("a network that stays as it is", async || {
            let answer = self.call("Page.navigate", json!({ "url": url })).await;
            // An address of the host has just become usable.
            (answer["errorText"] != "net::ERR_NETWORK_CHANGED").then_some(answer)
        });
        let answer = answer.await;
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.has_loaded("true").await;
    }

    /// Why a page cannot be opened, in Chromium's words.
    pub(super) async fn cannot_open(&mut self, url: &str) -> String {
        let answer = self.call("Page.navigate", json!({ "url": url })).await;
        let error = answer["errorText"].as_str();
        error.unwrap_or_else(|| panic!("{url} was opened")).to_owned()
    }

    /// The value of a JavaScript expression, as if a person had just clicked; a promise is awaited. Who asks a tab that
    /// leaves one document for the next hears null: there is nobody who could answer.
    pub(super) async fn eval(&mut self, expression: &str) -> Value {
        const LEFT: [&str; 2] =
            ["Inspected target navigated or closed", "Execution context was destroyed."];
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let session = self.tabs[self.tab].0.clone();
        let mut answer = match self.ask("Runtime.evaluate", parameters, Some(&session)).await {
            Ok(answer) => answer,
            Err(error) if LEFT.iter().any(|left| error["message"] == *left) => return Value::Null,
            Err(error) => panic!("{expression}: {error}"),
        };
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression} threw {:#}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Makes the tab as large as a screen of that many CSS pixels, light or dark, with nothing that moves.
    /// `scale` is how many pixels a screenshot has for one of them.
    pub(super) async fn appear_as(
        &mut self,
        (width, height): (u32, u32),
        scheme: &str,
        scale: f32,
    ) {
        let mobile = width.min(height) < 600;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// Has every page that is opened from now on run `script` before its own.
    pub(super) async fn run_first(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Presses a key as a person at the keyboard does: `Tab`, `Enter` or `Escape`.
    pub(super) async fn key(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            _ => unreachable!("no test presses {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Writes what the tab shows to `path`, as PNG.
    pub(super) async fn screenshot(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let text = picture["data"].as_str().expect("captureScreenshot answers with data");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("the protocol promises base64");
        fs::write(path, bytes).expect("the folder exists");
    }

    /// Sends the tab one command and returns its result; what arrives in between goes to the log.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Value {
        let session = self.tabs[self.tab].0.clone();
        self.send(method, params, Some(&session)).await
    }

    async fn send(&mut self, method: &str, params: Value, session: Option<&str>) -> Value {
        let answer = self.ask(method, params, session).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What Chromium answers: a result, or its error.
    async fn ask(
        &mut self,
        method: &str,
        params: Value,
        session: Option<&str>,
    ) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands
            .write_all(&bytes)
            .await
            .unwrap_or_else(|error| panic!("{method}: Chromium is gone: {error}"));
        let answer = tokio::time::timeout(COMMAND_TIMEOUT, self.answer(id)).await;
        let mut answer = answer
            .unwrap_or_else(|_| panic!("{method} {params} was not answered; log: {:#?}", self.log));
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let mut bytes = Vec::new();
            let read = self.messages.read_until(0, &mut bytes).await.expect("a pipe can be read");
            assert!(read > 0, "Chromium has ended; log: {:#?}", self.log);
            let message: Value =
                serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap_or(&bytes))
                    .expect("DevTools speaks JSON");
            if message["id"] == json!(id) {
                return message;
            }
            match message["method"].as_str() {
                Some("Runtime.consoleAPICalled") => {
                    self.log.push(message["params"]["args"].to_string())
                }
                Some("Runtime.exceptionThrown") => {
                    self.log.push(message["params"]["exceptionDetails"].to_string())
                }
                _ => {}
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("console of {}: {:#?}", self.host, self.log);
        }
    }
}
