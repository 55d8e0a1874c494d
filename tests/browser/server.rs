//! The `hairpin` binary inside a test network, and its counters.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::netns::{Host, SERVER};
use super::wait_until;

/// What credentials and tokens are signed with: a server that comes back, or another in its place, honours them.
pub(super) const SECRET: &str = "the same for every server of a test";

/// No flags but those that every server of a test has.
pub(super) const NONE: &[&str] = &[];

/// Ends with its value. Its log is shown when the test fails.
pub(super) struct Server {
    process: Child,
    host: Host,
    address: Ipv4Addr,
    flags: Vec<String>,
}

impl Server {
    /// Starts hairpin on a host that has this address, with its defaults but for what peers see, and these flags.
    pub(super) async fn start_on(host: Host, address: Ipv4Addr, flags: &[impl AsRef<str>]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| flag.as_ref().to_owned()).collect();
        let server = Self { process: spawn(&host, address, &flags), host, address, flags };
        server.ready().await;
        server
    }

    /// Ends the process without a word to anybody, and starts another one in its place.
    pub(super) async fn crash_and_restart(&mut self) {
        self.kill();
        self.process = spawn(&self.host, self.address, &self.flags);
        self.ready().await;
    }

    /// The same, with these flags.
    pub(super) async fn restart_with(&mut self, flags: &[impl AsRef<str>]) {
        self.flags = flags.iter().map(|flag| flag.as_ref().to_owned()).collect();
        self.crash_and_restart().await;
    }

    /// The same, with these flags as well.
    pub(super) async fn restart_with_more(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self.crash_and_restart().await;
    }

    /// Asks it to stop, as a deployment does; [`Server::has_ended`] once nobody needs it any more.
    pub(super) fn terminate(&self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("it runs");
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("it is ours").is_some()
    }

    async fn ready(&self) {
        wait_until("the server is ready", async || {
            self.get("/readyz").is_some_and(|(status, _)| status == 200)
        })
        .await;
    }

    fn kill(&mut self) {
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
    }

    /// The page's address.
    pub(super) fn page(&self) -> String {
        format!("http://{SERVER}:8080/")
    }

    /// Every sample of `/metrics`, by its name with its labels.
    pub(super) fn metrics(&self) -> Metrics {
        let (status, text) = self.get("/metrics").expect("the server answers as long as it lives");
        assert_eq!(status, 200, "{text}");
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '));
        Metrics(
            samples
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// The admin listener is on loopback, so the connection starts inside the server's namespace.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = self.host.connect(([127, 0, 0, 1], 9478).into()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("hairpin said:\n{}", fs::read_to_string(log(&self.host)).unwrap_or_default());
        }
    }
}

fn spawn(host: &Host, address: Ipv4Addr, flags: &[String]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log(host))
        .expect("a host's home is writable");
    host.command(env!("CARGO_BIN_EXE_hairpin"))
        .args([
            "--relay-ip",
            &address.to_string(),
            // The namespaces' Internet has addresses that are for documentation.
            "--allowed-peer-ip",
            "203.0.113.0/24",
            "--allowed-peer-ip",
            "198.51.100.0/24",
            "--static-auth-secret",
            SECRET,
            "--http-listen",
            "0.0.0.0:8080",
            "--admin-listen",
            "127.0.0.1:9478",
        ])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .spawn()
        .expect("ip netns could be used to make the namespace")
}

fn log(host: &Host) -> PathBuf {
    host.home.join("log")
}

/// One reading of the counters.
pub(super) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// The sample of that name; panics when the server does not report it, for then the name is wrong.
    pub(super) fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} among {:#?}", self.0.keys()))
    }

    /// Relayed bytes, or packets, in one direction: `to_peer`, `to_client` or `hairpin`.
    pub(super) fn relayed(&self, unit: &str, direction: &str) -> f64 {
        self.get(&format!("hairpin_relayed_{unit}_total{{direction=\"{direction}\"}}"))
    }
}
