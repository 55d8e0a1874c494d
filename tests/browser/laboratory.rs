//! The laboratory itself: what the scenarios count on is tried before they do.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::cable::Quality;
use super::driver::Browser;
use super::front::{PUBLIC, SERVERS};
use super::household::{Change, Nat, WEBSOCKET};
use super::netns::{Host, SERVER};
use super::server::{NONE, Server};
use super::{World, wait_until};

/// Long enough for anything that comes at all, over a wire.
const SILENCE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_cable_has_a_length_and_can_be_cut() {
    let Some(mut world) = World::new().await else { return };
    let (client, cable) = world.network.distant_client(1);
    let page = SocketAddr::from((SERVER, 8080));
    let there_and_back = || {
        let since = Instant::now();
        client.connect(page).map(|_| since.elapsed())
    };
    // The devices need a moment until both are open.
    wait_until("the cable carries", async || there_and_back().is_ok()).await;
    let short = there_and_back().expect("nothing is lost");
    cable.becomes(Quality { delay: Duration::from_millis(100), loss: 0.0 });
    let long = there_and_back().expect("nothing is lost");
    println!("a round trip takes {short:?}, and {long:?} with 100 ms each way");
    assert!(short < Duration::from_millis(100), "{short:?}");
    assert!((Duration::from_millis(200)..Duration::from_millis(500)).contains(&long), "{long:?}");

    cable.becomes(Quality { loss: 1.0, ..Quality::default() });
    let error = there_and_back().expect_err("it was cut");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "nobody says so");
    cable.becomes(Quality::default());
    there_and_back().expect("it was mended");
}

#[tokio::test]
async fn who_roams_has_another_address_and_the_old_one_is_silent() {
    let Some(mut world) = World::new().await else { return };
    for (change, wifi, mobile) in [(Change::Noticed, 1, 2), (Change::Unnoticed, 3, 4)] {
        let mut client = world.network.roaming_client([wifi, mobile], Nat::Symmetric);
        let mut before = Connection::between(&client.host, &world.network.server(), SERVER);
        assert_eq!(before.seen_from, Ipv4Addr::new(203, 0, 113, 20 + wifi));
        assert!(before.carries());

        world.network.roam(&mut client, change);
        let mut after = Connection::between(&client.host, &world.network.server(), SERVER);
        assert_eq!(after.seen_from, Ipv4Addr::new(203, 0, 113, 20 + mobile));
        assert!(after.carries());
        assert!(!before.carries(), "neither data nor an error gets through");
    }
}

#[tokio::test]
async fn a_websocket_can_be_cut_alone() {
    let Some(mut world) = World::new().await else { return };
    let client = world.network.natted_client(1);
    let reaches = |port: u16| client.connect((SERVER, port).into()).is_ok();
    world.network.block(1, WEBSOCKET);
    assert!(!reaches(8080) && reaches(3478));
    world.network.unblock(1);
    assert!(reaches(8080));
}

#[tokio::test]
async fn a_second_server_takes_over_what_is_new() {
    let Some(mut world) = World::new().await else { return };
    let [first, second] = world.network.two_servers();
    let client = world.network.natted_client(1);
    let listener = listener(&first, SERVERS[0], 0);
    let port = listener.local_addr().expect("it is bound").port();
    let mut before = Connection::to(&client, &listener, PUBLIC);
    assert!(before.carries());

    let listener = self::listener(&second, SERVERS[1], port);
    world.network.goes_to(SERVERS[1]);
    let mut after = Connection::to(&client, &listener, PUBLIC);
    assert!(after.carries() && before.carries());
    assert_eq!(before.seen_from, Ipv4Addr::new(203, 0, 113, 21));
    assert_eq!(after.seen_from, before.seen_from);
}

#[tokio::test]
async fn a_server_that_is_stopped_leaves_its_place_to_another() {
    let Some(mut world) = World::new().await else { return };
    let hosts = world.network.two_servers();
    let client = world.network.natted_client(1);
    let reaches = || client.connect((PUBLIC, 8080).into()).is_ok();
    let [first, second] = hosts;
    let mut first = Server::start_on(first, SERVERS[0], NONE).await;
    assert!(reaches());
    let _second = Server::start_on(second, SERVERS[1], NONE).await;
    world.network.goes_to(SERVERS[1]);
    first.terminate();
    wait_until("the first has ended", async || first.has_ended()).await;
    assert!(reaches());
}

#[tokio::test]
async fn a_duplicated_tab_begins_with_a_copy_of_what_the_tab_keeps() {
    let Some(mut world) = World::new().await else { return };
    let host = world.network.open_client("ada", 31);
    let mut browser = Browser::launch(&host, &[]).await;
    browser.open(&world.server.page()).await;
    browser.eval("sessionStorage.setItem('seat', 'hers')").await;
    let chromium = browser.chromium();
    chromium.open_tab_by("void open(location.href)").await;
    let copy = "sessionStorage.getItem('seat') === 'hers'";
    wait_until("the copy", async || chromium.eval(copy).await == true).await;
    chromium.eval("sessionStorage.setItem('seat', 'the copy’s')").await;
    chromium.turn_to(0);
    assert_eq!(chromium.eval(copy).await, true, "each tab has its own");
}

/// Both ends of a TCP connection.
struct Connection {
    seen_from: IpAddr,
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn between(client: &Host, server: &Host, address: Ipv4Addr) -> Self {
        Self::to(client, &listener(server, address, 0), address)
    }

    fn to(client: &Host, listener: &TcpListener, address: Ipv4Addr) -> Self {
        let port = listener.local_addr().expect("it is bound").port();
        let client = client.connect((address, port).into()).expect("there is a path");
        let (server, from) = listener.accept().expect("a connection was made");
        for end in [&client, &server] {
            end.set_read_timeout(Some(SILENCE)).expect("it is not zero");
        }
        Self { seen_from: from.ip(), client, server }
    }

    /// Whether bytes arrive, either way. An error that does is a test's end: it is not silence.
    fn carries(&mut self) -> bool {
        let ends = [(&self.client, &self.server), (&self.server, &self.client)];
        let arrived = ends.map(|(mut from, mut to)| {
            from.write_all(b"!").expect("nobody has said that the connection is gone");
            match to.read(&mut [0]) {
                Ok(length) => length == 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(error) => panic!("{error}"),
            }
        });
        assert_eq!(arrived[0], arrived[1], "one way alone is not what the laboratory makes");
        arrived[0]
    }
}

fn listener(host: &Host, address: Ipv4Addr, port: u16) -> TcpListener {
    host.run(move || TcpListener::bind((address, port))).expect("the port is free there")
}
