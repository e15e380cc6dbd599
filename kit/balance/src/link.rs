//! One connection to one address, used until it ends and never opened again.
//!
//! tonic's channel reconnects by itself, inside of the next call and without a word. Here it may not:
//! who owns the connection learns that it has ended, and a call that comes too late fails as one that
//! was certainly not sent.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::error::chain;

/// For TCP, TLS and HTTP/2 together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An open connection. A clone shares it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) channel: Channel,
    /// Is cancelled when the connection has ended, or takes no more calls.
    pub(crate) ended: CancellationToken,
}

impl Link {
    /// Connects to `address` as `endpoint` says, whatever its URL resolves to; or says why it cannot.
    pub(crate) async fn open(endpoint: &Endpoint, address: SocketAddr) -> Result<Self, String> {
        let ended = CancellationToken::new();
        let again = ended.clone();
        let mut first = Some(ended.clone());
        let connector = service_fn(move |_: Uri| {
            let first = first.take();
            if first.is_none() {
                again.cancel();
            }
            connect(address, first)
        });
        let failed = |cause: &str| format!("no connection to {address}: {cause}");
        let opening = endpoint.connect_with_connector(connector);
        match time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(channel)) => Ok(Self { channel, ended }),
            Ok(Err(failure)) => Err(failed(&chain(&failure))),
            Err(_) => Err(failed("no answer")),
        }
    }
}

async fn connect(
    address: SocketAddr,
    first: Option<CancellationToken>,
) -> io::Result<TokioIo<Wire>> {
    let ended = first.ok_or_else(|| io::Error::other("the connection has ended"))?;
    let ended = ended.drop_guard();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(Wire { stream, _ended: ended }))
}

/// A socket that tells when it is closed.
struct Wire {
    stream: TcpStream,
    _ended: DropGuard,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
