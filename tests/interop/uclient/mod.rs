//! coturn's load client, `turnutils_uclient`, in every combination that its help offers and a server answers: `cases.rs`
//! beside this file, which `docs/interop.md` is made of.

pub(super) mod cases;
mod run;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::coturn::{Auth, Coturn};
use super::server::{Hairpin, SECRET};
use super::{Account, EchoPeer, Transport};
use cases::{CASES, COTURN_DIFFERS, Case, Outcome};
use run::{CLIENTS, Credentials, MESSAGES, Run};

/// Clients that run at once. They wait most of their time: each begins to send after one to six seconds that it draws.
const AT_ONCE: usize = 32;

/// Whom clients send to that do not send to each other.
struct Peers {
    v4: EchoPeer,
    v6: EchoPeer,
}

impl Peers {
    async fn start() -> Self {
        Self {
            v4: EchoPeer::start_pair(Ipv4Addr::LOCALHOST.into()).await,
            v6: EchoPeer::start_pair(Ipv6Addr::LOCALHOST.into()).await,
        }
    }
}

/// Runs every case over every transport it has an outcome for, as `expected` says, and tells whatever came out otherwise.
async fn wrong(
    account: impl Fn(Transport) -> Account,
    credentials: Credentials,
    expected: impl Fn(&Case, Transport) -> Outcome,
) -> Vec<String> {
    let peers = Arc::new(Peers::start().await);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for case in CASES {
        for transport in Transport::ALL {
            let outcome = expected(case, transport);
            if matches!(outcome, Outcome::NotRun(_)) {
                continue;
            }
            let (account, places, peers) =
                (account(transport), Arc::clone(&places), Arc::clone(&peers));
            running.spawn(async move {
                let _place = places.acquire().await.expect("nobody closes it");
                let mut result = Ok(());
                for _ in 0..attempts(transport) {
                    let run = Run::new(&account, credentials, case.options, &peers, outcome).await;
                    result = run.is(outcome);
                    if result.is_ok() {
                        break;
                    }
                }
                result.err().map(|wrong| format!("{} {transport:?}: {wrong}", case.options))
            });
        }
    }
    let wrong: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    wrong
}

/// Where a busy machine can hold messages up until several are in one record of TLS, what the client then takes for lost
/// says nothing of the server.
fn attempts(transport: Transport) -> usize {
    if transport == Transport::Tls { 3 } else { 1 }
}

#[tokio::test]
async fn every_case_of_the_table_comes_out_as_it_says() {
    let hairpin = Hairpin::start().await;
    let account = |transport| hairpin.account(transport);
    let wrong = wrong(account, Credentials::User, |case, over| case.outcome(over)).await;
    assert!(wrong.is_empty(), "{} otherwise:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The control: what the client does with coturn, which is the same but for what the table says.
#[tokio::test]
async fn coturn_does_the_same_but_for_what_the_table_says() {
    let coturn = Coturn::start(Auth::Secret(SECRET)).await;
    let differs: HashMap<_, _> = COTURN_DIFFERS
        .iter()
        .map(|(options, over, outcome)| ((*options, *over), *outcome))
        .collect();
    let account = |transport| coturn.account(transport, "guest", "");
    let expected = |case: &Case, over| {
        differs.get(&(case.options, over)).copied().unwrap_or_else(|| case.outcome(over))
    };
    let wrong = wrong(account, Credentials::Secret, expected).await;
    assert!(wrong.is_empty(), "{} otherwise:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn client_to_client_never_leaves_the_process() {
    const HAIRPINS: &str = r#"hairpin_relayed_packets_total{direction="hairpin"}"#;
    const TO_PEERS: &str = r#"hairpin_relayed_packets_total{direction="to_peer"}"#;
    let hairpin = Hairpin::start().await;
    let peers = Peers::start().await;
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|transport| hairpin.account(transport));
    let run = |account| Run::new(account, Credentials::User, "-y -c -s", &peers, Outcome::All);
    for run in <[Run; 2]>::from(tokio::join!(run(&udp), run(&tcp))) {
        run.is(Outcome::All).expect("nothing is lost");
    }
    assert!(hairpin.counter(HAIRPINS).await >= u64::from(2 * CLIENTS * MESSAGES));
    assert_eq!(hairpin.counter(TO_PEERS).await, 0);
}
