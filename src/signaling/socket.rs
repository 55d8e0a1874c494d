//! One WebSocket.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hairpin_signaling::{CloseCode, ConnectionId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::handle::{HubHandle, Outgoing, QUEUE};
use crate::ice::IceUrls;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest message in bytes.
    pub(crate) max_message: usize,
}

/// How long the kernel may have no room for what is queued.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closed client may take to notice.
const LINGER: Duration = Duration::from_secs(3);

/// Pings and pongs count as life at most this often: they are not metered like messages.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// What is gathered before it is written: what is queued together leaves together, with one system call.
const WRITE_BUFFER: usize = 4 * 1024;

/// What the hub puts around a client's message when it passes it on, and more than that.
const ENVELOPE: usize = 4 * 1024;

/// Carries messages between a client and the hub until one of them ends it. `stream` carries WebSocket frames,
/// whatever is below; `read` is what the client has sent after its handshake, `ice` where it finds the relay.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    read: Vec<u8>,
    ice: IceUrls,
    hub: &HubHandle,
    limits: Limits,
) {
    let config = config(limits);
    let mut socket =
        WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await;
    let (id, mut queue) = hub.connect(ice).await;
    let end = carry(&mut socket, id, &mut queue, hub).await;
    drop(queue);
    let close = match end {
        End::Gone => None,
        End::Close(frame) => Some(frame),
    };
    hub.disconnected(id, close.as_ref().map(|frame| frame.code.into())).await;
    if let Some(frame) = close {
        // A client that does not even take this has had its time.
        let _ = timeout(WRITE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
        let _ = timeout(LINGER, linger(socket.get_mut())).await;
    }
}

/// The defaults are for few connections and long messages: 256 KiB of buffers each, and no bound on
/// what waits to be written. What is queued together is written together.
fn config(Limits { max_message }: Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(2 * (max_message + ENVELOPE))
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// How a connection ends.
enum End {
    /// The client has closed it, or is out of reach.
    Gone,
    /// We close it, and say why.
    Close(CloseFrame),
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Close(CloseFrame { code: code.code().into(), reason: code.reason().into() })
    }
}

/// What the client did wrong, in the codes of RFC 6455 s7.4.1.
impl From<Error> for End {
    fn from(error: Error) -> Self {
        let (code, reason) = match error {
            Error::Capacity(_) => return CloseCode::MessageTooBig.into(),
            Error::Utf8(_) => (WireCode::Invalid, "text that is not UTF-8"),
            Error::Protocol(_) => (WireCode::Protocol, "not WebSocket"),
            _ => return Self::Gone,
        };
        Self::Close(CloseFrame { code, reason: reason.into() })
    }
}

async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    id: ConnectionId,
    queue: &mut mpsc::Receiver<Outgoing>,
    hub: &HubHandle,
) -> End {
    let mut batch = Vec::new();
    let mut alive = Instant::now();
    loop {
        tokio::select! {
            received = queue.recv_many(&mut batch, QUEUE) => {
                if received == 0 {
                    return CloseCode::SlowReader.into();
                }
                match timeout(WRITE_TIMEOUT, write(socket, &mut batch)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(code))) => return code.into(),
                    Ok(Err(_)) | Err(_) => return End::Gone,
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => hub.text(id, text).await,
                Some(Ok(Message::Binary(_))) => hub.binary(id).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    if alive.elapsed() >= ALIVE_INTERVAL {
                        alive = Instant::now();
                        hub.alive(id).await;
                    }
                }
                Some(Ok(Message::Close(_))) => {
                    // Sends the answer, which is queued already.
                    let _ = timeout(WRITE_TIMEOUT, socket.flush()).await;
                    return End::Gone;
                }
                Some(Err(error)) => return error.into(),
                None => return End::Gone,
            },
        }
    }
}

/// Writes what is queued, up to a reason to close.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    batch: &mut Vec<Outgoing>,
) -> Result<Option<CloseCode>, Error> {
    let mut close = None;
    for outgoing in batch.drain(..) {
        let message = match outgoing {
            Outgoing::Text(text) => Message::Text(text.into()),
            Outgoing::Ping => Message::Ping(Bytes::new()),
            Outgoing::Close(code) => {
                close = Some(code);
                break;
            }
        };
        socket.feed(message).await?;
    }
    socket.flush().await?;
    Ok(close)
}

/// Lets the client read the close frame. Closing while there is something unread from it would send a
/// reset, which overtakes what we have said last.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream.shutdown().await?;
    // On the heap: every socket's task would carry it.
    let mut unread = vec![0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
