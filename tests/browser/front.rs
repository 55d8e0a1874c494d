//! Two servers behind one public address, as a deployment has while it changes from one to the other.

use std::net::Ipv4Addr;

use super::netns::{Host, Network, attach, ip};

/// The address that clients know.
pub(super) const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Where the servers are. Their relays are reached at these addresses; they have no other.
pub(super) const SERVERS: [Ipv4Addr; 2] =
    [Ipv4Addr::new(198, 51, 100, 10), Ipv4Addr::new(198, 51, 100, 138)];

impl Network {
    /// Makes both servers' hosts, and before them a router that sends what comes for [`PUBLIC`] to the first.
    pub(super) fn two_servers(&mut self) -> [Host; 2] {
        let router = self.on_wan("front", PUBLIC).expect(POSSIBLE);
        let wan = self.name("wan");
        ip(&["-n", &wan, "route", "add", "198.51.100.0/24", "via", &PUBLIC.to_string()])
            .expect(POSSIBLE);
        for namespace in ["wan", "front"] {
            self.host(namespace).forwards().expect(POSSIBLE);
        }
        let hosts = ["first", "second"].map(|part| {
            self.namespace(part).expect(POSSIBLE);
            self.host(part)
        });
        for ((host, address), device) in hosts.iter().zip(SERVERS).zip(["eth1", "eth2"]) {
            // A /25 each, with the router at its first address.
            let gateway = Ipv4Addr::from(address.to_bits() - 9).to_string();
            ip(&[
                "link",
                "add",
                device,
                "netns",
                &router,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                &host.namespace,
            ])
            .expect(POSSIBLE);
            attach(&router, device, &format!("{gateway}/25")).expect(POSSIBLE);
            attach(&host.namespace, "eth0", &format!("{address}/25")).expect(POSSIBLE);
            ip(&["-n", &host.namespace, "route", "add", "default", "via", &gateway])
                .expect(POSSIBLE);
        }
        self.goes_to(SERVERS[0]);
        hosts
    }

    /// From now on new connections go there; those there are stay where they are.
    pub(super) fn goes_to(&self, server: Ipv4Addr) {
        self.host("front").filter(&format!(
            "table ip front {{ chain inward {{ type nat hook prerouting priority dstnat; }}\n}}
             flush chain ip front inward
             add rule ip front inward ip daddr {PUBLIC} dnat to {server}"
        ));
    }
}

const POSSIBLE: &str = "the first namespace could be made, so can this";
