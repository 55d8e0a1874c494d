//! A server with a name and a certificate, and networks that let little through.

use super::authority::{Acme, Authority, trust};
use super::counters::stop_frees_everything;
use super::driver::{Browser, Kind};
use super::household::{ALL_BUT_443, ALL_BUT_TLS, Nat};
use super::netns::{Host, SERVER, SERVER_V6};
use super::person::Person;
use super::scenarios::{FRAMES, find_each_other, settles};
use super::shared_port::{SHARE, THREE_PORTS};
use super::{World, wait_until};

/// What the server is called; it has no certificate for its address.
const NAME: &str = "call.example.test";

/// Chromium asks nobody whether a page may use the camera, and has one to show.
const CAMERA: &str = "--use-fake-ui-for-media-stream";

/// Pictures small enough for several codecs on a small machine.
const SMALL: &str = "(ask => {
    const small = { width: 320, height: 180, frameRate: 15 };
    navigator.mediaDevices.getUserMedia = wish => ask(wish.video ? { ...wish, video: small } : wish);
})(navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices))";

/// What a browser says that cannot use the relay over TLS.
const RELAY_FAILURE: &str = "new Promise(resolve => {
    const iceServers = [{ urls: 'turns:NAME:443?transport=tcp', username: 'a', credential: 'b' }];
    const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
    pc.onicecandidateerror = ({ url, errorText }) => resolve({ url, errorText });
    pc.createDataChannel('any');
    pc.setLocalDescription();
})";

/// A world whose server has a certificate, and by whom it is known.
pub(super) async fn secure_world(flags: &[&str]) -> Option<(World, String)> {
    let authority = Authority::new();
    let world = World::prepared(|network| {
        let mut all = authority.flags(NAME, &network.server().home);
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        all
    });
    Some((world.await?, authority.pem()))
}

/// The same with a certificate that the server has got itself.
async fn certified_world() -> Option<(World, String, Acme)> {
    let mut acme = None;
    let world =
        World::prepared(|network| acme.insert(Acme::start(network.server(), NAME)).flags(NAME));
    let world = world.await?;
    let acme = acme?;
    let issued = async || world.server.metrics().get("hairpin_certificates_issued_total") == 1.0;
    wait_until("a certificate", issued).await;
    let root = acme.pem().await;
    Some((world, root, acme))
}

/// Makes the server known to a host's browsers, and trusted.
pub(super) fn introduce(host: Host, root: &str) -> Host {
    host.knows(NAME, SERVER.into());
    trust(&host, root);
    host
}

fn household(world: &mut World, root: &str, number: u8) -> Host {
    introduce(world.network.wired_client(number, Nat::Symmetric), root)
}

async fn arrive(kind: Kind, host: &Host) -> Person {
    let page = format!("https://{NAME}/");
    let mut person = match kind {
        Kind::Chromium => Person::arrive(host, &page, &[CAMERA]).await,
        Kind::Firefox => Person::arrive_by(kind, host, &page).await,
    };
    person.browser.eval(SMALL).await;
    person
}

/// Both on the page: Chromium at the first host, and Firefox at the second.
pub(super) async fn chromium_and_firefox(one: &Host, two: &Host) -> (Person, Person) {
    tokio::join!(arrive(Kind::Chromium, one), arrive(Kind::Firefox, two))
}

#[tokio::test]
async fn port_443_and_a_certificate_it_got_itself_carry_a_call() {
    let Some((mut world, root, _acme)) = certified_world().await else { return };
    let [one, two] = [1, 2].map(|number| household(&mut world, &root, number));
    for number in [1, 2] {
        world.network.block(number, ALL_BUT_443);
    }
    let (mut ada, mut bob) = chromium_and_firefox(&one, &two).await;
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
        let relayed = |transport: &str| matches!(transport, "tcp" | "tls");
        settles(person, "the relay's port 443", |call| {
            call.local.kind == "relay" && relayed(&call.transport)
        })
        .await;
        person.sees_video(FRAMES).await;
    }
    // The page is secure: what it sends is the camera, and there is nothing to excuse.
    let sources = "document.getElementById('local').srcObject.getTracks().map(track => track.label).sort().join()";
    let sources = ada.browser.eval(sources).await;
    let labels = sources.as_str().expect("a text");
    assert!(labels.contains("fake_device_0") && labels.contains("Fake"), "{labels}");
    assert!(ada.browser.holds("document.getElementById('notice').hidden").await);
    stop_frees_everything(&world, &mut ada, &mut bob).await;

    // The same by the port that served the page, where nothing but TLS passes.
    for number in [1, 2] {
        world.network.unblock(number);
        world.network.block(number, ALL_BUT_TLS);
    }
    call_over_tls(&mut ada, &mut bob).await;
    stop_frees_everything(&world, &mut ada, &mut bob).await;

    // And once more where the server has but three ports; it has kept its certificate.
    has_three_ports(&mut world).await;
    call_over_tls(&mut ada, &mut bob).await;
}

async fn call_over_tls(ada: &mut Person, bob: &mut Person) {
    find_each_other(ada, bob).await;
    for person in [ada, bob] {
        settles(person, "TLS", |call| call.local.kind == "relay" && call.transport == "tls").await;
        person.sees_video(FRAMES).await;
    }
}

/// From now on all relaying goes by one UDP port, and the server's firewall knows that.
async fn has_three_ports(world: &mut World) {
    world.network.server().filter(THREE_PORTS);
    world.server.restart_with_more(&SHARE).await;
}

#[tokio::test]
async fn who_has_ipv6_alone_meets_who_has_ipv4_alone() {
    let Some((mut world, root)) = secure_world(&[]).await else { return };
    world.network.speaks_v6();
    let one = world.network.v6_client("six", 61);
    one.knows(NAME, SERVER_V6.into());
    trust(&one, &root);
    let two = household(&mut world, &root, 2);
    let (mut ada, mut bob) = chromium_and_firefox(&one, &two).await;
    call_by_a_relay(&mut ada, &mut bob).await;
    stop_frees_everything(&world, &mut ada, &mut bob).await;

    has_three_ports(&mut world).await;
    call_by_a_relay(&mut ada, &mut bob).await;
}

async fn call_by_a_relay(ada: &mut Person, bob: &mut Person) {
    find_each_other(ada, bob).await;
    for person in [ada, bob] {
        settles(person, "a relayed pair", |call| call.path == "relayed").await;
        person.sees_video(FRAMES).await;
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_called_that() {
    let Some((mut world, _)) = secure_world(&[]).await else { return };
    let host = world.network.open_client("open", 31);
    host.knows(NAME, SERVER.into());
    let mut browser = Browser::launch(&host, &[]).await;
    let error = browser.chromium().cannot_open(&format!("https://{NAME}/")).await;
    assert_eq!(error, "net::ERR_CERT_AUTHORITY_INVALID");

    // And a page from elsewhere learns of the relay what it tells its visitor.
    browser.open(&world.server.page()).await;
    let failure = browser.eval(&RELAY_FAILURE.replace("NAME", NAME)).await;
    println!("Chromium says of a relay that nobody vouches for: {failure}");
    assert_eq!(failure["url"], format!("turns:{NAME}:443?transport=tcp"));
    assert!(failure["errorText"].as_str().is_some_and(|text| !text.is_empty()), "{failure}");
}
