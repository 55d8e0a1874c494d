//! What a person reads at the start.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hairpin_config::Insecurity;

use crate::Addresses;

/// What connections and relay sockets are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFiles {
    /// The process's limit, if it has one.
    pub(crate) limit: Option<u64>,
    /// How many of them TCP connections may be.
    pub(crate) connections: usize,
}

/// The start-up summary, some lines of plain text.
pub(crate) fn summary(
    addresses: &Addresses,
    open_files: OpenFiles,
    notes: &[String],
    insecure: &[Insecurity],
) -> String {
    let mut text = format!("hairpin {}\n\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<22}{value}");
    };
    line("STUN/TURN over UDP", list(&addresses.turn_udp));
    line("STUN/TURN over TCP", list(&addresses.turn_tcp));
    line("HTTP and WebSocket", list(&addresses.http));
    line("metrics and health", list(addresses.admin.as_slice()));
    line("peers see", list(&addresses.relay));
    if let OpenFiles { limit: Some(limit), connections } = open_files {
        line("open files", format!("{limit}, of which TCP connections {connections}"));
    }
    if let Some(url) = url(addresses) {
        line("open", url);
    }
    for note in notes {
        let _ = write!(text, "\nNote: {note}\n");
    }
    if !insecure.is_empty() {
        text.push_str("\nNot for production as it is:\n");
        for Insecurity { what, fix } in insecure {
            let _ = writeln!(text, "  - {what}\n      {fix}");
        }
    }
    text
}

fn list<T: ToString>(items: &[T]) -> String {
    match items {
        [] => "off".to_owned(),
        _ => items.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Where a browser on this machine finds the page: as localhost, which counts as secure and so may use the camera.
fn url(addresses: &Addresses) -> Option<String> {
    let http = addresses.http.first()?;
    let host = match http.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let url = format!("http://{host}:{}", http.port());
    let elsewhere = addresses.relay.iter().find(|ip| **ip != IpAddr::from(Ipv4Addr::LOCALHOST));
    match elsewhere.filter(|_| http.ip().is_unspecified()) {
        Some(ip) => Some(format!("{url} (others: http://{})", SocketAddr::new(*ip, http.port()))),
        None => Some(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        let any: SocketAddr = "[::]:8080".parse().expect("literal");
        Addresses {
            turn_udp: vec!["0.0.0.0:3478".parse().expect("literal")],
            turn_tcp: vec!["0.0.0.0:3478".parse().expect("literal")],
            http: vec![any],
            admin: None,
            relay: vec!["192.0.2.7".parse().expect("literal")],
        }
    }

    #[test]
    fn everything_a_person_asks_is_there() {
        let insecure = [Insecurity { what: "no quotas", fix: "--user-quota 20" }];
        let open_files = OpenFiles { limit: Some(400), connections: 200 };
        let text =
            summary(&addresses(), open_files, &["tcp 0.0.0.0:443 is not served".into()], &insecure);
        for wanted in [
            "UDP    0.0.0.0:3478",
            "peers see             192.0.2.7",
            "http://localhost:8080 (others: http://192.0.2.7:8080)",
            "metrics and health    off",
            "open files            400, of which TCP connections 200",
            "443 is not served",
            "--user-quota 20",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is missing in:\n{text}");
        }
    }
}
