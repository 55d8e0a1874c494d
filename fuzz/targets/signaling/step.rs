//! What may happen.

use arbitrary::Arbitrary;

/// One thing that happens, to one of a few connections.
#[derive(Arbitrary, Debug)]
pub(crate) enum Step {
    Connect(u8),
    Disconnect(u8),
    Text {
        from: u8,
        text: String,
    },
    Binary {
        from: u8,
    },
    Pong {
        from: u8,
    },
    Join {
        from: u8,
        user: u8,
        pool: u8,
    },
    Leave {
        from: u8,
        user: u8,
    },
    Signal {
        from: u8,
        session: u8,
        target: u8,
        signal: String,
    },
    Skip {
        from: u8,
        session: u8,
    },
    End {
        from: u8,
        session: u8,
    },
    Wait {
        seconds: u8,
    },
    /// With tokens that somebody was given, which may be another.
    Hello {
        from: u8,
        user: u8,
        resume: Option<u8>,
        received: Option<u8>,
        pair: Option<u8>,
    },
    /// Whatever a client says of numbers, true or not.
    Numbered {
        from: u8,
        kind: u8,
        id: Option<u8>,
        ack: Option<u64>,
        place: Option<u8>,
    },
    CreateRoom {
        from: u8,
        user: u8,
    },
    JoinRoom {
        from: u8,
        user: u8,
        code: u8,
    },
    /// Words, a report, or where its media goes.
    Beside {
        from: u8,
        kind: u8,
        session: Option<u8>,
        text: String,
    },
    Block {
        from: u8,
        user: Option<u8>,
    },
    Unblock {
        from: u8,
        user: u8,
    },
    Bar {
        user: u8,
        seconds: u8,
    },
    Unbar {
        user: u8,
    },
    Drain {
        spread: u8,
        grace: u8,
    },
    /// Another hub with the same secret, which is told what is on record.
    Restart,
}
