//! What coturn's client is asked to do, and what comes of it.

use crate::interop::Transport;

/// What comes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop) enum Outcome {
    /// All that was sent came back.
    All,
    /// Half of it: the client plays the peers as well, and does not count what these receive.
    Half,
    /// It ends with an error and has said these words, as it should.
    GivesUp(&'static str),
    /// It leaves after its first requests, as it is asked to; the server goes on.
    Leaves,
    /// It never ends by itself; the server goes on.
    Endless,
    /// It is not run: why.
    NotRun(&'static str),
}

/// A combination of options.
pub(in crate::interop) struct Case {
    /// The client's options, beside those that say the transport.
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

const NOT_YET: Outcome = Outcome::NotRun("not yet");
const ALL: [Outcome; 4] = [Outcome::All, Outcome::All, NOT_YET, NOT_YET];

pub(in crate::interop) const CASES: &[Case] = &[
    case("PEER -c -s", "Send indications to a peer", ALL),
    case("-y -c -s", "Send indications, client to client", ALL),
    case("-y -c -s -W SECRET", "a REST username and password of the shared secret", ALL),
];

/// What coturn (Debian's 4.6.1) makes of it otherwise.
pub(in crate::interop) const COTURN_DIFFERS: &[(&str, Transport, Outcome)] = &[];
