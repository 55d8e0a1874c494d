//! The servers under measurement: how each is started, found ready and ended.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hairpin_sim::{Request, TurnClient};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::tls::{self, KeyKind};
use crate::{metrics, process};

/// The secret of REST credentials both engines are started with.
pub(crate) const SECRET: &str = "north";
/// The realm both engines are started with.
const REALM: &str = "bench";
/// Relay ports of both engines.
const RELAY_PORTS: (u16, u16) = (10_000, 31_999);
/// The first of the ports an engine may listen on, and their number. Like the relay ports they lie below 32768, where the ports begin
/// that Linux gives to outgoing sockets: no client can come to have one of them.
const FIRST_SERVER_PORT: u16 = 32_000;
const SERVER_PORTS: u16 = 768;
/// How long an engine may take from its start to its first answer.
const STARTUP: Duration = Duration::from_secs(10);

/// How long resident memory must stay the same (within half a per cent) to count as settled.
const SETTLED: Duration = Duration::from_millis(500);
/// How long it may take to.
const SETTLING: Duration = Duration::from_secs(10);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// This project's server.
    Hairpin,
    /// `turnserver` of the coturn project.
    Coturn,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hairpin => "hairpin",
            Self::Coturn => "coturn",
        })
    }
}

/// Where the engines' programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The `hairpin` binary.
    pub hairpin: PathBuf,
    /// The `turnserver` binary; without a slash it is looked up in `PATH`.
    pub coturn: PathBuf,
}

impl Programs {
    fn path(&self, engine: Engine) -> &Path {
        match engine {
            Engine::Hairpin => &self.hairpin,
            Engine::Coturn => &self.coturn,
        }
    }
}

/// How an engine is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    /// The CPUs it is kept on; any, if none is named.
    pub(crate) cpus: Vec<usize>,
    /// Its threads that relay; as many as it chooses, if it is not told.
    pub(crate) workers: Option<usize>,
    /// Allocations it may hold, if that is to be bounded: what they do not need of the open files is for connections.
    pub(crate) total_quota: Option<usize>,
    /// The key of the certificate for TLS on its TURN port; none without.
    pub(crate) certificate: Option<KeyKind>,
    /// More options.
    pub(crate) more: String,
}

impl Launch {
    /// One CPU and one worker, which is what either engine would choose on a machine of one CPU. But coturn
    /// counts the machine's CPUs and not those it may use.
    pub(crate) fn on_one_cpu(cpu: usize) -> Self {
        Self { cpus: vec![cpu], workers: Some(1), ..Self::default() }
    }

    /// hairpin for so many WebSockets: few of its open files are set aside for the relay. Any CPU, as many workers as
    /// it chooses.
    pub(crate) fn for_web_sockets() -> Self {
        Self { total_quota: Some(1000), ..Self::default() }
    }
}

/// A server process of our own. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The log and whatever else the engine writes.
    directory: TempDir,
    /// Its STUN and TURN port, UDP and TCP.
    pub(crate) turn: SocketAddr,
    /// hairpin's HTTP and WebSocket port; nothing listens there with coturn.
    pub(crate) http: SocketAddr,
    /// hairpin's admin port; nothing listens there with coturn.
    admin: SocketAddr,
}

impl Server {
    /// Starts `engine` on free loopback ports and waits until it answers a Binding request.
    pub(crate) fn start(programs: &Programs, engine: Engine, launch: &Launch) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("hairpin-bench").tempdir()?;
        let [turn, http, admin] = free_ports()?;
        let log = File::create(directory.path().join("output"))?;
        let files = match launch.certificate {
            Some(kind) => Some(tls::certificate(kind, directory.path())?),
            None => None,
        };
        let mut command = Command::new(programs.path(engine));
        command
            .args(arguments(engine, [turn, http, admin], launch))
            .args(tls_arguments(engine, http, files.as_ref()))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let spawned = match &launch.cpus[..] {
            [] => command.spawn(),
            cpus => process::on_cpus(cpus, || command.spawn())?,
        };
        let child = spawned.with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let mut server = Self { child, directory, turn, http, admin };
        server.wait_until_it_answers().with_context(|| format!("{engine} does not serve"))?;
        Ok(server)
    }

    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        process::cpu_time(self.child.id())
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        process::resident_bytes(self.child.id())
    }

    /// Its resident memory once that has stopped changing, or after [`SETTLING`].
    pub(crate) fn settled_bytes(&self) -> Result<u64> {
        let (start, mut resident) = (Instant::now(), self.resident_bytes()?);
        let mut since = start;
        while since.elapsed() < SETTLED && start.elapsed() < SETTLING {
            thread::sleep(SETTLED / 10);
            let now = self.resident_bytes()?;
            if now.abs_diff(resident) > resident / 200 {
                (resident, since) = (now, Instant::now());
            }
        }
        self.resident_bytes()
    }

    /// Asks it to stop, or ends it.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// How often each of its threads has begun to run, by the thread's number.
    pub(crate) fn wake_ups(&self) -> Result<BTreeMap<u32, u64>> {
        process::wake_ups(self.child.id())
    }

    /// hairpin's own figure of this name, if it has one.
    pub(crate) fn metric(&self, name: &str) -> Result<Option<f64>> {
        metrics::read(self.admin, name)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(self.turn)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut client = TurnClient::new("nobody", "");
        let request = client.request(Request::Binding);
        let deadline = Instant::now() + STARTUP;
        let mut buffer = [0; 1500];
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}:\n{}", self.last_words());
            }
            // Nobody listening yet shows as an error of either call, and is no reason to give up.
            let answer = socket.send(&request).and_then(|_| socket.recv(&mut buffer));
            if answer.is_ok_and(|len| client.handle(&buffer[..len]).is_some()) {
                return Ok(());
            }
        }
        bail!("no answer within {STARTUP:?}:\n{}", self.last_words());
    }

    fn last_words(&self) -> String {
        let output = fs::read_to_string(self.directory.path().join("output")).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It can only fail when the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program calls its version: the last line it prints when asked.
pub(crate) fn version(programs: &Programs, engine: Engine) -> Result<String> {
    let output = Command::new(programs.path(engine)).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("unknown version");
    let program = format!("{engine} ");
    Ok(format!("{program}{}", last.trim().trim_start_matches(&program)))
}

/// The command line of `engine` with one worker in text, with `…` where every run differs.
pub(crate) fn describe(engine: Engine) -> String {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let program = match engine {
        Engine::Hairpin => "hairpin",
        Engine::Coturn => "turnserver",
    };
    let words = arguments(engine, [any; 3], &Launch::on_one_cpu(0)).join(" ");
    let words = words.replace("127.0.0.1:0", "127.0.0.1:…").replace("port 0", "port …");
    format!("{program} {words}")
}

fn arguments(engine: Engine, ports: [SocketAddr; 3], launch: &Launch) -> Vec<String> {
    let (min_port, max_port) = RELAY_PORTS;
    let [turn, http, admin] = ports;
    let mut line = format!(
        "--listening-ip 127.0.0.1 --listening-port {} --relay-ip 127.0.0.1 --min-port {min_port} \
         --max-port {max_port} --realm {REALM} --static-auth-secret {SECRET}",
        turn.port()
    );
    line += &match engine {
        Engine::Hairpin => format!(
            " --alt-listening-port none --allowed-peer-ip 127.0.0.0/8 --http-listen {http} \
             --admin-listen {admin} --unauthenticated-answers-per-second none \
             --max-connections-per-address 1000000 --max-allocations-per-address 1000000"
        ),
        Engine::Coturn => " -n --no-cli --no-dtls --allow-loopback-peers --lt-cred-mech \
            --use-auth-secret --no-stdout-log --simple-log --log-file log --pidfile pid"
            .to_owned(),
    };
    if let Some(quota) = launch.total_quota {
        line += &format!(" --total-quota {quota}");
    }
    if let Some(workers) = launch.workers {
        let option = match engine {
            Engine::Hairpin => "workers",
            Engine::Coturn => "relay-threads",
        };
        line += &format!(" --{option} {workers}");
    }
    line += &format!(" {}", launch.more);
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Both engines take TLS on the port of TCP; coturn wants one more for it all the same.
fn tls_arguments(engine: Engine, spare: SocketAddr, files: Option<&[PathBuf; 2]>) -> Vec<String> {
    let mut arguments = Vec::new();
    match (files, engine) {
        (Some([cert, key]), _) => {
            for (option, file) in [("--cert", cert), ("--pkey", key)] {
                arguments.extend([option.to_owned(), file.display().to_string()]);
            }
            if engine == Engine::Coturn {
                let port = spare.port().to_string();
                arguments.extend(["--tls-listening-port".to_owned(), port]);
            }
        }
        (None, Engine::Coturn) => arguments.push("--no-tls".to_owned()),
        (None, Engine::Hairpin) => {}
    }
    arguments
}

/// Three loopback ports nobody holds, UDP or TCP. Asked for without SO_REUSEPORT, so a server left over
/// from another run cannot share one and take half of the packets.
fn free_ports() -> Result<[SocketAddr; 3]> {
    /// Where to look next: not where connections of the last server are still being forgotten.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = (0..SERVER_PORTS)
        .map(|_| FIRST_SERVER_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % SERVER_PORTS)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .filter(|&address| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok());
    let ports: Vec<SocketAddr> = free.take(3).collect();
    ports.try_into().ok().context("no three ports are free for both UDP and TCP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_name_the_same_ports_realm_and_secret() {
        for engine in [Engine::Hairpin, Engine::Coturn] {
            let line = describe(engine);
            for part in ["--realm bench", "--static-auth-secret north", "--min-port 10000"] {
                assert!(line.contains(part), "{line}");
            }
            assert!(!line.contains(" 0 "), "{line}");
        }
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_status() {
        let programs = Programs { hairpin: "/bin/false".into(), coturn: "/bin/false".into() };
        let error = Server::start(&programs, Engine::Coturn, &Launch::default()).unwrap_err();
        assert!(format!("{error:#}").contains("exit status: 1"), "{error:#}");
    }
}
