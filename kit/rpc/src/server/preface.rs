//! Connections whose client never says that it speaks HTTP/2.
//!
//! hyper waits for a client's preface endlessly, and no keepalive pings before it: a few silent
//! connections would take all file descriptors of the process. Later the
//! keepalive and the deadlines limit a client.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{self, Sleep},
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long a client may take to send its preface.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// `PRI * HTTP/2.0`, an empty line, `SM`, an empty line.
const PREFACE_BYTES: usize = 24;

/// A connection that is broken off if its client has not greeted in time.
pub(super) struct PrefaceTimeout {
    stream: TcpStream,
    waiting: Option<Waiting>,
}

struct Waiting {
    missing_bytes: usize,
    limit: Pin<Box<Sleep>>,
}

impl PrefaceTimeout {
    pub(super) fn new(stream: TcpStream, limit: Duration) -> Self {
        let limit = Box::pin(time::sleep(limit));
        Self { stream, waiting: Some(Waiting { missing_bytes: PREFACE_BYTES, limit }) }
    }

    fn has_sent(&mut self, bytes: usize) {
        self.waiting = self.waiting.take().and_then(|waiting| {
            let missing_bytes = waiting.missing_bytes.saturating_sub(bytes);
            (missing_bytes > 0).then_some(Waiting { missing_bytes, ..waiting })
        });
    }
}

impl AsyncRead for PrefaceTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            self.has_sent(buffer.filled().len() - before);
            return Poll::Ready(read);
        }
        match &mut self.waiting {
            None => Poll::Pending,
            Some(waiting) => {
                ready!(waiting.limit.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for PrefaceTimeout {
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
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
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

impl Connected for PrefaceTimeout {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    async fn connected() -> (TcpStream, PrefaceTimeout) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), PrefaceTimeout::new(accepted.unwrap().0, SHORT))
    }

    #[tokio::test]
    async fn a_client_that_does_not_greet_is_cut_off() {
        for sent in ["", "PRI * HT"] {
            let (mut client, mut server) = connected().await;
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            let ended = server.read_to_end(&mut all).await.unwrap_err();
            assert_eq!((ended.kind(), all.len()), (io::ErrorKind::TimedOut, sent.len()));
        }
    }

    #[tokio::test]
    async fn a_client_that_has_greeted_may_be_silent() {
        let (mut client, mut server) = connected().await;
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut preface = [0; PREFACE_BYTES];
        server.read_exact(&mut preface).await.unwrap();
        assert!(time::timeout(4 * SHORT, server.read_u8()).await.is_err(), "it was cut off");
    }
}
