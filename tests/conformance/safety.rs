//! RFC 8656 s21: what a relay must not be used for.

use std::num::NonZeroU32;

use hairpin_sim::client::{Client, build};
use hairpin_sim::relay::{Relay, config};
use hairpin_stun::{AttributeType, Class, Method, TransactionId};
use hairpin_turn::{DropReason, Event, PeerPolicy, Rules, Transport};

use super::addr;

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
