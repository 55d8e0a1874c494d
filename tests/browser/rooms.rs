//! Whom people meet by the page, and what they can do about it: rooms, words, reports, blocks, modes and interests.

use std::time::{Duration, Instant};

use super::person::Person;
use super::scenarios::{find_each_other, in_the_open};
use super::{World, wait_for, wait_until};

/// Longer than the matcher keeps two apart who have parted and are alone.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

#[tokio::test]
async fn two_meet_by_a_code_write_report_block_and_never_meet_again() {
    let Some(mut world) = World::new().await else { return };
    let mut ada = in_the_open(&mut world, 0, &[]).await;
    let code = opens_a_room(&mut ada).await;
    let mut bob = comes_by_a_link(&mut world, 1, &code).await;
    assert_eq!(text(&mut bob, "find").await, "Join the room");
    bob.press("find").await;
    for person in [&mut ada, &mut bob] {
        person.becomes("connected").await;
        person.sees_video(1).await;
        assert!(is_hidden(person, "next").await, "nobody moves on from a friend by a slip");
    }
    assert_eq!(ada.session().await, bob.session().await);

    // Words, with what would be markup if they were not text.
    writes(&mut ada, "Hello <b>Bob</b> & all").await;
    wait_until("bob's button says so", async || {
        bob.browser
            .holds("document.getElementById('chat-button').hasAttribute('data-unread')")
            .await
    })
    .await;
    writes(&mut bob, "Hello Ada").await;
    for person in [&mut ada, &mut bob] {
        wait_until("both have both", async || messages(person).await.len() == 2).await;
    }
    assert_eq!(messages(&mut bob).await, ["partner: Hello <b>Bob</b> & all", "us: Hello Ada"]);
    assert_eq!(messages(&mut ada).await, ["us: Hello <b>Bob</b> & all", "partner: Hello Ada"]);

    // A report, which leaves the call as it is.
    ada.press("more").await;
    ada.press("report-button").await;
    ada.browser.eval("document.querySelectorAll('#reasons input')[2].click(), document.getElementById('report-text').value = 'sells watches'").await;
    ada.press("report-send").await;
    wait_until("the server has it", async || {
        text(&mut ada, "companion-said").await == "Thank you. Your report has arrived."
    })
    .await;
    ada.becomes("connected").await;

    // A block ends it, after a question.
    ada.press("block-button").await;
    assert!(ada.session().await.is_some(), "only asked");
    ada.press("block-yes").await;
    for person in [&mut ada, &mut bob] {
        person.becomes("idle").await;
    }
    assert_eq!(text(&mut bob, "notice-text").await, "Your partner ended the call.");

    // They look for a partner, in a new visit of ada's too, and find each other no more; but anybody else.
    let page = world.server.page();
    ada.browser.open(&page).await;
    for person in [&mut ada, &mut bob] {
        person.press("find").await;
        person.waits_in_line().await;
    }
    stay_apart(&mut ada, &mut bob).await;
    let mut eve = in_the_open(&mut world, 2, &[]).await;
    eve.press("find").await;
    let met = wait_for("eve meets who has waited longest", async || eve.session().await).await;
    ada.becomes("connected").await;
    assert_eq!(ada.session().await, Some(met));
    assert_eq!(bob.session().await, None);
}

#[tokio::test]
async fn a_room_outlives_the_server_by_another_code_and_a_wrong_code_is_told() {
    let Some(mut world) = World::new().await else { return };
    let mut ada = in_the_open(&mut world, 0, &[]).await;
    let first = opens_a_room(&mut ada).await;
    world.server.crash_and_restart().await;
    let second = wait_for("another code", async || {
        Some(text(&mut ada, "room-code").await).filter(|code| !code.is_empty() && *code != first)
    })
    .await;

    let mut bob = comes_by_a_link(&mut world, 1, &first).await;
    bob.press("find").await;
    wait_until("he is told", async || {
        text(&mut bob, "notice-text").await.starts_with("There is no such room")
    })
    .await;
    // By the code alone, in small letters.
    bob.browser.eval(&format!("document.getElementById('room').showPopover(), document.getElementById('code-given').value = ' {} '", second.to_lowercase())).await;
    bob.press("join").await;
    for person in [&mut ada, &mut bob] {
        person.becomes("connected").await;
    }
    assert_eq!(ada.session().await, bob.session().await);
}

#[tokio::test]
async fn two_who_are_alone_meet_again_and_are_told_why() {
    let Some(mut world) = World::new().await else { return };
    let mut ada = in_the_open(&mut world, 0, &[]).await;
    let mut bob = in_the_open(&mut world, 1, &[]).await;
    find_each_other(&mut ada, &mut bob).await;
    let session = ada.session().await;
    // What the page says may last a moment only.
    ada.browser
        .eval("window.said = new Set(), new MutationObserver(() => said.add(`${title.textContent}: ${text.textContent}`)).observe(document.getElementById('veil'), { subtree: true, childList: true, characterData: true })")
        .await;
    let since = Instant::now();
    ada.press("next").await;
    wait_until("they meet again", async || {
        ada.session().await.is_some_and(|met| Some(met) != session)
    })
    .await;
    assert!(since.elapsed() > Duration::from_secs(5), "not at once: {:?}", since.elapsed());
    bob.becomes("connected").await;
    let said = ada.browser.eval("[...said].join('; ')").await;
    let said = said.as_str().expect("a text");
    assert!(
        said.contains("Nobody else is here at the moment; the two of you may meet again."),
        "{said}"
    );
    assert!(said.contains(" again: Nobody else is here at the moment."), "{said}");
}

#[tokio::test]
async fn interests_are_asked_for_where_the_server_knows_of_them_and_bring_people_together() {
    let Some(mut world) = World::new().await else { return };
    let mut early = in_the_open(&mut world, 0, &[]).await;
    assert!(is_hidden(&mut early, "interests-field").await, "this server has none");
    world.server.restart_with(&["--attribute", "interests=tags"]).await;
    let mut people = Vec::new();
    for (number, interests) in [(1, "Chess, hiking"), (2, "opera"), (3, "tea,  CHESS ")] {
        let mut person = in_the_open(&mut world, number, &[]).await;
        wait_until("it knows", async || !is_hidden(&mut person, "interests-field").await).await;
        person.browser.eval(&format!("(field => (field.value = '{interests}', field.dispatchEvent(new Event('change'))))(document.getElementById('interests'))")).await;
        person.press("find").await;
        if number < 3 {
            person.waits_in_line().await;
        }
        people.push(person);
    }
    let [ada, bob, eve] = &mut people[..] else { panic!("three") };
    ada.becomes("connected").await;
    eve.becomes("connected").await;
    assert_eq!(ada.session().await, eve.session().await);
    assert_eq!(bob.session().await, None, "there is nobody else for the opera");
}

#[tokio::test]
async fn buddies_find_each_other_among_others() {
    let Some(mut world) = World::new().await else { return };
    let mut ada = in_the_open(&mut world, 0, &[]).await;
    let mut bob = in_the_open(&mut world, 1, &[]).await;
    find_each_other(&mut ada, &mut bob).await;
    for person in [&mut ada, &mut bob] {
        person.press("more").await;
        person.press("buddy").await;
        person.press("stop").await;
        person.browser.eval("document.querySelector('#modes [value=buddies]').click()").await;
    }
    ada.press("find").await;
    ada.waits_in_line().await;
    let mut eve = in_the_open(&mut world, 2, &[]).await;
    eve.press("find").await;
    eve.waits_in_line().await;
    bob.press("find").await;
    for person in [&mut ada, &mut bob] {
        person.becomes("connected").await;
    }
    assert_eq!(ada.session().await, bob.session().await);
    assert_eq!(eve.session().await, None, "they wanted nobody else");
}

// -- helpers -------------------------------------------------------------------------------------

async fn opens_a_room(person: &mut Person) -> String {
    person.press("room-button").await;
    person.press("create-room").await;
    wait_for("a code", async || {
        Some(text(person, "room-code").await).filter(|code| !code.is_empty())
    })
    .await
}

async fn comes_by_a_link(world: &mut World, number: u8, code: &str) -> Person {
    let host = world.network.open_client(&format!("open{number}"), 31 + number);
    let link = format!("{}#room={code}", world.server.page());
    Person::arrive(&host, &link, &[]).await
}

async fn writes(person: &mut Person, words: &str) {
    let open = "document.getElementById('chat').matches(':popover-open')";
    if !person.browser.holds(open).await {
        person.press("chat-button").await;
    }
    person.browser.eval(&format!("document.getElementById('chat-text').value = '{words}'")).await;
    person.press("chat-send").await;
}

/// Who said what, as the page shows it.
async fn messages(person: &mut Person) -> Vec<String> {
    let lines = "[...document.querySelectorAll('#chat-log p')].map(p => `${p.dataset.from}: ${p.lastChild.textContent}`)";
    serde_json::from_value(person.browser.eval(lines).await).expect("texts")
}

/// Both wait, are known to the server to wait, and go on doing so.
async fn stay_apart(ada: &mut Person, bob: &mut Person) {
    for person in [&mut *ada, &mut *bob] {
        let both = "hairpin.client.snapshot.queue?.waiting === 2";
        wait_until("two wait", async || person.browser.holds(both).await).await;
    }
    let since = Instant::now();
    wait_until("time goes by", async || {
        assert_eq!([ada.session().await, bob.session().await], [None, None]);
        since.elapsed() > LONG_ENOUGH
    })
    .await;
}

async fn text(person: &mut Person, id: &str) -> String {
    let text = person.browser.eval(&format!("document.getElementById('{id}').textContent")).await;
    text.as_str().expect("a text").to_owned()
}

async fn is_hidden(person: &mut Person, id: &str) -> bool {
    person.browser.holds(&format!("document.getElementById('{id}').hidden")).await
}
