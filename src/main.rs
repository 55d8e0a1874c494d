//! The `hairpin` command: flags, environment and file in, a server out, until a signal ends it.

use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hairpin::{Listeners, Server, StartError};
use hairpin_config::{Command, Config, Layers, LogLevel, Resolved};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// glibc's allocator would keep what ten thousand clients have used when they have gone, and its arenas make threads
/// that free each other's memory wait. `.cargo/config.toml` has its settings.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What went wrong, in words for a person.
type Failure = String;

/// A configuration that cannot be used: sysexits' EX_CONFIG is not known well enough; coturn and most others say 2.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(exit) if exit.code == 0 => {
            print(&exit.text);
            return ExitCode::SUCCESS;
        }
        Err(exit) => return fail(&exit.text, exit.code),
    };
    match carry_out(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err((failure, code)) => fail(&failure, code),
    }
}

/// What went wrong, and the exit code for it.
fn carry_out(command: Command) -> Result<(), (Failure, u8)> {
    let broken = |failure| (failure, 1);
    match command {
        Command::ConfigCheck(layers) => {
            let resolved = resolve(layers)?;
            // As the server will, whose bounds follow from it.
            let _ = hairpin::raise_open_files_limit();
            print(&format!("{}\n{}", resolved.describe(), hairpin::preview(&resolved.config)));
            Ok(())
        }
        Command::Healthcheck(layers) => healthcheck(&resolve(layers)?.config).map_err(broken),
        Command::Run(layers) => {
            // First of all, for reading settings can take as long as a disk.
            let life = Life::begin().map_err(broken)?;
            life.run(resolve(layers)?.config).map_err(broken)
        }
    }
}

fn resolve(layers: Layers) -> Result<Resolved, (Failure, u8)> {
    let layers = merge(layers).map_err(|failure| (failure, BAD_CONFIGURATION))?;
    layers.resolve().map_err(|errors| (errors.to_string(), BAD_CONFIGURATION))
}

/// Adds the environment, and the file that flags or environment name.
fn merge(mut layers: Layers) -> Result<Layers, Failure> {
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("HAIRPIN_")) else {
            continue;
        };
        // The value is not shown: it may be a secret. So may a name that is no setting's, whatever its value.
        let value = match value.into_string() {
            Ok(value) => value,
            Err(_) if hairpin_config::settings().all(|setting| setting.variable() != name) => {
                String::new()
            }
            Err(_) => {
                return Err(format!(
                    "{name} (environment {name}): the value is not UTF-8; set it to plain text"
                ));
            }
        };
        layers.environment([(name.to_owned(), value)]);
    }
    if let Some(path) = layers.config_file() {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&name, &error))?;
        layers.file(&name, &text);
    }
    Ok(layers)
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "let the user that hairpin runs as read it",
        ErrorKind::NotFound => "give the path of a TOML file that exists",
        _ => "give the path of a TOML file",
    };
    format!("config = {name:?}: cannot be read ({error}); {remedy}")
}

/// A process that serves, from its first moment.
struct Life {
    runtime: Runtime,
    hangup: Signal,
    user_defined_2: Signal,
}

impl Life {
    /// From here on the signals that hooks for certificates and logs send end nothing. SIGUSR1 is for programs that
    /// open their log anew; ours is standard error.
    fn begin() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start a runtime: {error}"))?;
        let inside = runtime.enter();
        // Once asked for, a signal stays harmless, whether somebody listens or not.
        let _ignored = listen(SignalKind::user_defined1())?;
        let hangup = listen(SignalKind::hangup())?;
        let user_defined_2 = listen(SignalKind::user_defined2())?;
        drop(inside);
        Ok(Self { runtime, hangup, user_defined_2 })
    }

    fn run(self, config: Config) -> Result<(), Failure> {
        start_log(config.log_level);
        if let Err(error) = hairpin::raise_open_files_limit() {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
        let look = Arc::new(Notify::new());
        self.runtime.spawn(hear(self.hangup, self.user_defined_2, look.clone()));
        self.runtime.block_on(serve(config, &look))
    }
}

/// Tells whoever sends SIGHUP or SIGUSR2 what they do here: the first has `look` looked at certificates.
async fn hear(mut hangup: Signal, mut user_defined_2: Signal, look: Arc<Notify>) {
    loop {
        let (name, more) = tokio::select! {
            _ = hangup.recv() => {
                look.notify_one();
                ("SIGHUP", "certificates are looked at now; ")
            }
            _ = user_defined_2.recv() => ("SIGUSR2", ""),
        };
        tracing::warn!(
            "{name}: {more}settings are read at the start alone; restart to apply new ones"
        );
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}

async fn serve(config: Config, look: &Notify) -> Result<(), Failure> {
    let (mut interrupt, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let server = start(config).map_err(|error| error.to_string())?;
    print(&server.summary());
    let looks = async {
        loop {
            look.notified().await;
            server.look_for_certificates();
        }
    };
    tokio::select! {
        () = either(&mut interrupt, &mut terminate) => {}
        () = looks => {}
        cause = server.failed() => return Err(format!("{cause}; this is a defect, see the log")),
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = server.shutdown() => {}
        () = either(&mut interrupt, &mut terminate) => tracing::info!("stopped at once"),
    }
    Ok(())
}

fn start(config: Config) -> Result<Server, StartError> {
    let listeners = Listeners::bind(&config)?;
    Server::start(config, listeners)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Logs go to standard error, so that standard output holds the summary alone.
fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::Off => tracing_subscriber::filter::LevelFilter::OFF,
        LogLevel::Error => tracing_subscriber::filter::LevelFilter::ERROR,
        LogLevel::Warn => tracing_subscriber::filter::LevelFilter::WARN,
        LogLevel::Info => tracing_subscriber::filter::LevelFilter::INFO,
        LogLevel::Debug => tracing_subscriber::filter::LevelFilter::DEBUG,
        LogLevel::Trace => tracing_subscriber::filter::LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // The library for HTTP/2 would log every frame.
        .with_env_filter(tracing_subscriber::EnvFilter::new(format!("{level},h2=off")))
        .with_target(false)
        .init();
}

/// Asks the admin listener of the server that runs under the same settings.
fn healthcheck(config: &Config) -> Result<(), Failure> {
    let Some(mut address) = config.listen.admin else {
        return Err("admin-listen is none, so there is nothing to ask".into());
    };
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    let ask = || -> std::io::Result<String> {
        let patience = Duration::from_secs(3);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(answer) => Err(format!("{address} says {:?}", answer.lines().next().unwrap_or(""))),
        Err(error) => Err(format!("{address} does not answer: {error}")),
    }
}

/// Prints to standard output; a reader who has gone away is no failure.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_is_not_called_wrong() {
        let failure = unreadable("/etc/hairpin.toml", &ErrorKind::PermissionDenied.into());
        assert!(failure.contains("/etc/hairpin.toml") && failure.contains("user"), "{failure}");
        assert!(!failure.contains("TOML file"), "{failure}");
    }
}
