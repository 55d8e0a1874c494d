//! hairpin inside another program: `cargo run --example embed`.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::time::Duration;

use hairpin::{
    AllowedOrigins, Config, HttpSettings, Listeners, Quotas, RelaySettings, Rules, Server, Stats,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let until_interrupted = async |server: &Server| {
        print!("{}", server.summary());
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
            // Only a defect can cause this.
            part = server.failed() => Err(part.into()),
        }
    };
    let stats = run(until_interrupted).await?;
    println!("relayed {} packets", stats.relayed_packets);
    Ok(())
}

/// Runs a server as long as `work` takes, and says what it has done.
pub(crate) async fn run(
    work: impl AsyncFnOnce(&Server) -> Result<(), Failure>,
) -> Result<Stats, Failure> {
    let config = Config {
        rules: Rules { realm: "example.org".into(), max_channels: 16, ..Default::default() },
        relay: RelaySettings {
            quotas: Quotas { user: Some(20), total: Some(5000), ..Default::default() },
            ..Default::default()
        },
        http: HttpSettings {
            allowed_origins: AllowedOrigins::List(vec!["https://example.org".parse()?]),
            ..Default::default()
        },
        workers: NonZeroUsize::new(2),
        shutdown_timeout: Duration::from_secs(3),
        ..Default::default()
    };
    // Bound by us, at whichever ports are free. `Listeners::bind(&config)` binds what `config.listen` says.
    let listeners = Listeners {
        turn_udp: vec![UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?],
        http: vec![TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?],
        ..Default::default()
    };
    let server = Server::start(config, listeners)?;
    let done = work(&server).await;
    let stats = server.stats();
    server.shutdown().await;
    done.map(|()| stats)
}
