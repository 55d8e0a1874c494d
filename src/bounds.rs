//! How much there may be of everything, and how much of it one address and one user may hold.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hairpin_config::{Config, RelayPorts, RelaySettings};
use hairpin_turn::{QuotaLedger, Quotas};

use crate::limits;
use crate::net::{BudgetSetup, Budgets, REFUSED, connections_within};

/// Allocations at an address that all share. They take memory alone: some kilobytes each, and the most when they are used to
/// attack.
const AT_A_SHARED_ADDRESS: usize = 65_536;

/// The bounds in force.
pub(crate) struct Bounds {
    /// The process's limit on open files, if it has one, and how many of them TCP connections may be.
    open_files: (Option<u64>, usize),
    quotas: Quotas,
    /// Whether all allocations share an address.
    shared: bool,
    /// Whether an address may have so many connections, however scarce they are.
    connections_fixed: bool,
    pub(crate) ledger: QuotaLedger,
    pub(crate) budgets: Budgets,
}

impl Bounds {
    /// Under these settings, with relayed addresses at `relay`. `refused` counts connections, in the order of [`REFUSED`].
    pub(crate) fn new(
        config: &Config,
        relay: &[IpAddr],
        refused: [Arc<AtomicU64>; REFUSED.len()],
    ) -> Self {
        Self::within(limits::open_files(), config, relay, refused)
    }

    fn within(
        limit: Option<u64>,
        config: &Config,
        relay: &[IpAddr],
        refused: [Arc<AtomicU64>; REFUSED.len()],
    ) -> Self {
        let RelaySettings { quotas, ports, .. } = &config.relay;
        let total = quotas.total.map_or(usize::MAX, |total| total as usize);
        let sockets = match ports {
            RelayPorts::Range(ports) => ports.len() * relay.len(),
            RelayPorts::Shared(_) | RelayPorts::Listening => 0,
        };
        let connections = connections_within(limit, total.min(sockets));
        let descriptors = limit.map_or(usize::MAX, |limit| limit as usize - connections);
        let room = match ports {
            RelayPorts::Range(ports) => ports_of_a_family(ports.len(), relay).min(descriptors),
            RelayPorts::Shared(_) | RelayPorts::Listening => AT_A_SHARED_ADDRESS,
        };
        let per_network = config.listen.max_connections_per_address;
        Self {
            open_files: (limit, connections),
            quotas: *quotas,
            shared: sockets == 0,
            connections_fixed: per_network.is_some(),
            ledger: QuotaLedger::new(*quotas, room),
            budgets: Budgets::new(BudgetSetup {
                connections,
                websockets: config.http.max_websockets,
                per_network,
                behind_proxy: config.http.client_ip_header.is_some(),
                refused,
            }),
        }
    }

    /// For the summary: what each line is about, and what it says.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("open files", self.open_files()),
            ("one address may hold", self.of_an_address()),
            ("one user may hold", self.of_a_user()),
            ("all may hold", self.of_all()),
        ]
    }

    fn open_files(&self) -> String {
        match self.open_files {
            (Some(limit), connections) => {
                format!("{limit}, of which TCP connections {connections}")
            }
            (None, _) => "no limit".to_owned(),
        }
    }

    fn of_an_address(&self) -> String {
        let scarce = match (self.quotas.address.is_some(), self.connections_fixed) {
            (false, false) => "; fewer as they get scarce",
            (false, true) => "; fewer allocations as they get scarce",
            (true, false) => "; fewer connections as they get scarce",
            (true, true) => "",
        };
        let Budgets { turn_tcp, http, websockets, .. } = &self.budgets;
        let [turn_tcp, http, websockets] =
            [turn_tcp, http, websockets].map(|places| number(places.most_of_a_network()));
        let allocations = self.ledger.most_of_an_address();
        format!(
            "{allocations} allocations, {turn_tcp} TURN/TCP and {http} HTTP connections, {websockets} WebSockets{scarce}"
        )
    }

    fn of_a_user(&self) -> String {
        match self.quotas.user {
            None => "what its address may hold".to_owned(),
            Some(1) => "1 allocation".to_owned(),
            Some(most) => format!("{most} allocations"),
        }
    }

    fn of_all(&self) -> String {
        match self.quotas.total {
            None if self.shared => format!("{AT_A_SHARED_ADDRESS} allocations"),
            None => "as many allocations as there are relay ports and open files".to_owned(),
            Some(most) => format!("{most} allocations"),
        }
    }
}

/// Relay ports of the family that has fewer, of so many at each address.
fn ports_of_a_family(ports: usize, relay: &[IpAddr]) -> usize {
    let v4 = relay.iter().filter(|ip| ip.is_ipv4()).count();
    let addresses = [v4, relay.len() - v4].into_iter().filter(|addresses| *addresses > 0).min();
    // Names that are not resolved yet are one address at least.
    ports * addresses.unwrap_or(1)
}

/// Where there is no limit on open files there are more connections than anybody wants to read.
fn number(most: usize) -> String {
    if most > 100_000_000 { "any number of".to_owned() } else { most.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(open_files: Option<u64>, config: &Config, name: &str) -> String {
        let relay = ["192.0.2.7", "2001:db8::7", "2001:db8::8"];
        let relay = relay.map(|ip| ip.parse().expect("an address"));
        let lines = Bounds::within(open_files, config, &relay, Default::default()).lines();
        lines.into_iter().find(|(about, _)| *about == name).expect("it is there").1
    }

    #[test]
    fn what_is_said_is_what_is_in_force() {
        let mut config = Config::default();
        let address = |config: &_| line(Some(100_000), config, "one address may hold");
        // A quarter of 16,384 ports of the family that has fewer, of 50,592 connections, of 8,192 for HTTP.
        assert_eq!(
            address(&config),
            "4096 allocations, 12648 TURN/TCP and 2048 HTTP connections, 12648 WebSockets; fewer as they get scarce"
        );
        assert_eq!(line(None, &config, "one user may hold"), "what its address may hold");
        config.relay.quotas.total = Some(5000);
        config.listen.max_connections_per_address = Some(7);
        assert_eq!(
            address(&config),
            "1250 allocations, 7 TURN/TCP and 7 HTTP connections, 7 WebSockets; fewer allocations as they get scarce"
        );
        let quotas = Quotas { user: Some(20), address: Some(50), ..Quotas::default() };
        config.relay.quotas = Quotas { total: Some(5000), ..quotas };
        assert_eq!(
            address(&config),
            "50 allocations, 7 TURN/TCP and 7 HTTP connections, 7 WebSockets"
        );
        assert_eq!(line(None, &config, "one user may hold"), "20 allocations");
        assert_eq!(line(None, &config, "all may hold"), "5000 allocations");
    }

    #[test]
    fn descriptors_may_be_scarcer_than_ports() {
        let address = |limit| line(limit, &Config::default(), "one address may hold");
        assert!(address(Some(400)).starts_with("50 allocations, 50 TURN/TCP and"));
        assert!(address(None).starts_with("4096 allocations, any number of TURN/TCP and"));
        assert_eq!(
            line(Some(400), &Config::default(), "open files"),
            "400, of which TCP connections 200"
        );
    }
}
