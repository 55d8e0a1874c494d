//! What may happen.

use proptest::prelude::*;

/// Few, so that they meet.
pub(super) const POOLS: [&str; 2] = ["global", "chess"];
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
    /// Of its partner, or of a user.
    Block {
        client: u64,
        user: Option<u8>,
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
    Words(u64),
    Report(u64),
    /// The operator does, for so many seconds.
    Bar {
        user: u8,
        seconds: u64,
    },
    Pass(u64),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    prop_oneof![
        3 => client().prop_map(Op::Connect),
        1 => client().prop_map(Op::Disconnect),
        6 => (client(), 0..5u8, 0..2u8).prop_map(|(client, user, pool)| Op::Join { client, user, pool }),
        1 => client().prop_map(Op::Leave),
        2 => client().prop_map(Op::Skip),
        1 => client().prop_map(Op::End),
        1 => (client(), prop::option::of(0..5u8)).prop_map(|(client, user)| Op::Block { client, user }),
        1 => (client(), 0..5u8).prop_map(|(client, user)| Op::CreateRoom { client, user }),
        2 => (client(), 0..5u8, client()).prop_map(|(client, user, of)| Op::JoinRoom { client, user, of }),
        1 => client().prop_map(Op::Words),
        1 => client().prop_map(Op::Report),
        1 => (0..5u8, 1..100u64).prop_map(|(user, seconds)| Op::Bar { user, seconds }),
        2 => (0..100u64).prop_map(Op::Pass),
    ]
}
