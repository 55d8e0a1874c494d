//! Households: a router with a NAT, and behind it a client, on a wire, on a cable with a delay, or with a second router to go to.

use super::cable::Cable;
use super::netns::{Host, Network, attach, ip};

/// For [`Network::block`]: UDP stays at home.
pub(super) const UDP: &str = "meta l4proto udp drop;";
/// For [`Network::block`]: a hotel's firewall, which lets TCP to port 443 out and nothing else.
pub(super) const ALL_BUT_443: &str = "tcp dport 443 accept; tcp sport 443 accept; drop;";
/// For [`Network::block`]: the same, and it looks into packets: STUN and HTTP in the clear do not pass.
pub(super) const ALL_BUT_TLS: &str = "meta l4proto tcp @ih,32,32 0x2112a442 drop; meta l4proto tcp @ih,0,32 0x47455420 drop; tcp dport 443 accept; tcp sport 443 accept; drop;";
/// For [`Network::block`]: no media of any kind, whereas the page and its WebSocket work.
pub(super) const MEDIA: &str =
    "meta l4proto udp drop; tcp dport { 443, 3478 } drop; tcp sport { 443, 3478 } drop;";
/// For [`Network::block`]: the page and its WebSocket are out of reach, and nobody is told; media goes on.
pub(super) const WEBSOCKET: &str = "tcp dport 8080 drop; tcp sport 8080 drop;";
/// For [`Network::block`]: the line is silent, as a Wi-Fi is that was left behind.
pub(super) const EVERYTHING: &str = "drop;";

/// How a household's router hands out its wan address.
#[derive(Clone, Copy)]
pub(super) enum Nat {
    /// Every flow gets a new random port, which only that flow's peer may answer to: media needs a relay.
    Symmetric,
    /// Ports are kept, and UDP from anybody is let in to the client: media goes directly.
    Open,
}

/// Whether a browser is told that its address has changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// The old interface goes down, and then the other one comes up, as when a phone leaves a Wi-Fi.
    Noticed,
    /// Both interfaces stay up and only the default route moves, as with a VPN.
    Unnoticed,
}

/// A client that changes its address.
pub(super) struct Roamer {
    pub(super) host: Host,
    uplinks: [u8; 2],
    /// Which of them.
    used: usize,
}

const DEVICES: [&str; 2] = ["wlan0", "wwan0"];

impl Network {
    /// A client at 10.0.`number`.2 behind a router of its own with the wan address 203.0.113.(20 + `number`).
    pub(super) fn natted_client(&mut self, number: u8) -> Host {
        self.wired_client(number, Nat::Symmetric)
    }

    /// The same behind that NAT.
    pub(super) fn wired_client(&mut self, number: u8, nat: Nat) -> Host {
        let client = self.client(&format!("lan{number}"));
        self.wire(&client, "eth0", number, nat).expect(POSSIBLE);
        self.go_by(&client, number);
        client
    }

    /// Somebody else at that household, on a network of the same router's that reaches the wan and not the house, as
    /// guests' do: a second client behind one address.
    pub(super) fn guest_of(&mut self, number: u8) -> Host {
        let client = self.client(&format!("guest{number}"));
        let router = self.host(&format!("nat{number}"));
        let guests = 100 + number;
        ip(&[
            "link",
            "add",
            "eth2",
            "netns",
            &router.namespace,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            &client.namespace,
        ])
        .expect(POSSIBLE);
        attach(&router.namespace, "eth2", &format!("10.0.{guests}.1/24")).expect(POSSIBLE);
        attach(&client.namespace, "eth0", &format!("10.0.{guests}.2/24")).expect(POSSIBLE);
        router.filter(&format!(
            "add rule ip household forward iifname eth2 oifname eth0 ip saddr 10.0.{guests}.0/24 accept"
        ));
        self.go_by(&client, guests);
        client
    }

    /// The same with a cable between the client and its router.
    pub(super) fn distant_client(&mut self, number: u8) -> (Host, Cable) {
        let client = self.client(&format!("lan{number}"));
        let router = self.router(number, Nat::Symmetric).expect(POSSIBLE);
        let cable = Cable::between((&client, "eth0"), (&router, "eth1"));
        attach(&router.namespace, "eth1", &format!("10.0.{number}.1/24")).expect(POSSIBLE);
        attach(&client.namespace, "eth0", &format!("10.0.{number}.2/24")).expect(POSSIBLE);
        self.go_by(&client, number);
        (client, cable)
    }

    /// A client with an interface to each of two households, `wlan0`, which it uses, and `wwan0`.
    pub(super) fn roaming_client(&mut self, uplinks: [u8; 2], nat: Nat) -> Roamer {
        let client = self.client(&format!("lan{}", uplinks[0]));
        for (device, number) in DEVICES.iter().zip(uplinks) {
            self.wire(&client, device, number, nat).expect(POSSIBLE);
        }
        self.go_by(&client, uplinks[0]);
        Roamer { host: client, uplinks, used: 0 }
    }

    /// From now on the roamer goes by its other uplink; what is on its way by the one it used is lost without a word.
    pub(super) fn roam(&self, roamer: &mut Roamer, change: Change) {
        let Roamer { host, uplinks, used } = roamer;
        let (left, next) = (uplinks[*used], uplinks[1 - *used]);
        self.block(left, EVERYTHING);
        self.unblock(next);
        if let Change::Noticed = change {
            let next = DEVICES[1 - *used];
            for (device, state) in [(DEVICES[*used], "down"), (next, "down"), (next, "up")] {
                ip(&["-n", &host.namespace, "link", "set", device, state]).expect(POSSIBLE);
            }
        }
        self.go_by(host, next);
        *used = 1 - *used;
    }

    /// From now on that client's router also drops what the nftables statements `rules` say, in both directions.
    pub(super) fn block(&self, number: u8, rules: &str) {
        let storm = format!(
            "table ip storm {{ chain forward {{ type filter hook forward priority -1; {rules} }}\n}}"
        );
        self.host(&format!("nat{number}")).filter(&storm);
    }

    /// Ends what `block` began, if it did.
    pub(super) fn unblock(&self, number: u8) {
        self.host(&format!("nat{number}")).filter("add table ip storm; delete table ip storm");
    }

    fn client(&mut self, part: &str) -> Host {
        self.namespace(part).expect(POSSIBLE);
        self.host(part)
    }

    fn go_by(&self, client: &Host, number: u8) {
        let gateway = format!("10.0.{number}.1");
        ip(&["-n", &client.namespace, "route", "replace", "default", "via", &gateway])
            .expect(POSSIBLE);
    }

    fn wire(&mut self, client: &Host, device: &str, number: u8, nat: Nat) -> Result<(), String> {
        let router = self.router(number, nat)?.namespace;
        ip(&[
            "link",
            "add",
            "eth1",
            "netns",
            &router,
            "type",
            "veth",
            "peer",
            "name",
            device,
            "netns",
            &client.namespace,
        ])?;
        attach(&router, "eth1", &format!("10.0.{number}.1/24"))?;
        attach(&client.namespace, device, &format!("10.0.{number}.2/24"))
    }

    /// eth0 is the wan, eth1 the house.
    fn router(&mut self, number: u8, nat: Nat) -> Result<Host, String> {
        let part = format!("nat{number}");
        self.on_wan(&part, [203, 0, 113, 20 + number].into())?;
        let router = self.host(&part);
        router.forwards()?;
        // Whoever uses the address of another link gets nowhere, as with any provider.
        let house = format!("10.0.{number}.0/24");
        let (inward, outward) = match nat {
            Nat::Symmetric => (String::new(), "masquerade fully-random"),
            Nat::Open => {
                (format!("iifname eth0 meta l4proto udp dnat to 10.0.{number}.2;"), "masquerade")
            }
        };
        router.filter(&format!(
            "table ip household {{
                chain forward {{ type filter hook forward priority 0; policy drop; iifname eth1 ip saddr {house} accept; ct state established,related accept; ct status dnat accept; }}
                chain inward {{ type nat hook prerouting priority dstnat; {inward} }}
                chain outward {{ type nat hook postrouting priority srcnat; oifname eth0 {outward}; }}
            }}"
        ));
        Ok(router)
    }
}

const POSSIBLE: &str = "the first namespace could be made, so can this";
