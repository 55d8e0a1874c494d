//! The credentials that `GET /v1/ice` hands out are those of draft-uberti-behave-turn-rest: a coturn
//! with the same secret takes them.

use super::coturn::{Auth, Coturn};
use super::server::{Hairpin, SECRET};
use super::{Transport, webrtc_rs};

/// The TURN username and credential of an answer of `/v1/ice`.
fn turn_credentials(answer: &serde_json::Value) -> (String, String) {
    let servers = answer["iceServers"].as_array().expect("iceServers is a list");
    let turn = servers.iter().find(|server| server["username"].is_string());
    let turn = turn.unwrap_or_else(|| panic!("no TURN server in {answer}"));
    let text = |field: &str| turn[field].as_str().expect("a string").to_owned();
    (text("username"), text("credential"))
}

#[tokio::test]
async fn coturn_takes_issued_credentials_under_the_same_secret() {
    let hairpin = Hairpin::start().await;
    let (username, password) = turn_credentials(&hairpin.ice().await);
    let coturn = Coturn::start(Auth::Secret(SECRET)).await;

    let account = coturn.account(Transport::Udp, &username, &password);
    webrtc_rs::relayed_echo(&account).await.expect("coturn allocates and relays");
}

#[tokio::test]
async fn coturn_refuses_issued_credentials_under_another_secret() {
    let hairpin = Hairpin::start().await;
    let (username, password) = turn_credentials(&hairpin.ice().await);
    let coturn = Coturn::start(Auth::Secret("south")).await;

    let account = coturn.account(Transport::Udp, &username, &password);
    let error = webrtc_rs::relayed_echo(&account).await.expect_err("the secrets differ");
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn hairpin_takes_the_credentials_it_issues() {
    let hairpin = Hairpin::start().await;
    let (username, password) = turn_credentials(&hairpin.ice().await);

    let mut account = hairpin.account(Transport::Udp);
    (account.username, account.password) = (username, password);
    webrtc_rs::relayed_echo(&account).await.expect("allocates and relays");
}
