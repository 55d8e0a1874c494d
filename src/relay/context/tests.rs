//! Ports, reservations and quotas over real sockets of loopback.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use hairpin_turn::{Network, Quotas};

use super::super::ports::RelayIp;
use super::*;

#[test]
fn the_one_port_that_other_programs_leave_is_found_and_so_is_what_they_give_back() {
    // An address of loopback's that nobody else uses: its ports are all free.
    let [x, y] = rand::random::<[u8; 2]>();
    let ip = IpAddr::from(Ipv4Addr::new(127, 77, x, y));
    let ports = 20_000..=20_299;
    let mut held: Vec<_> = ports.clone().map(|port| UdpSocket::bind((ip, port))).collect();
    drop(held.remove(217));
    let relay_ip = RelayIp { bind: ip, advertised: ip };
    let ports = PortTable::new(&[relay_ip], ports);
    let context =
        RelayContext::new(ports, QuotaLedger::new(Quotas::default(), 300), Budgets::plenty());
    let wanted = Wanted { port: WantedPort::Any, ..PAIR };
    let owner = Owner { user: User::Rest("ann".into()), network: Network::of(ip) };
    let bind = || context.bind(0, wanted, &owner);

    let RelayPort { claim, socket: first, .. } = bind().expect("one is free");
    assert_eq!(context.ports.local(claim).port(), 20_217);
    assert_eq!(bind().map(drop), Err(BindError::Capacity));
    drop(held.remove(3));
    // Of 299 ports set aside each Allocate tries 64 again.
    let found = (0..5).find_map(|_| bind().ok());
    let second = found.expect("a program has given one back");
    let second = second.socket.local_addr().expect("bound").as_socket();
    assert_eq!(second.map(|address| address.port()), Some(20_003));
    drop(first);
    context.ports.release(claim);
    bind().expect("ours has come back");
}

fn owner(id: &str, host: u8) -> Owner {
    Owner { user: User::Rest(id.into()), network: Network::of([192, 0, 2, host].into()) }
}

const PAIR: Wanted =
    Wanted { transport: RelayTransport::Udp, family: Family::V4, port: WantedPort::EvenWithNext };

fn reserved(token: ReservationToken) -> Wanted {
    Wanted { port: WantedPort::Reserved(token), ..PAIR }
}

/// One pair of ports on an address of loopback's that nobody else uses.
fn context_of_a_pair(quotas: Quotas) -> RelayContext {
    let [x, y] = rand::random::<[u8; 2]>();
    let ip = IpAddr::from(Ipv4Addr::new(127, 79, x, y));
    let ports = PortTable::new(&[RelayIp { bind: ip, advertised: ip }], 20_000..=20_001);
    RelayContext::new(ports, QuotaLedger::new(quotas, 300), Budgets::plenty())
}

#[test]
fn of_two_pairs_the_one_is_had_whose_ports_are_both_free() {
    // Which is tried first is chance.
    for _ in 0..8 {
        let [x, y] = rand::random::<[u8; 2]>();
        let ip = IpAddr::from(Ipv4Addr::new(127, 80, x, y));
        let _held = UdpSocket::bind((ip, 20_001)).expect("nobody has it");
        let ports = PortTable::new(&[RelayIp { bind: ip, advertised: ip }], 20_000..=20_003);
        let ledger = QuotaLedger::new(Quotas::default(), 300);
        let context = RelayContext::new(ports, ledger, Budgets::plenty());
        let port = context.bind(0, PAIR, &owner("ann", 1)).expect("the other pair is free");
        assert_eq!(context.ports.local(port.claim).port(), 20_002);
    }
}

#[test]
fn a_next_port_that_another_program_holds_counts_for_nobody() {
    let context = context_of_a_pair(Quotas::default());
    let ann = owner("ann", 1);
    let any = Wanted { port: WantedPort::Even, ..PAIR };
    let even = context.bind(0, any, &ann).expect("it is free");
    let next = context.ports.local(context.ports.next(even.claim));
    let _held = UdpSocket::bind(next).expect("nobody has it");
    context.ports.release(even.claim);
    drop(even);
    context.release_quota(&ann);
    assert_eq!(context.bind(0, PAIR, &ann).err(), Some(BindError::Capacity));
    assert_eq!(context.quotas().total(), 0);
}

#[test]
fn c074_c075_a_reserved_port_is_bound_its_users_and_handed_out_once() {
    let context = context_of_a_pair(Quotas { user: Some(2), ..Quotas::default() });
    let (ann, bob) = (owner("ann", 1), owner("bob", 1));
    let first = context.bind(0, PAIR, &ann).expect("the pair is free");
    let token = first.reserved.expect("the next one is held");
    let next = context.ports.local(context.ports.next(first.claim));
    UdpSocket::bind(next).expect_err("it is bound for whoever claims it");
    assert_eq!(context.bind(0, PAIR, &ann).err(), Some(BindError::UserQuota), "it counts");
    assert_eq!(context.bind(1, reserved(token), &bob).err(), Some(BindError::Capacity));
    let ann_elsewhere = owner("ann", 2);
    let second = context.bind(1, reserved(token), &ann_elsewhere).expect("it is hers");
    assert_eq!(second.socket.local_addr().expect("bound"), next.into());
    let holder = context.ports.owner(context.ports.relayed(second.claim));
    assert_eq!(holder.map(|(worker, _)| worker), Some(1));
    assert_eq!(context.bind(1, reserved(token), &ann).err(), Some(BindError::Capacity));
    assert_eq!(context.quotas().held(&ann.user), 2);
    context.release_quota(&ann);
    context.release_quota(&ann_elsewhere);
    assert_eq!(context.quotas().total(), 0);
}

#[test]
fn c083_a_reservation_is_held_for_thirty_seconds_and_comes_back_if_nobody_claims_it() {
    let context = context_of_a_pair(Quotas::default());
    let ann = owner("ann", 1);
    let first = context.bind(0, PAIR, &ann).expect("the pair is free");
    let token = first.reserved.expect("the next one is held");
    let any = Wanted { port: WantedPort::Any, ..PAIR };
    let at = |seconds| context.started + Duration::from_secs(seconds);
    assert_eq!(context.bind_at(at(30), 0, any, &ann).err(), Some(BindError::Capacity));
    assert_eq!(context.bind_at(at(60), 0, reserved(token), &ann).err(), Some(BindError::Capacity));
    assert_eq!(context.quotas().total(), 1);
    assert!(context.bind_at(at(60), 0, any, &ann).is_ok());
}
