//! A server with a name and a certificate, and networks that let little through.

use super::World;
use super::authority::Authority;
use super::driver::{Browser, Kind};
use super::household::{ALL_BUT_443, ALL_BUT_TLS, Nat};
use super::netns::{Host, SERVER, SERVER_V6};
use super::person::Person;
use super::scenarios::{FRAMES, find_each_other, settles};

/// What the server is called; it has no certificate for its address.
const NAME: &str = "call.example.test";

/// Chromium asks nobody whether a page may use the camera, and has one to show.
const CAMERA: &str = "--use-fake-ui-for-media-stream";

/// A world whose server has a certificate, and who vouches for it.
async fn secure_world(flags: &[&str]) -> Option<(World, Authority)> {
    let authority = Authority::new();
    let world = World::prepared(|network| {
        let mut all = authority.flags(NAME, &network.server().home);
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        all
    });
    Some((world.await?, authority))
}

/// A household whose browsers know the server, and trust it.
fn household(world: &mut World, authority: &Authority, number: u8) -> Host {
    let host = world.network.wired_client(number, Nat::Symmetric);
    host.knows(NAME, SERVER.into());
    authority.is_trusted_by(&host);
    host
}

async fn arrive(kind: Kind, host: &Host) -> Person {
    let page = format!("https://{NAME}/");
    match kind {
        Kind::Chromium => Person::arrive(host, &page, &[CAMERA]).await,
        Kind::Firefox => Person::arrive_by(kind, host, &page).await,
    }
}

/// Both in a call: Chromium at 1, which looks first, and Firefox at 2.
async fn chromium_and_firefox(
    world: &mut World,
    authority: &Authority,
    firewall: &str,
) -> (Person, Person) {
    let [one, two] = [1, 2].map(|number| household(world, authority, number));
    for number in [1, 2] {
        world.network.block(number, firewall);
    }
    let (mut ada, mut bob) =
        tokio::join!(arrive(Kind::Chromium, &one), arrive(Kind::Firefox, &two));
    find_each_other(&mut ada, &mut bob).await;
    (ada, bob)
}

#[tokio::test]
async fn with_tcp_443_alone_there_is_a_page_a_camera_and_a_call() {
    let Some((mut world, authority)) = secure_world(&[]).await else { return };
    let (mut ada, mut bob) = chromium_and_firefox(&mut world, &authority, ALL_BUT_443).await;
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
}

#[tokio::test]
async fn where_only_tls_passes_media_goes_by_the_port_that_served_the_page() {
    let Some((mut world, authority)) = secure_world(&[]).await else { return };
    let (mut ada, mut bob) = chromium_and_firefox(&mut world, &authority, ALL_BUT_TLS).await;
    for person in [&mut ada, &mut bob] {
        settles(person, "TLS", |call| call.local.kind == "relay" && call.transport == "tls").await;
        person.sees_video(FRAMES).await;
    }
}

#[tokio::test]
async fn who_has_ipv6_alone_meets_who_has_ipv4_alone() {
    let Some((mut world, authority)) = secure_world(&[]).await else { return };
    world.network.speaks_v6();
    let one = world.network.v6_client("six", 61);
    one.knows(NAME, SERVER_V6.into());
    authority.is_trusted_by(&one);
    let two = household(&mut world, &authority, 2);
    let (mut ada, mut bob) =
        tokio::join!(arrive(Kind::Chromium, &one), arrive(Kind::Firefox, &two));
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
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
}
