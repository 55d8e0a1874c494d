//! What people do with tabs.

use std::time::Instant;

use super::World;
use super::driver::Kind;
use super::household::Nat;
use super::life::{are_at_the_server, firefox_and_chromium};
use super::person::Person;
use super::scenarios::find_each_other;

#[tokio::test]
async fn who_reloads_the_page_has_the_same_partner() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = firefox_and_chromium(&mut world, Nat::Symmetric).await;
    let session = ada.session().await;
    let page = ada.browser.eval("location.href").await;
    let page = page.as_str().expect("a URL").to_owned();
    for (name, who) in [("Firefox", 0), ("Chromium", 1)] {
        let since = Instant::now();
        [&mut ada, &mut bob][who].browser.open(&page).await;
        for person in [&mut ada, &mut bob] {
            person.becomes("connected").await;
            person.sees_video(1).await;
        }
        println!("{name} reloads: both see each other after {:.1?}", since.elapsed());
        assert_eq!([ada.session().await, bob.session().await], [session.clone(), session.clone()]);
        are_at_the_server(&mut ada, &mut bob).await;
    }
}

#[tokio::test]
async fn three_tabs_of_one_person_leave_one_call_alone() {
    let Some(mut world) = World::new().await else { return };
    let page = world.server.page();
    let (one, two) = (world.network.open_client("ada", 31), world.network.open_client("bob", 32));
    let mut ada = Person::arrive_by(Kind::Chromium, &one, &page).await;
    let mut bob = Person::arrive_by(Kind::Chromium, &two, &page).await;
    find_each_other(&mut ada, &mut bob).await;
    bob.sees_video(10).await;
    let session = bob.session().await;

    // The copy has all that the first one had, and so its seat.
    ada.opens_a_tab_by("void open(location.href)").await;
    ada.becomes("connected").await;
    ada.sees_video(10).await;
    bob.sees_video(10).await;
    assert_eq!([ada.session().await, bob.session().await], [session.clone(), session.clone()]);
    ada.browser.chromium().turn_to(0);
    ada.becomes("idle").await;

    // A tab of its own, without anything of theirs.
    ada.opens_a_tab_by("void open(location.href, '', 'noopener')").await;
    ada.press("find").await;
    ada.waits_in_line().await;
    ada.browser.chromium().turn_to(1);
    ada.sees_video(60).await;
    assert_eq!([ada.session().await, bob.session().await], [session.clone(), session]);
    assert_eq!(
        world.server.metrics().get("websocket_connections"),
        3.0,
        "nobody fights for a seat"
    );
}
