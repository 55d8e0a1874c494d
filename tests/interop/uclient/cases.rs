//! What coturn's client is asked to do, and what comes of it.

use crate::interop::Transport::{self};
use Outcome::{All, GoesOn, Half, Leaves, NotRun};

/// What comes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop) enum Outcome {
    /// All that was sent came back.
    All,
    /// Half of it: the client plays the peers as well, and does not count what these receive.
    Half,
    /// It leaves after its first requests, as it is asked to; the server goes on.
    Leaves,
    /// What comes of it is chance, or it never ends; the server goes on.
    GoesOn,
    /// It is not run: why.
    NotRun(&'static str),
}

impl Outcome {
    /// In the table of docs/interop.md.
    pub(in crate::interop) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Half => "half",
            Self::Leaves => "leaves",
            Self::GoesOn => "goes on",
            Self::NotRun(_) => "-",
        }
    }
}

/// A combination of options.
pub(in crate::interop) struct Case {
    /// The client's options, beside those that say the transport. Words in capitals are addresses, files and secrets.
    pub(in crate::interop) options: &'static str,
    pub(in crate::interop) what: &'static str,
    /// By [`Transport::ALL`].
    outcomes: [Outcome; 4],
}

impl Case {
    pub(in crate::interop) fn outcome(&self, over: Transport) -> Outcome {
        self.outcomes[over as usize]
    }
}

const fn case(options: &'static str, what: &'static str, outcomes: [Outcome; 4]) -> Case {
    Case { options, what, outcomes }
}

const EVERYWHERE: [Outcome; 4] = [All; 4];
/// Pairs of ports are reserved, unless `-c` or `-Z` says that there is no RTCP.
const RESERVED: [Outcome; 4] = EVERYWHERE;
/// None moves over DTLS (RFC 8016).
const MOBILE: [Outcome; 4] = [All, All, All, NotRun("none moves over DTLS")];
/// The client makes its connection to the server a TCP one by itself; with `-S` it is TLS.
const TCP_RELAYED: [Outcome; 4] = [NotRun(IMPLIED), All, All, NotRun(IMPLIED)];
const IMPLIED: &str = "`-T` and `-P` imply `-t`";
const SECURED: &str = "without `-S` there is no certificate and no cipher";

pub(in crate::interop) const CASES: &[Case] = &[
    case(
        "PEER",
        "to a peer on channels, with RTCP: EVEN-PORT with R=1, RESERVATION-TOKEN",
        RESERVED,
    ),
    case("PEER -c", "without RTCP: EVEN-PORT with R=0, or none", EVERYWHERE),
    case("PEER -s", "Send indications", RESERVED),
    case("PEER6 -c", "an IPv6 peer of a client on IPv4", EVERYWHERE),
    case("-y", "client to client on channels", RESERVED),
    case("-y -c", "the same without RTCP", EVERYWHERE),
    case("-y -s", "Send indications", RESERVED),
    case("-y -c -W SECRET", "a REST username and password of the shared secret", EVERYWHERE),
    case("-y -g", "DONT-FRAGMENT", RESERVED),
    case("-y -D", "ChannelData padded over UDP as well", RESERVED),
    case(
        "-y -G",
        "up to 22 more channels, and peers in a CreatePermission, of either family",
        RESERVED,
    ),
    case("-y -c -s -G", "the same with Send indications", EVERYWHERE),
    case("-y -N", "channel numbers drawn anew", RESERVED),
    case("-y -x", "IPv6 relayed addresses", RESERVED),
    case("-y -c -X", "IPv4 relayed addresses, asked for by name", EVERYWHERE),
    case("-y -Z", "dual allocation", EVERYWHERE),
    case("PEER -Z", "dual allocation, an IPv4 peer", EVERYWHERE),
    case("PEER6 -Z", "dual allocation, an IPv6 peer", EVERYWHERE),
    case("-y -c -M", "mobility: each client moves to a new socket", MOBILE),
    case("-y -s -M -Z", "mobility of a dual allocation", MOBILE),
    case("-y -I", "no permissions asked for: the channels bring them", RESERVED),
    case("-y -B", "leaves connections at random", [GoesOn; 4]),
    case(
        "-y -c -l 1400 -a 100000 -o interop.example",
        "long messages, BANDWIDTH, ORIGIN",
        EVERYWHERE,
    ),
    case("-y -c -L 127.0.0.2", "from a second address of the machine", EVERYWHERE),
    case("PEER -c -s -D -g -G -N -X", "a mixture", EVERYWHERE),
    case("-y -x -g -D -G", "a mixture", RESERVED),
    case("-T", "TCP relayed (RFC 6062): each client connects to each", TCP_RELAYED),
    case("-T -x", "the same over IPv6", TCP_RELAYED),
    case(
        "-T -N",
        "ConnectionBind with an id that is not its own: 400, and the client waits",
        [NotRun(IMPLIED), GoesOn, GoesOn, NotRun(IMPLIED)],
    ),
    case(
        "-P",
        "peers connect to relayed addresses (RFC 6062)",
        [
            NotRun(IMPLIED),
            Half,
            NotRun("with `-S` the client has peers speak TLS to relayed addresses, and ends"),
            NotRun(IMPLIED),
        ],
    ),
    case(
        "-y -c -i CERT -k KEY -E ROOT",
        "the server's certificate is verified",
        [NotRun(SECURED), NotRun(SECURED), All, All],
    ),
    case(
        "-y -c -F ECDHE-ECDSA-AES128-GCM-SHA256",
        "a cipher suite of TLS 1.2 by name",
        [NotRun(SECURED), NotRun(SECURED), All, All],
    ),
    case("-y -c -R", "random bytes in one message of ten", [GoesOn; 4]),
    case("-y -c -O", "quick connects and exits", [Leaves; 4]),
];

/// Options that no case has: why.
pub(in crate::interop) const NOT_OFFERED: &[(&str, &str)] = &[
    ("-b", "SCTP to the server: hairpin does not offer it, nor does RFC 8656 have it"),
    (
        "-U",
        "no encryption (eNULL): what serves TLS today has no such thing, and TLS 1.3 encrypts all the same",
    ),
    ("-J", "OAuth (RFC 7635): hairpin does not offer it"),
    ("-h", "hangs after the last packet, on purpose"),
    ("-d", "binds to a device, which is the client's own business"),
    ("-C", "another separator in REST usernames than the colon: hairpin does not offer it"),
    ("-v", "says more"),
];

/// What coturn makes of it otherwise.
pub(in crate::interop) const COTURN_DIFFERS: &[(&str, Transport, Outcome)] = &[
    ("-y -c -M", Transport::Tcp, NotRun("fails: coturn closes the first connection")),
    ("-y -c -M", Transport::Tls, NotRun("fails in one run and hangs in the next")),
    ("-y -c -M", Transport::Dtls, NotRun("works in one run and hangs in the next")),
    ("-y -s -M -Z", Transport::Tcp, NotRun("fails: coturn closes the first connection")),
    ("-y -s -M -Z", Transport::Tls, NotRun("fails in one run and hangs in the next")),
    ("-y -s -M -Z", Transport::Dtls, NotRun("hangs")),
];
