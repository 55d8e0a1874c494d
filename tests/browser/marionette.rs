//! A small client of Marionette, Firefox's own remote control: JSON with its length before it, over TCP.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::netns::Host;

/// No single command takes longer, however busy the machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(40);

/// Marionette itself sees to it that there are no first-run pages, updates and the like.
const PREFERENCES: &[(&str, &str)] = &[
    // Any free port, which it writes into the profile.
    ("marionette.port", "0"),
    ("media.navigator.streams.fake", "true"),
    ("media.navigator.permission.disabled", "true"),
    ("media.autoplay.default", "0"),
    ("media.autoplay.blocking_policy", "0"),
    // Codecs that would have to be downloaded.
    ("media.gmp-manager.updateEnabled", "false"),
    ("media.gmp-provider.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("devtools.console.stdout.content", "true"),
];

/// A Firefox of its own with one tab. Ends with its value.
pub(super) struct Firefox {
    /// Ended by `kill_on_drop`.
    _process: Child,
    stream: BufReader<TcpStream>,
    last_id: u64,
    /// Where it says what the page said on its console.
    log: PathBuf,
    host: String,
}

impl Firefox {
    /// Starts Firefox on `host` with an empty tab.
    pub(super) async fn launch(host: &Host) -> Self {
        let profile = host.home.join("firefox");
        fs::create_dir(&profile).expect("one Firefox a host");
        // Whom the host trusts, its browsers do.
        for file in ["cert9.db", "key4.db", "pkcs11.txt"] {
            let _nobody = fs::copy(host.home.join(".pki/nssdb").join(file), profile.join(file));
        }
        let line = |(name, value): &(&str, &str)| format!("user_pref(\"{name}\", {value});\n");
        let preferences: String = PREFERENCES.iter().map(line).collect();
        fs::write(profile.join("user.js"), preferences).expect("a host's home is writable");
        let log = profile.join("log");
        let output = File::create(&log).expect("a host's home is writable");
        let process = Command::from(host.command("firefox-esr"))
            .args(["--headless", "--marionette", "--no-remote", "--profile"])
            .arg(&profile)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("ip netns could be used to make the namespace");
        let stream = super::wait_for("Firefox listens", async || {
            let port = fs::read_to_string(profile.join("MarionetteActivePort")).ok()?;
            host.connect(([127, 0, 0, 1], port.trim().parse().ok()?).into()).ok()
        })
        .await;
        stream.set_nonblocking(true).expect("a socket can be told");
        let stream = TcpStream::from_std(stream).expect("it does not block");
        let mut browser = Self {
            _process: process,
            stream: BufReader::new(stream),
            last_id: 0,
            log,
            host: host.namespace.clone(),
        };
        let greeting = browser.message().await;
        assert_eq!(greeting["marionetteProtocol"], 3, "{greeting}");
        let timeouts = json!({ "script": COMMAND_TIMEOUT.as_millis() as u64 });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "timeouts": timeouts } } });
        browser.call("WebDriver:NewSession", capabilities).await;
        browser
    }

    /// Opens `url` and waits until it has loaded.
    pub(super) async fn open(&mut self, url: &str) {
        self.call("WebDriver:Navigate", json!({ "url": url })).await;
    }

    /// The value of a JavaScript expression; a promise is awaited.
    pub(super) async fn eval(&mut self, expression: &str) -> Value {
        let script = "const [expression, done] = arguments;
            (async () => eval(expression))().then(
                (value) => done({ value: JSON.stringify(value) ?? 'null' }),
                (error) => done({ error: `${error}\\n${error?.stack}` }),
            );";
        let parameters = json!({ "script": script, "args": [expression] });
        let answer = self.call("WebDriver:ExecuteAsyncScript", parameters).await;
        let answer = &answer["value"];
        let value = answer["value"].as_str();
        let value = value.unwrap_or_else(|| panic!("{expression} threw {}", answer["error"]));
        serde_json::from_str(value).expect("JSON.stringify makes JSON")
    }

    /// Writes what the tab shows to `path`, as PNG.
    pub(super) async fn screenshot(&mut self, path: &Path) {
        let picture = self.call("WebDriver:TakeScreenshot", json!({ "full": false })).await;
        let text = picture["value"].as_str().expect("TakeScreenshot answers with a value");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("the protocol promises base64");
        fs::write(path, bytes).expect("the folder exists");
    }

    /// Sends one command and returns its result.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let command = json!([0, self.last_id, method, parameters]).to_string();
        let command = format!("{}:{command}", command.len());
        self.stream
            .write_all(command.as_bytes())
            .await
            .unwrap_or_else(|error| panic!("{method}: Firefox is gone: {error}"));
        let mut answer = tokio::time::timeout(COMMAND_TIMEOUT, self.message())
            .await
            .unwrap_or_else(|_| panic!("{method} {parameters} was not answered"));
        // One at a time: what comes is the answer.
        assert_eq!(answer[1], json!(self.last_id), "{method}: {answer}");
        assert!(answer[2].is_null(), "{method} {parameters}: {:#}", answer[2]);
        answer[3].take()
    }

    async fn message(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).await.expect("a socket can be read");
        let digits = length.strip_suffix(b":").expect("Firefox has ended");
        let length: usize = str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .expect("a message of Marionette begins with its length");
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message).await.expect("a socket can be read");
        serde_json::from_slice(&message).expect("Marionette speaks JSON")
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("console of {}: {log}", self.host);
        }
    }
}
