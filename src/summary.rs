//! What a person reads at the start.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hairpin_config::{BindHost, Config, Insecurity, Listener, Protocol};

use crate::addresses::{Addresses, foreseen_relay};
use crate::backend::Backend;
use crate::bounds::Bounds;

/// The start-up summary, some lines of plain text.
pub(crate) fn summary(
    addresses: &Addresses,
    bounds: &[(&'static str, String)],
    notes: &[String],
    insecure: &[Insecurity],
) -> String {
    let lines = Lines {
        turn_udp: strings(&addresses.turn_udp),
        turn_tcp: strings(&addresses.turn_tcp),
        http: strings(&addresses.http),
        admin: strings(addresses.admin.as_slice()),
        relay: match &addresses.shared_relay[..] {
            [] => strings(&addresses.relay),
            shared => strings(shared),
        },
        bounds,
        url: addresses.http.first().map(|http| url(*http, &addresses.relay)),
    };
    let mut text = lines.text();
    for note in notes {
        let _ = write!(text, "\nNote: {note}\n");
    }
    text + &warnings(insecure)
}

/// What the summary will be under these settings, as far as that can be known without binding anything or asking a
/// name server: `hairpin config check` prints it. Its notes are [`Config::warnings`].
pub fn preview(config: &Config) -> String {
    let listeners = |protocol: Protocol| {
        let sockets = config.listen.turn_sockets();
        sockets.filter(|listener| listener.protocol == protocol).map(foreseen).collect()
    };
    let (seen, named) = foreseen_relay(&config.relay);
    let lines = Lines {
        turn_udp: listeners(Protocol::Udp),
        turn_tcp: listeners(Protocol::Tcp),
        http: strings(&config.listen.http),
        admin: strings(config.listen.admin.as_slice()),
        bounds: &[
            Bounds::new(config, &seen, Default::default()).lines(),
            Backend::lines(&config.backend),
        ]
        .concat(),
        url: config.listen.http.first().map(|http| url(*http, &seen)),
        relay: strings(&seen).into_iter().chain(named).collect(),
    };
    lines.text() + &warnings(&config.insecure_defaults())
}

fn foreseen(listener: &Listener) -> String {
    let Listener { host, port, required, .. } = listener;
    let address = match host {
        BindHost::Ip(ip) => SocketAddr::new(*ip, *port).to_string(),
        BindHost::Name(name) => format!("{name}:{port}"),
    };
    if *required { address } else { address + " where it may be bound" }
}

/// What is where.
struct Lines<'a> {
    turn_udp: Vec<String>,
    turn_tcp: Vec<String>,
    http: Vec<String>,
    admin: Vec<String>,
    relay: Vec<String>,
    /// What each is about, and what it says.
    bounds: &'a [(&'static str, String)],
    url: Option<String>,
}

impl Lines<'_> {
    fn text(&self) -> String {
        let mut text = format!("hairpin {}\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<22}{value}");
        };
        line("STUN/TURN over UDP", &list(&self.turn_udp));
        line("STUN/TURN over TCP", &list(&self.turn_tcp));
        line("HTTP and WebSocket", &list(&self.http));
        line("metrics and health", &list(&self.admin));
        line("peers see", &list(&self.relay));
        for (name, value) in self.bounds {
            line(name, value);
        }
        if let Some(url) = &self.url {
            line("open", url);
        }
        text
    }
}

fn warnings(insecure: &[Insecurity]) -> String {
    let mut text = String::new();
    if !insecure.is_empty() {
        text.push_str("\nNot for production as it is:\n");
        for Insecurity { what, fix } in insecure {
            let _ = writeln!(text, "  - {what}\n      {fix}");
        }
    }
    text
}

fn strings<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(T::to_string).collect()
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "off".to_owned() } else { items.join(", ") }
}

/// Where the page is found by its name and TLS, which has to be from elsewhere, for a line of the summary: on 443 if that is
/// served, else on a port of HTTP's own. `None`: there is no name, or no page.
pub(crate) fn secure_url(
    config: &Config,
    Addresses { turn_tcp, http, .. }: &Addresses,
) -> Option<(&'static str, String)> {
    let domain = config.tls.acme.as_ref()?.domains.first()?;
    let first = http.first()?.port();
    let turn_tcp = turn_tcp.iter().filter(|_| config.listen.http_on_turn);
    let mut all = turn_tcp.chain(http).map(SocketAddr::port);
    let url = match all.find(|port| *port == 443).unwrap_or(first) {
        443 => format!("https://{domain}"),
        port => format!("https://{domain}:{port}"),
    };
    Some(("open from anywhere", url))
}

/// Where a browser on this machine finds the page: as localhost, which counts as secure and so may use the camera.
fn url(http: SocketAddr, relay: &[IpAddr]) -> String {
    let host = match http.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let url = format!("http://{host}:{}", http.port());
    let elsewhere = relay.iter().find(|ip| **ip != IpAddr::from(Ipv4Addr::LOCALHOST));
    match elsewhere.filter(|_| http.ip().is_unspecified()) {
        Some(ip) => format!("{url} (others: http://{})", SocketAddr::new(*ip, http.port())),
        None => url,
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
            shared_relay: Vec::new(),
        }
    }

    #[test]
    fn everything_a_person_asks_is_there() {
        let insecure = [Insecurity { what: "no quotas", fix: "--user-quota 20" }];
        let bounds = [("one user may hold", "20 allocations".to_owned())];
        let text =
            summary(&addresses(), &bounds, &["tcp 0.0.0.0:443 is not served".into()], &insecure);
        for wanted in [
            "UDP    0.0.0.0:3478",
            "peers see             192.0.2.7",
            "http://localhost:8080 (others: http://192.0.2.7:8080)",
            "metrics and health    off",
            "one user may hold     20 allocations",
            "443 is not served",
            "--user-quota 20",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_domain_is_where_the_page_is_found() {
        let mut addresses = addresses();
        assert_eq!(secure_url(&Config::default(), &addresses), None);
        let mut layers = hairpin_config::Layers::default();
        layers.set("domain", "call.example");
        let mut config = layers.resolve().expect("it is valid").config;
        let url = |config: &Config, addresses: &Addresses| {
            secure_url(config, addresses).map(|(_, url)| url)
        };
        assert_eq!(url(&config, &addresses).as_deref(), Some("https://call.example:8080"));
        addresses.turn_tcp.push("0.0.0.0:443".parse().expect("literal"));
        assert_eq!(url(&config, &addresses).as_deref(), Some("https://call.example"));
        config.listen.http_on_turn = false;
        assert_eq!(url(&config, &addresses).as_deref(), Some("https://call.example:8080"));
        addresses.http.clear();
        assert_eq!(url(&config, &addresses), None);
    }

    #[test]
    fn what_is_foreseen_needs_no_socket_and_no_name_server() {
        let mut config = Config::default();
        let name = BindHost::Name("fly-global-services".into());
        config.listen.turn[0].host = name.clone();
        let advertised = None;
        config.relay.addresses = vec![hairpin_config::RelayAddress { bind: name, advertised }];
        let text = preview(&config);
        for wanted in [
            "UDP    fly-global-services:3478, [::]:3478 where it may be bound, ",
            "peers see             fly-global-services, resolved at the start",
            "metrics and health    127.0.0.1:",
            "open                  http://localhost:8080",
            "--static-auth-secret SECRET",
            "localhost alone",
            "open files            ",
            "one user may hold     what its address may hold",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is missing in:\n{text}");
        }
        config.relay.addresses.clear();
        let detected = foreseen_relay(&config.relay).0;
        assert!(!detected.is_empty());
        assert!(preview(&config).contains(&list(&strings(&detected))));
    }
}
