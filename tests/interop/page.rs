//! `docs/interop.md`: which clients were tried, made of the tables that the tests run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Transport;
use super::uclient::cases::{CASES, COTURN_DIFFERS, NOT_OFFERED, Outcome};

/// A client that is not coturn's, and what it does in a test of this folder.
struct Client {
    name: &'static str,
    does: &'static str,
    over: &'static str,
    /// The test: its file (or folder) and function.
    test: (&'static str, &'static str),
}

const fn client(
    name: &'static str,
    does: &'static str,
    over: &'static str,
    test: (&'static str, &'static str),
) -> Client {
    Client { name, does, over, test }
}

const CLIENTS: &[Client] = &[
    client(
        "aioice (Python)",
        "an allocation, a channel, echoes of every length modulo 4",
        "UDP, TCP, TLS",
        ("aioice", "completes_a_relayed_echo"),
    ),
    client(
        "aioice (Python)",
        "ICE, relayed at both ends",
        "UDP, TCP, TLS",
        ("aioice", "two_relayed_agents_connect"),
    ),
    client(
        "libnice (Debian)",
        "ICE, relayed at both ends",
        "UDP, TCP",
        ("libnice", "two_relayed_agents_connect"),
    ),
    client(
        "pion/turn (Debian)",
        "an allocation, a permission, indications, then a channel",
        "UDP, TCP, TLS, DTLS",
        ("pion", "completes_a_relayed_echo"),
    ),
    client(
        "pion/ice (Debian)",
        "ICE, relayed at both ends",
        "UDP, TCP, TLS, DTLS",
        ("pion", "two_relayed_agents_connect"),
    ),
    client(
        "aioice, libnice, pion/ice, werift",
        "ICE, relayed at both ends, with `--relay-ports shared` (at once)",
        "UDP, TCP",
        ("shared_port", "ice_clients_connect_through_one_relayed_port"),
    ),
    client(
        "turn-client-proto (crate)",
        "an allocation, a permission, indications, then a channel",
        "UDP, TCP, TLS",
        ("turn_client_proto", "completes_a_relayed_echo"),
    ),
    client(
        "turn-client-proto (crate)",
        "a relayed address of each family in one allocation, a peer on each, a channel to the first",
        "UDP, TCP, TLS",
        ("turn_client_proto", "one_allocation_has_both_families"),
    ),
    client(
        "turn-client-proto (crate)",
        "signs with SHA-256 alone",
        "UDP, TCP, TLS",
        ("turn_client_proto", "signs_with_sha256"),
    ),
    client(
        "turn-client-proto (crate)",
        "a TCP allocation (RFC 6062), a connection to a peer",
        "TCP, TLS",
        ("turn_client_proto", "connects_to_a_peer_over_tcp"),
    ),
    client(
        "webrtc-rs (crate `turn`)",
        "an allocation, indications, then a channel",
        "UDP",
        ("webrtc_rs", "completes_a_relayed_echo_over_udp"),
    ),
    client(
        "werift (npm)",
        "WebRTC: a data channel, relayed at both ends",
        "UDP, TCP, TLS",
        ("werift", "a_relayed_data_channel_opens"),
    ),
];

/// What cannot be had of a client, and why.
const LIMITS: &str = "\
- libnice's TLS is the pseudo-TLS of Google Talk, not TLS, so it is tried over UDP and TCP.
- webrtc-rs' TURN client speaks UDP only; turn-client-proto and aioice have no DTLS, werift none for TURN.
- turn-client-proto takes ConnectionAttempt for a request, where RFC 6062 has an indication: no peer can connect to it.
- turn-client-proto numbers the channels of a dual allocation by family, where RFC 8656 has one space: the second family has none.
- @roamhq/wrtc is libwebrtc, which Chromium is tested for (`tests/browser/`); it trusts public roots only.
";

/// The page, as it is to be.
fn page() -> String {
    let mut page = String::from(
        "# Other people's TURN clients\n\n\
         Made of the tables that `tests/interop/` runs; a test compares them. Anew: \
         `UPDATE_INTEROP=1 cargo test --test hairpin interop::page`.\n\
         `tests/run interop::` installs the clients by name and runs them all, against hairpin and, as a control, against \
         Debian's coturn.\n\n",
    );
    uclient(&mut page);
    page.push_str("## Clients of their own\n\n");
    page.push_str(
        "All that is sent comes back. With coturn it does as well, but for the rows with SHA-256 and with a shared relayed port, \
         of which Debian's 4.6.1 has neither, and for two families in one allocation, which it knows by a draft's number alone.\n\n",
    );
    page.push_str("| Client | What it does | Over | Test |\n|---|---|---|---|\n");
    for Client { name, does, over, test: (file, function) } in CLIENTS {
        writeln!(page, "| {name} | {does} | {over} | `{file}::{function}` |").expect("a string");
    }
    writeln!(page, "\n{LIMITS}").expect("a string");
    page.pop();
    page
}

fn uclient(page: &mut String) {
    page.push_str(
        "## coturn's `turnutils_uclient`\n\n\
         `PEER` is an echo peer on IPv4 (`-e`, `-r`), `PEER6` one on IPv6. *all*: nothing that was sent is lost. *half*: the \
         client plays the peers as well and does not count what these receive. *leaves*: the client exits at once. \
         *goes on*: what comes of it is chance, or the client never ends; the server goes on.\n\n",
    );
    page.push_str("| Options | What | UDP | TCP (`-t`) | TLS (`-t -S`) | DTLS (`-S`) |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    let mut reasons = Vec::new();
    for case in CASES {
        write!(page, "| `{}` | {} |", case.options, case.what).expect("a string");
        for over in Transport::ALL {
            let outcome = case.outcome(over);
            write!(page, " {} |", outcome.word()).expect("a string");
            if let Outcome::NotRun(reason) = outcome
                && !reasons.contains(&reason)
            {
                reasons.push(reason);
            }
        }
        page.push('\n');
    }
    writeln!(page, "\nNot run: {}.\n", reasons.join("; ")).expect("a string");
    page.push_str("Options that are in no row:\n\n");
    for (option, reason) in NOT_OFFERED {
        writeln!(page, "- `{option}`: {reason}.").expect("a string");
    }
    page.push_str("\nWhere coturn itself (Debian's 4.6.1) comes out otherwise:\n\n");
    page.push_str("| Options | Over | With coturn |\n|---|---|---|\n");
    for (options, over, outcome) in COTURN_DIFFERS {
        let outcome = match outcome {
            Outcome::NotRun(reason) => reason,
            outcome => outcome.word(),
        };
        writeln!(page, "| `{options}` | {} | {outcome} |", over.name().to_uppercase())
            .expect("a string");
    }
    page.push('\n');
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/interop.md");
    let page = page();
    if std::env::var_os("UPDATE_INTEROP").is_some() {
        fs::write(&path, &page).expect("docs/ is writable");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/interop.md is not what the tests run: UPDATE_INTEROP=1 makes it anew"
    );
}

#[test]
fn every_test_of_the_page_exists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    for Client { test: (file, function), .. } in CLIENTS {
        let text = fs::read_to_string(folder.join(format!("{file}.rs")))
            .or_else(|_| fs::read_to_string(folder.join(file).join("mod.rs")))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {function}()")), "{file}::{function}");
    }
}

/// coturn's own outcomes are those of rows there are.
#[test]
fn what_coturn_does_otherwise_is_a_row() {
    for (options, over, _) in COTURN_DIFFERS {
        assert!(CASES.iter().any(|case| case.options == *options), "{options} {over:?}");
    }
}
