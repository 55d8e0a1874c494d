//! RFC 8656 s21: what a relay must not be used for, and what becomes of packets to ourselves.

use std::num::NonZeroU32;

use hairpin_sim::client::{Client, Received, build};
use hairpin_sim::relay::{
    Astray, PORT, RELAY_PORTS, Relay, Relayed, SERVER_V4, SERVER_V6, config, own_addresses,
};
use hairpin_stun::{AttributeType, Class, Method, TransactionId};
use hairpin_turn::{DropReason, Event, PeerAddr, PeerPolicy, RelayedAddr, Rules, Transport};

use super::{addr, allocated, peer};

/// A relay whose peers nobody has configured.
fn unconfigured() -> Relay {
    let mut config = config();
    config.rules.policy = PeerPolicy::default();
    Relay::new(config)
}

/// What permission for a peer of either family is answered.
fn permission(relay: &mut Relay, ip: &str) -> Option<u16> {
    let peer = (ip.parse::<std::net::IpAddr>().expect(ip), 7000).into();
    let mut client = Client::ann(1);
    if std::net::SocketAddr::is_ipv4(&peer) {
        client.allocate(relay);
    } else {
        client.allocate_v6(relay);
    }
    let error = client.permit(relay, &[peer]).error();
    client.refresh(relay, 0);
    error
}

/// Two clients that have permission for each other's relayed address.
fn pair() -> (Relay, [(Client, RelayedAddr); 2]) {
    let mut relay = Relay::default();
    let (mut ann, mut bob) = (Client::ann(1), Client::bob(2));
    let (anns, bobs) = (ann.allocate(&mut relay), bob.allocate(&mut relay));
    assert!(ann.permit(&mut relay, &[bobs.0]).is_success());
    assert!(bob.permit(&mut relay, &[anns.0]).is_success());
    relay.forget();
    (relay, [(ann, anns), (bob, bobs)])
}

#[test]
fn c160_6to4_and_teredo_peers_are_refused() {
    let mut relay = unconfigured();
    for ip in ["2002:808:808::1", "2002:c633:6401::1", "2001:0:1:2::3", "2001::f7f7:f7f7"] {
        assert_eq!(permission(&mut relay, ip), Some(403), "{ip}");
    }
}

#[test]
fn c161_inward_addresses_are_refused_in_every_spelling() {
    let mut relay = unconfigured();
    for v4 in [
        "0.0.0.0",
        "0.255.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.1",
        "192.88.99.2",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        assert_eq!(permission(&mut relay, v4), Some(403), "{v4}");
        let [a, b, c, d] = v4.parse::<std::net::Ipv4Addr>().expect(v4).octets();
        let hex = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
        let inverted = format!("{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d);
        for v6 in [
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("2002:{hex}::1"),
            format!("2001:0:1:2:3:4:{inverted}"),
            format!("2a00:1::5efe:{v4}"),
            format!("2a00:1::200:5efe:{v4}"),
        ] {
            assert_eq!(permission(&mut relay, &v6), Some(403), "{v6}");
        }
    }
    for v6 in [
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "fc00::1",
        "fdff::1",
        "ff02::1",
        "ffff::1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1:2::1",
        "::ffff:8.8.8.8",
        "100::1",
        "100:0:0:1::1",
        "2001:1::1",
        "2001:2::1",
        "2001:2:0:ffff::1",
        "2001:5::1",
        "2001:10::1",
        "2001:1f:ffff::1",
        "2001:1ff:ffff::1",
        "2001:db8:0:1::1",
        "2001:db8:ffff:ffff::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "5f00::1",
    ] {
        assert_eq!(permission(&mut relay, v6), Some(403), "{v6}");
    }
    for public in [
        "8.8.8.8",
        "168.63.129.15",
        "192.0.1.1",
        "192.0.3.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.98.1",
        "192.175.48.1",
        "198.51.99.1",
        "203.0.114.1",
        "2001:3::1",
        "2001:4:112::1",
        "2001:20::1",
        "2001:3f:ffff::1",
        "2001:200::1",
        "2001:db9::1",
        "2606:4700::1111",
        "2620:4f:8000::1",
        "3ffe::1",
        "3fff:1000::1",
    ] {
        assert_eq!(permission(&mut relay, public), None, "{public}");
    }
}

#[test]
fn c161_only_an_explicit_allow_opens_them() {
    let mut open = config();
    let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
    open.rules.policy = PeerPolicy::new(ranges(&["10.1.0.0/16", "fd00::/8"]), ranges(&["8.8.8.8"]));
    let mut relay = Relay::new(open);
    for (ip, error) in [
        ("10.1.2.3", None),
        ("10.2.0.1", Some(403)),
        ("fd00::1", None),
        ("fc00::1", Some(403)),
        ("8.8.8.8", Some(403)),
        ("8.8.4.4", None),
    ] {
        assert_eq!(permission(&mut relay, ip), error, "{ip}");
    }
}

#[test]
fn c162_our_own_listeners_are_refused_as_peers() {
    let (mut relay, mut client, _) = allocated();
    let listener = (SERVER_V4, PORT).into();
    assert_eq!(client.permit(&mut relay, &[listener]).error(), Some(403));
    assert_eq!(client.bind_channel(&mut relay, 0x4000, listener).error(), Some(403));
    // A permission ignores the port, so another port of ours opens the IP; the listener stays shut.
    assert!(client.permit(&mut relay, &[addr("203.0.113.1:50999")]).is_success());
    relay.forget();
    client.send(&mut relay, listener, b"nested");
    assert_eq!(relay.events, [Event::Dropped(DropReason::PeerDenied)]);
    assert!(relay.to_peers.is_empty() && relay.astray.is_empty());
    // Not even where its address was opened explicitly, nor in another spelling.
    let mut open = config();
    open.rules.policy = PeerPolicy::new(vec![SERVER_V4.into()], vec![]);
    let mut relay = Relay::new(open);
    client.allocate(&mut relay);
    assert_eq!(client.permit(&mut relay, &[listener]).error(), Some(403));
    let mut client = Client::ann(2);
    client.allocate_v6(&mut relay);
    let mapped = addr("[::ffff:203.0.113.1]:3478");
    assert_eq!(client.permit(&mut relay, &[mapped]).error(), Some(403));
}

#[test]
fn c162_our_own_relayed_addresses_are_reached_in_process() {
    let (mut relay, [(mut ann, anns), (mut bob, bobs)]) = pair();
    ann.send(&mut relay, bobs.0, b"hello");
    assert_eq!(bob.receive(&mut relay), Some(Received::data(anns.0, b"hello")));
    bob.bind_channel(&mut relay, 0x4001, anns.0);
    ann.bind_channel(&mut relay, 0x4002, bobs.0);
    ann.send_channel(&mut relay, 0x4002, b"hello");
    assert_eq!(bob.receive(&mut relay), Some(Received::channel(0x4001, b"hello")));
    bob.send(&mut relay, anns.0, b"hello");
    assert_eq!(ann.receive(&mut relay), Some(Received::channel(0x4002, b"hello")));
    assert_eq!(relay.hairpins, 3);
    assert!(relay.to_peers.is_empty() && relay.astray.is_empty());
}

#[test]
fn c162_a_hairpin_needs_both_permissions() {
    let (mut relay, mut ann, _) = allocated();
    let mut bob = Client::bob(2);
    let bobs = bob.allocate(&mut relay);
    relay.forget();
    ann.send(&mut relay, bobs.0, b"hello");
    ann.permit(&mut relay, &[bobs.0]);
    ann.send(&mut relay, bobs.0, b"hello");
    assert_eq!(relay.received(&bob.tuple), None);
    assert_eq!(
        relay.events,
        [DropReason::NoPermission, DropReason::NoPermission].map(Event::Dropped)
    );
    assert!(relay.to_peers.is_empty());
}

#[test]
fn c162_a_hairpin_between_transports_has_the_room_it_needs() {
    let mut relay = Relay::default();
    let mut ann = Client::new(1, Transport::Tcp, "ann", "ann's password");
    let mut bob = Client::new(2, Transport::Tcp, "bob", "bob's password");
    let (anns, bobs) = (ann.allocate(&mut relay), bob.allocate(&mut relay));
    ann.bind_channel(&mut relay, 0x4000, bobs.0);
    bob.permit(&mut relay, &[anns.0]);
    for data in [&b"d"[..], b"da", b"dat", b"data"] {
        ann.send_channel(&mut relay, 0x4000, data);
        assert_eq!(bob.receive(&mut relay), Some(Received::data(anns.0, data)));
        bob.send(&mut relay, anns.0, data);
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        let data = data.to_vec();
        let received = ann.receive(&mut relay);
        assert_eq!(received, Some(Received::Channel { number: 0x4000, data, padding }));
    }
}

#[test]
fn c162_a_client_may_talk_to_itself_once_around() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[relayed.0]);
    client.send(&mut relay, relayed.0, b"echo");
    assert_eq!(client.receive(&mut relay), Some(Received::data(relayed.0, b"echo")));
    assert_eq!(client.receive(&mut relay), None);
}

#[test]
fn c162_an_address_of_another_shard_is_handed_over() {
    let mut other_shard = config();
    other_shard.own = own_addresses(&[SERVER_V4, SERVER_V6], 50_500..=50_999);
    let (mut here, mut there) = (Relay::default(), Relay::new(other_shard));
    // It allocates other ports than the first, but knows them all to be ours.
    there.server.set_own_addresses(config().own.into());
    let (mut ann, mut bob) = (Client::ann(1), Client::bob(2));
    let (anns, bobs) = (ann.allocate(&mut here), bob.allocate(&mut there));
    ann.permit(&mut here, &[bobs.0]);
    bob.permit(&mut there, &[anns.0]);

    ann.send(&mut here, bobs.0, b"hello");
    let payload = b"hello".to_vec();
    let packet = Astray { from: anns, to: bobs, may_leave: false, payload };
    assert_eq!(here.astray, std::slice::from_ref(&packet));
    there.shard_sends(&packet);
    assert_eq!(bob.receive(&mut there), Some(Received::data(anns.0, b"hello")));
    assert_eq!(there.hairpins, 1);

    there.forget();
    there.shard_sends(&Astray { to: RelayedAddr(addr("203.0.113.1:50900")), ..packet });
    assert_eq!(there.events, [Event::Dropped(DropReason::NoAllocation)]);
}

#[test]
fn c162_a_private_relay_address_is_reached_in_process_and_no_other_way() {
    let mut private = config();
    private.own = own_addresses(&[SERVER_V4, addr("192.168.1.5:0").ip()], RELAY_PORTS);
    let mut relay = Relay::new(private);
    let mut client = Client::ann(1);
    client.allocate(&mut relay);
    assert!(client.permit(&mut relay, &[addr("192.168.1.5:50001")]).is_success());
    relay.forget();
    client.send(&mut relay, addr("192.168.1.5:50001"), b"hello");
    assert_eq!(relay.astray.len(), 1);
    assert!(!relay.astray[0].may_leave, "no shard has it, and nobody else may");
    client.send(&mut relay, addr("192.168.1.5:22"), b"hello");
    assert_eq!(relay.events, [Event::Dropped(DropReason::PeerDenied)], "no relay port");
    assert!(relay.to_peers.is_empty());
}

#[test]
fn c189_our_own_addresses_are_no_peers_however_public() {
    let mut with_another = config();
    with_another.own = with_another.own.with_machine(["198.51.100.0/30".parse().expect("a range")]);
    let mut relay = Relay::new(with_another);
    let mut client = Client::ann(1);
    client.allocate(&mut relay);
    // Listeners apart, what answers here is no business of our clients: such packets go over
    // loopback, and no firewall sees them.
    for ours in ["198.51.100.3:53", "203.0.113.1:53", "203.0.113.1:49999", "203.0.113.1:51000"] {
        assert_eq!(client.permit(&mut relay, &[addr(ours)]).error(), Some(403), "{ours}");
        assert_eq!(
            client.bind_channel(&mut relay, 0x4000, addr(ours)).error(),
            Some(403),
            "{ours}"
        );
    }
    // Next to it is somebody else.
    assert!(client.permit(&mut relay, &[addr("198.51.100.4:53")]).is_success());
    // A permission has no port: that for a relayed address, live or not, opens the IP address, and
    // nothing on it but what is alive.
    assert!(client.permit(&mut relay, &[addr("203.0.113.1:50999")]).is_success());
    assert!(client.permit(&mut relay, &[addr("203.0.113.1:0")]).is_success());
    relay.forget();
    client.send(&mut relay, addr("203.0.113.1:53"), b"hello");
    assert_eq!(relay.events, [Event::Dropped(DropReason::PeerDenied)]);
    client.send(&mut relay, addr("203.0.113.1:50999"), b"hello");
    assert!(!relay.astray[0].may_leave, "if no shard has it, nobody gets it");
    assert!(relay.to_peers.is_empty());
}

#[test]
fn c189_an_explicit_allow_opens_what_else_runs_on_our_addresses() {
    let mut open = config();
    open.own = open.own.with_machine(["198.51.100.7".parse().expect("an address is a range")]);
    let ranges = ["203.0.113.0/24", "198.51.100.7"].map(|text| text.parse().expect(text));
    open.rules.policy = PeerPolicy::new(ranges.into(), vec![]);
    let mut relay = Relay::new(open);
    let mut client = Client::ann(1);
    let relayed = client.allocate(&mut relay);
    for ours in ["203.0.113.1:8080", "198.51.100.7:53"].map(addr) {
        assert!(client.permit(&mut relay, &[ours]).is_success());
        client.send(&mut relay, ours, b"hello");
        let sent = Relayed { from: relayed, to: PeerAddr(ours), payload: b"hello".to_vec() };
        assert_eq!(relay.take_relayed(), [sent]);
    }
    client.send(&mut relay, addr("203.0.113.1:50999"), b"hello");
    assert!(relay.astray[0].may_leave, "no shard has it, and a program of ours may");
}

#[test]
fn c189_an_address_that_comes_up_later_is_ours_from_then_on() {
    let (mut relay, mut client, relayed) = allocated();
    let later = peer(9);
    assert!(client.bind_channel(&mut relay, 0x4000, later).is_success());
    client.send_channel(&mut relay, 0x4000, b"hello");
    let sent = Relayed { from: relayed, to: PeerAddr(later), payload: b"hello".to_vec() };
    assert_eq!(relay.take_relayed(), [sent]);

    let own = own_addresses(&[SERVER_V4, SERVER_V6], RELAY_PORTS);
    relay.server.set_own_addresses(own.with_machine([later.ip().into()]).into());
    relay.forget();
    client.send_channel(&mut relay, 0x4000, b"hello");
    client.send(&mut relay, later, b"hello");
    assert_eq!(relay.events, [DropReason::PeerDenied; 2].map(Event::Dropped));
    assert!(relay.to_peers.is_empty());
    assert_eq!(client.permit(&mut relay, &[later]).error(), Some(403));
}

#[test]
fn packets_that_no_answer_can_reach_are_dropped() {
    let bytes = build(Class::Request, Method::BINDING, TransactionId([1; 12]), |_| {});
    for source in ["192.0.2.1:0", "203.0.113.1:3478"] {
        let mut relay = Relay::default();
        let mut client = Client::ann(1);
        client.tuple.client = addr(source);
        assert_eq!(client.exchange(&mut relay, &bytes), None, "{source}");
        assert_eq!(relay.events, [Event::Dropped(DropReason::Unexpected)]);
    }
}

/// A source can be forged: what is sent to it is little more than what a server must say.
#[test]
fn answers_to_strangers_are_short_and_say_nothing_of_us() {
    let mut config = config();
    config.rules.realm = Rules::default().realm;
    let mut relay = Relay::new(config);
    let bare = |method| build(Class::Request, method, TransactionId([1; 12]), |_| {});
    for (method, most) in [(Method::ALLOCATE, 70), (Method::REFRESH, 70), (Method::BINDING, 32)] {
        let request = bare(method);
        assert_eq!(request.len(), 20);
        let response = Client::ann(1).exchange(&mut relay, &request).expect("a request");
        assert!(response.0.len() <= most, "{} bytes", response.0.len());
        if method != Method::BINDING {
            let code = response.get(AttributeType::ERROR_CODE);
            assert_eq!(code, Some(&[0, 0, 4, 1][..]), "no reason phrase");
        }
        assert!(!response.has(AttributeType::SOFTWARE));
    }
}

/// Whoever forges a victim's address has it answered so often and no more.
#[test]
fn strangers_are_answered_at_a_rate_over_udp_and_others_are_not_held_up() {
    let mut config = config();
    config.rules.unauthenticated_answers_per_second = NonZeroU32::new(5);
    let mut relay = Relay::new(config);
    let mut known = Client::ann(1);
    known.allocate(&mut relay);
    let mut stranger = Client::bob(1);
    stranger.tuple.client.set_port(9);
    let bare = |method| build(Class::Request, method, TransactionId([1; 12]), |_| {});
    let requests = [bare(Method::ALLOCATE), bare(Method::BINDING), bare(Method::REFRESH)];
    let answers = |relay: &mut Relay, client: &Client| {
        relay.forget();
        let sent = requests.iter().cycle().take(300);
        let answered = sent.filter(|bytes| client.exchange(relay, bytes).is_some()).count();
        let drop = Event::Dropped(DropReason::AnswerLimit);
        let dropped = relay.events.iter().filter(|event| **event == drop).count();
        assert_eq!(answered + dropped, 300);
        answered
    };
    assert_eq!(answers(&mut relay, &stranger), 19, "four seconds' worth, less Ann's challenge");
    relay.advance_secs(1);
    assert_eq!(answers(&mut relay, &stranger), 5);
    // Neither who is known behind the same address, nor another address, nor a stream.
    assert!(known.refresh(&mut relay, 600).is_success());
    assert_eq!(answers(&mut relay, &Client::bob(2)), 20);
    stranger.tuple.transport = Transport::Tcp;
    assert_eq!(answers(&mut relay, &stranger), 300);
}
