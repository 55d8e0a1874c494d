//! Clients of both wires whose sockets are cut wherever the input likes, servers that are started anew, and tokens of
//! any bytes: each signal is heard once and in order, and nobody is lost or told of a partner it does not have.
#![no_main]

use arbitrary::Arbitrary;
use hairpin_signaling::{Departure, Protocol};
use hairpin_sim::{Step, Wires};
use libfuzzer_sys::fuzz_target;

/// Few, so that they meet.
const CLIENTS: usize = 4;

/// A [`Step`], or a stranger's `hello`.
#[derive(Arbitrary, Debug)]
enum Move {
    Open(u8),
    Up(u8, u8),
    Down(u8, u8),
    Late(u8, u8),
    Cut(u8, u8, u8),
    Notice(u8),
    Goodbye(u8),
    Reload(u8),
    Join(u8),
    Leave(u8),
    Skip(u8),
    End(u8),
    Signal(u8, u8),
    Burst(u8),
    Ping(u8),
    Settle,
    Pass(u8),
    Restart,
    Stranger { token: String, epoch: String, pair_token: String, received: u64 },
}

#[derive(Arbitrary, Debug)]
struct Case {
    /// Which clients speak the old wire, by bits.
    old: u8,
    goodbye: bool,
    moves: Vec<Move>,
}

fuzz_target!(|case: Case| {
    let protocol = |n: usize| match case.old >> n & 1 {
        0 => Protocol::Resumable,
        _ => Protocol::Plain,
    };
    let mut wires = Wires::new(&std::array::from_fn::<_, CLIENTS, _>(protocol));
    // What takes long finds nothing more.
    for step in case.moves.into_iter().take(200) {
        run(&mut wires, step);
    }
    wires.heal();
    wires.all_leave(if case.goodbye { Departure::Goodbye } else { Departure::Lost });
});

fn run(wires: &mut Wires, step: Move) {
    let (who, few) = (usize::from, |count: u8| usize::from(count % 8));
    wires.apply(match step {
        Move::Open(client) => Step::Open(who(client)),
        Move::Up(client, count) => Step::Up(who(client), few(count)),
        Move::Down(client, count) => Step::Down(who(client), few(count)),
        Move::Late(client, count) => Step::Late(who(client), few(count)),
        Move::Cut(client, up, down) => Step::Cut(who(client), few(up), few(down)),
        Move::Notice(client) => Step::Notice(who(client)),
        Move::Goodbye(client) => Step::Goodbye(who(client)),
        Move::Reload(client) => Step::Reload(who(client)),
        Move::Join(client) => Step::Join(who(client)),
        Move::Leave(client) => Step::Leave(who(client)),
        Move::Skip(client) => Step::Skip(who(client)),
        Move::End(client) => Step::End(who(client)),
        Move::Signal(client, count) => Step::Signal(who(client), few(count)),
        Move::Burst(client) => Step::Signal(who(client), 300),
        Move::Ping(client) => Step::Ping(who(client)),
        Move::Settle => Step::Settle,
        Move::Pass(seconds) => Step::Pass(u64::from(seconds % 70)),
        Move::Restart => Step::Restart,
        Move::Stranger { token, epoch, pair_token, received } => {
            return wires.stranger(&token, &epoch, &pair_token, received);
        }
    });
}
