//! Streams that the network cuts anywhere, both ways: the same answers and the same packets, in the same order.

use std::net::SocketAddr;

use hairpin_sim::{Request, Rng, TurnEvent};
#[cfg(feature = "tls")]
use hairpin_stun::Reader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::wire::{Client, Wire, http_get, receive_from};
use super::{builder, loopback, start};
#[cfg(feature = "tls")]
use crate::tls::Authority;

const CHANNEL: u16 = 0x4001;
/// Sequences of cuts that are tried.
const SEEDS: u64 = 8;

#[tokio::test]
async fn c153_c154_a_stream_cut_anywhere_gives_the_same_results() {
    let server = start(builder()).await;
    for seed in 0..SEEDS {
        let (cable, carried) = cable(server.addresses().turn_tcp[0], seed).await;
        let answer = http_get(cable, "/v1/ice").await;
        assert!(answer.contains("iceServers"), "{answer}");
        carried.await.expect("the cable carries all");

        let (cable, _carried) = self::cable(server.addresses().turn_tcp[0], seed).await;
        converse(Wire::tcp(cable).await, seed).await;
    }
    server.shutdown().await;
}

/// Handshakes and records are cut as well as what is in them.
#[cfg(feature = "tls")]
#[tokio::test]
async fn c153_c154_a_stream_under_tls_cut_anywhere_gives_the_same_results() {
    let authority = Authority::new();
    let server = start(authority.certify(builder())).await;
    for seed in 0..SEEDS {
        let (cable, _carried) = cable(server.addresses().turn_tcp[0], seed).await;
        let stream = authority.connect(cable, &[]).await;
        converse(Wire::Tls(Box::new(stream), Reader::new()), seed).await;
    }
    server.shutdown().await;
}

/// Requests and packets of all kinds in one go, and packets back.
async fn converse(wire: Wire, seed: u64) {
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let there = peer.local_addr().expect("bound");
    let mut client = Client::new(wire);
    let request = client.turn.allocate();
    client.wire.send(&request).await;
    let TurnEvent::Allocated { relayed, .. } = client.event().await else {
        panic!("there is room")
    };

    let mut rng = Rng::new(seed);
    let mut stream = client.turn.bind_channel(CHANNEL, there);
    let mut answers = vec![TurnEvent::ChannelBound(CHANNEL, there)];
    let mut payloads = Vec::new();
    for n in 0..40 {
        let length = [0, 1, 2, 3, 160, 1200, 5000][rng.below(7) as usize];
        let payload: Vec<u8> = (0..length).map(|at| (at + n) as u8).collect();
        match rng.below(5) {
            0 => {
                stream.extend(client.turn.request(Request::Refresh(600 + n)));
                answers.push(TurnEvent::Refreshed(600 + n));
            }
            1 => {
                stream.extend(client.turn.permit(&[there]));
                answers.push(TurnEvent::Permitted(vec![there]));
            }
            2 | 3 => {
                stream.extend(client.turn.send_on_channel(CHANNEL, &payload));
                payloads.push(payload);
            }
            _ => {
                stream.extend(client.turn.send(there, &payload));
                payloads.push(payload);
            }
        }
    }
    client.wire.send(&stream).await;
    for answer in answers {
        assert_eq!(client.event().await, answer, "seed {seed}");
    }
    let mut buffer = vec![0; 65_536];
    for payload in &payloads {
        let (length, from) = receive_from(&peer, &mut buffer).await;
        assert_eq!((&buffer[..length], from), (&payload[..], relayed), "seed {seed}");
    }
    for payload in payloads {
        peer.send_to(&payload, relayed).await.expect("loopback takes it");
        assert_eq!(client.data().await, (there, payload), "seed {seed}");
    }
    client.release().await;
}

/// Carries one connection to the server, cut into segments of its own. It ends with both sides.
async fn cable(server: SocketAddr, seed: u64) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(loopback(0)).await.expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    let carried = tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("somebody connects");
        let server = TcpStream::connect(server).await.expect("it listens");
        for end in [&client, &server] {
            end.set_nodelay(true).expect("a plain option");
        }
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let rng = Rng::new(seed);
        tokio::join!(
            carry(from_client, to_server, rng.clone()),
            carry(from_server, to_client, rng)
        );
    });
    (address, carried)
}

/// Until one side ends, or the other takes no more.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut rng: Rng) {
    // Some connections arrive byte by byte, some in small pieces, some in large ones.
    let most = [1, 7, 50, 3000][rng.below(4) as usize];
    let mut buffer = vec![0; 4096];
    loop {
        let segment = 1 + rng.below(most) as usize;
        match from.read(&mut buffer[..segment]).await {
            Ok(length @ 1..) if to.write_all(&buffer[..length]).await.is_ok() => {}
            _ => return drop(to.shutdown().await),
        }
        // Who is on the other side has a chance to see it as it is.
        tokio::task::yield_now().await;
    }
}
