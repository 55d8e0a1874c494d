//! Which worker serves a client, told from outside: it is the thread that wakes up when the client asks something.

use anyhow::{Context, Result, ensure};
use hairpin_sim::Request;

use crate::engine::Server;
use crate::relay::Workers;
use crate::turn::Client;

/// Questions a client asks while its server's threads are watched.
const QUESTIONS: u64 = 16;

/// Picks `count` of `clients` so that each two that follow one another are served as `workers` says, and both
/// workers serve equally many.
pub(crate) fn pair_up(
    server: &Server,
    clients: Vec<Client>,
    count: usize,
    workers: Workers,
) -> Result<Vec<Client>> {
    let mut homes: Vec<(u32, Vec<Client>)> = Vec::new();
    for mut client in clients {
        let thread = home(server, &mut client)?;
        match homes.iter_mut().find(|(id, _)| *id == thread) {
            Some((_, clients)) => clients.push(client),
            None => homes.push((thread, vec![client])),
        }
    }
    let threads: Vec<u32> = homes.iter().map(|(id, _)| *id).collect();
    let homes: Result<[_; 2], _> = homes.try_into();
    let [(_, one), (_, other)] =
        homes.ok().with_context(|| format!("two workers, but threads {threads:?} answer"))?;
    let dealt = deal(one, other, count, workers);
    dealt.context("nearly all clients came to one worker")
}

/// The thread of `server` that answers `client`.
fn home(server: &Server, client: &mut Client) -> Result<u32> {
    let before = server.wake_ups()?;
    for _ in 0..QUESTIONS {
        client.ask(Request::Binding)?;
    }
    let after = server.wake_ups()?;
    let woken = |(&id, &turns): (&u32, &u64)| (turns - before.get(&id).unwrap_or(&0), id);
    let (turns, id) = after.iter().map(woken).max().context("a server without threads")?;
    ensure!(turns >= QUESTIONS / 4, "no thread of the server wakes up for a client");
    Ok(id)
}

/// Takes two clients from either worker in turn for pairs within, one from either for pairs across.
fn deal<T>(one: Vec<T>, other: Vec<T>, count: usize, workers: Workers) -> Option<Vec<T>> {
    let at_once = match workers {
        Workers::TwoAcross => 1,
        Workers::TwoWithin | Workers::One => 2,
    };
    let mut hands = [one.into_iter(), other.into_iter()];
    (0..count).map(|card| hands[card / at_once % 2].next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_dealt_within_a_worker_or_across_both() {
        let hand = |name: char| vec![name; 5];
        let within = deal(hand('a'), hand('b'), 6, Workers::TwoWithin).unwrap();
        assert_eq!(within, ['a', 'a', 'b', 'b', 'a', 'a']);
        let across = deal(hand('a'), hand('b'), 6, Workers::TwoAcross).unwrap();
        assert_eq!(across, ['a', 'b', 'a', 'b', 'a', 'b']);
        assert_eq!(deal(hand('a'), Vec::new(), 4, Workers::TwoAcross), None);
    }
}
