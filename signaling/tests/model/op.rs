//! What may happen.

use proptest::prelude::*;

/// Few, so that they meet.
pub(super) const CLIENTS: u64 = 6;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Connect(u64),
    Disconnect(u64),
    Join {
        client: u64,
        user: u8,
        pool: u8,
    },
    Leave(u64),
    Skip(u64),
    End(u64),
    Signal(u64),
    Stranger {
        client: u64,
        session_of: u64,
    },
    /// To the partner.
    Words(u64),
    Report(u64),
    /// Of its partner, or of a user.
    Block {
        client: u64,
        user: Option<u8>,
    },
    Unblock {
        client: u64,
        user: u8,
    },
    CreateRoom {
        client: u64,
        user: u8,
    },
    JoinRoom {
        client: u64,
        user: u8,
        of: u64,
    },
    /// The operator does.
    Bar {
        user: u8,
        seconds: u64,
    },
    Pass(u64),
    MatchLate(usize),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    prop_oneof![
        3 => client().prop_map(Op::Connect),
        1 => client().prop_map(Op::Disconnect),
        6 => (client(), 0..5u8, 0..2u8).prop_map(|(client, user, pool)| Op::Join { client, user, pool }),
        1 => client().prop_map(Op::Leave),
        3 => client().prop_map(Op::Skip),
        1 => client().prop_map(Op::End),
        3 => client().prop_map(Op::Signal),
        1 => (client(), client()).prop_map(|(client, session_of)| Op::Stranger { client, session_of }),
        2 => client().prop_map(Op::Words),
        1 => client().prop_map(Op::Report),
        1 => (client(), prop::option::of(0..5u8)).prop_map(|(client, user)| Op::Block { client, user }),
        1 => (client(), 0..5u8).prop_map(|(client, user)| Op::Unblock { client, user }),
        2 => (client(), 0..5u8).prop_map(|(client, user)| Op::CreateRoom { client, user }),
        3 => (client(), 0..5u8, client()).prop_map(|(client, user, of)| Op::JoinRoom { client, user, of }),
        1 => (0..5u8, 1..200u64).prop_map(|(user, seconds)| Op::Bar { user, seconds }),
        1 => (0..200u64).prop_map(Op::Pass),
        3 => (0..CLIENTS as usize).prop_map(Op::MatchLate),
    ]
}
