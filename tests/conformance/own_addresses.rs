//! RFC 8656 s21: what becomes of packets to ourselves, our listeners, our relayed addresses and our machine.

use hairpin_sim::client::{Client, Received};
use hairpin_sim::relay::{
    Astray, PORT, RELAY_PORTS, Relay, Relayed, SERVER_V4, SERVER_V6, config, own_addresses,
};
use hairpin_turn::{DropReason, Event, PeerAddr, PeerPolicy, RelayedAddr, Transport};

use super::{addr, allocated};

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
    // The simulation's peers are opened explicitly, which is another matter: these are public.
    with_another.own = with_another.own.with_machine(["8.8.8.0/30".parse().expect("a range")]);
    let mut relay = Relay::new(with_another);
    let mut client = Client::ann(1);
    client.allocate(&mut relay);
    // Listeners apart, what answers here is no business of our clients: such packets go over
    // loopback, and no firewall sees them.
    for ours in ["8.8.8.3:53", "203.0.113.1:53", "203.0.113.1:49999", "203.0.113.1:51000"] {
        assert_eq!(client.permit(&mut relay, &[addr(ours)]).error(), Some(403), "{ours}");
        assert_eq!(
            client.bind_channel(&mut relay, 0x4000, addr(ours)).error(),
            Some(403),
            "{ours}"
        );
    }
    // Next to it is somebody else.
    assert!(client.permit(&mut relay, &[addr("8.8.8.4:53")]).is_success());
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
    let later = addr("8.8.8.8:7000");
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
