//! Checks of ICE, as far as a shared relay port wants them: whoever is to get something there must have asked, and been answered with success.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result, bail, ensure};
use hairpin_sim::{TurnEvent, build};
use hairpin_stun::{AttributeType, Class, Message, Method, TransactionId};

use crate::turn::Client;

/// Has each client ask the peer of its own that stands beside it, which says yes.
pub(crate) fn with_peers(clients: &mut [Client], peers: &[UdpSocket]) -> Result<()> {
    let mut buffer = [0; 2048];
    for (number, (client, peer)) in clients.iter_mut().zip(peers).enumerate() {
        let username = format!("peer{number}:client{number}");
        send(client, peer.local_addr()?, &check(number, 0, &username))?;
        let (len, from) = peer.recv_from(&mut buffer).context("no check at the peer")?;
        peer.send_to(&success(&buffer[..len])?, from)?;
        receive(client).context("no answer to a check")?;
    }
    Ok(())
}

/// Has clients 0 and 1 ask each other at the shared address, 2 and 3, and so on.
pub(crate) fn in_pairs(clients: &mut [Client], shared: &[SocketAddr]) -> Result<()> {
    for (pair, (clients, shared)) in clients.chunks_mut(2).zip(shared.chunks(2)).enumerate() {
        let [one, other] = clients else { bail!("somebody is alone") };
        let names = [format!("other{pair}:one{pair}"), format!("one{pair}:other{pair}")];
        // Nobody expects the first one yet; it says who its sender is.
        send(one, shared[0], &check(pair, 0, &names[0]))?;
        ask(other, one, shared[0], &check(pair, 1, &names[1]))?;
        ask(one, other, shared[0], &check(pair, 2, &names[0]))?;
    }
    Ok(())
}

fn ask(from: &mut Client, to: &mut Client, shared: SocketAddr, check: &[u8]) -> Result<()> {
    send(from, shared, check)?;
    let asked = receive(to).context("no check from the other client")?;
    ensure!(asked == check, "a client got something else than the check");
    send(to, shared, &success(&asked)?)?;
    receive(from).context("no answer to a check")?;
    Ok(())
}

fn send(client: &mut Client, to: SocketAddr, message: &[u8]) -> Result<()> {
    let indication = client.turn.send(to, message);
    Ok(client.socket.send(&indication)?)
}

fn receive(client: &mut Client) -> Result<Vec<u8>> {
    let packet = client.socket.receive_message()?;
    match client.turn.handle(&packet) {
        Some(TurnEvent::Data { payload, .. }) => Ok(payload),
        other => bail!("{other:?} in place of data"),
    }
}

fn check(number: usize, nth: u8, username: &str) -> Vec<u8> {
    let mut id = [nth; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    build(Class::Request, Method::BINDING, TransactionId(id), |writer| {
        writer.text(AttributeType::USERNAME, username).integrity(b"password");
    })
}

fn success(check: &[u8]) -> Result<Vec<u8>> {
    let check = Message::parse(check).ok().context("a check is a STUN message")?;
    Ok(build(Class::Success, Method::BINDING, check.transaction_id(), |writer| {
        writer.integrity(b"password");
    }))
}
