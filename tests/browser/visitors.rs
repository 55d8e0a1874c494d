//! Two people on the demo page: what each of them sees of the other.

use super::scenarios::{find_each_other, in_the_open, secure_flag, two_on_secure_pages};
use super::{World, wait_until};

#[tokio::test]
async fn both_sides_see_who_muted() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_on_secure_pages(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    bob.sees_video(10).await;
    let name = bob.browser.eval("document.getElementById('partner-name').textContent").await;
    let name = name.as_str().expect("a text");

    for (button, own, partners) in [
        (
            "microphone",
            "!document.getElementById('own-muted').hidden",
            "!document.getElementById('partner-muted').hidden".to_owned(),
        ),
        (
            "camera",
            "document.getElementById('local').hidden",
            format!(
                "title.textContent === '{name}' && text.textContent === 'Camera off' && !veil.hidden"
            ),
        ),
        (
            "screen",
            "document.getElementById('own-name').textContent === 'You share your screen'",
            "!document.getElementById('partner-screen').hidden && veil.hidden".to_owned(),
        ),
    ] {
        for on in [true, false] {
            ada.press(button).await;
            wait_until(&format!("ada sees {button}, {on}"), async || {
                ada.browser.holds(own).await == on
            })
            .await;
            wait_until(&format!("bob sees {button}, {on}"), async || {
                bob.browser.holds(&partners).await == on
            })
            .await;
            if button == "camera" && on {
                break; // The screen is seen although the camera is off.
            }
        }
    }
}

#[tokio::test]
async fn a_reload_returns_to_the_same_partner() {
    let Some(mut world) = World::new().await else { return };
    let (mut ada, mut bob) = two_on_secure_pages(&mut world).await;
    find_each_other(&mut ada, &mut bob).await;
    let session = ada.session().await;
    ada.press("microphone").await;

    ada.browser.eval("location.reload()").await;
    wait_until("ada is back", async || {
        ada.browser.holds("window.hairpin?.client?.snapshot.phase === 'connected'").await
    })
    .await;
    assert_eq!(ada.session().await, session, "the same call");
    ada.sees_video(30).await;
    bob.sees_video(30).await;
    assert!(
        ada.browser.holds("document.getElementById('microphone').classList.contains('off')").await,
        "still muted"
    );
    wait_until("bob knows", async || {
        bob.browser.holds("!document.getElementById('partner-muted').hidden").await
    })
    .await;
}

#[tokio::test]
async fn who_may_not_use_the_camera_still_sees_the_partner() {
    let Some(mut world) = World::new().await else { return };
    let secure = secure_flag(&world);
    let mut ada = in_the_open(&mut world, 0, &[&secure, "--deny-permission-prompts"]).await;
    let mut bob = in_the_open(&mut world, 1, &[&secure, "--use-fake-ui-for-media-stream"]).await;
    find_each_other(&mut ada, &mut bob).await;
    ada.sees_video(30).await;
    wait_until("bob reads why he sees nobody", async || {
        bob.browser.holds("!veil.hidden && text.textContent.includes('amera')").await
    })
    .await;
}
