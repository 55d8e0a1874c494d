//! TCP connections: accepted by the worker that will serve them, told apart by their first byte.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hairpin_turn::{FiveTuple, Transport};
use tokio::net::{TcpListener, TcpStream};

use super::shard::Shard;
use super::{RelayContext, canonical, stream};
use crate::http::HttpStream;
use crate::net::{Speaks, sniff};

/// How long a connection may say nothing at all.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// How long to leave the listener alone when the process is out of file descriptors: connections wait in the
/// kernel's queue until some are closed.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Accepts connections until the workers stop.
pub(super) async fn accept(
    listener: TcpListener,
    shard: Rc<RefCell<Shard>>,
    context: Arc<RelayContext>,
) {
    loop {
        let accepted = tokio::select! {
            () = context.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (shard, context) = (shard.clone(), context.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = greet(stream, peer, &shard, &context).await {
                        tracing::debug!(%peer, %error, "connection dropped");
                    }
                });
            }
            // The client gave up while it waited.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Waits for the first byte and hands the connection to whom it concerns, with nothing consumed.
async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    shard: &RefCell<Shard>,
    context: &RelayContext,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    let peeked = tokio::select! {
        () = context.stop.cancelled() => return Ok(()),
        peeked = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut first)) => peeked??,
    };
    let local = stream.local_addr()?;
    match (peeked, sniff(first[0])) {
        (1, Speaks::Stun) => {
            let (client, server) = (canonical(peer), canonical(local));
            let tuple = FiveTuple { transport: Transport::Tcp, client, server };
            stream::serve(shard, stream, tuple, context.clock, &context.stop).await;
        }
        (1, Speaks::Http) => {
            let stream = HttpStream { stream: stream.into_std()?, peer: canonical(peer), local };
            // Nobody receives when the process is stopping; the connection closes.
            let _ = context.http.send(stream).await;
        }
        // Closed without a word, or something we do not speak: nothing to say either.
        _ => {}
    }
    Ok(())
}
