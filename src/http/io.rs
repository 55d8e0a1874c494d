//! A socket some of whose bytes have been read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::AsyncIo;

/// Gives back what was read before it goes on with what is below.
#[derive(Debug)]
pub(super) struct Reread {
    already_read: Vec<u8>,
    /// How many of these have been given back.
    given: usize,
    stream: AsyncIo,
}

impl Reread {
    pub(super) fn new(already_read: Vec<u8>, stream: AsyncIo) -> Self {
        Self { already_read, given: 0, stream }
    }

    /// The socket, and what has not been given back.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, AsyncIo) {
        (self.already_read.split_off(self.given), self.stream)
    }
}

impl AsyncRead for Reread {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { already_read, given, stream } = &mut *self;
        let left = &already_read[*given..];
        if left.is_empty() {
            return Pin::new(stream).poll_read(context, buffer);
        }
        let now = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..now]);
        *given += now;
        if *given == already_read.len() {
            (*already_read, *given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Reread {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
