//! A gRPC server with health, reflection, limits, deadlines and a bounded drain.

use std::{convert::Infallible, future::Future, io, net::SocketAddr};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, server::NamedService};
use tower::Service;

use crate::{auth::Authenticator, source::Sources};

/// Limits of a server.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Calls at work at most; more are shed with RESOURCE_EXHAUSTED
    #[arg(long, env = "OXCART_MAX_IN_FLIGHT", default_value_t = 512, value_name = "N")]
    pub max_in_flight: usize,
    /// Bytes of one request message at most
    #[arg(long, env = "OXCART_MAX_MESSAGE_BYTES", default_value_t = 4 * 1024 * 1024, value_name = "BYTES")]
    pub max_message_bytes: usize,
}

/// A server in the making.
#[must_use]
pub struct Server {}

impl Server {
    /// A server for the service `name`, ready as soon as it serves.
    pub fn new(_name: &'static str, _args: &ServerArgs, _sources: Sources) -> Self {
        todo!()
    }

    /// Verifies the tokens of calls.
    pub fn authenticator(self, _authenticator: Authenticator) -> Self {
        todo!()
    }

    /// Adds a generated service.
    pub fn add_service<S>(self, _service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        todo!()
    }

    /// Asks `check` every 2 s whether the service is ready; health answers that.
    pub fn ready_when<F, Fut>(self, _check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        todo!()
    }

    /// Serves until `shutdown`, then drains.
    ///
    /// # Errors
    /// See [`ServeError`].
    #[expect(clippy::unused_async, reason = "filled in soon")]
    pub async fn serve(
        self,
        _listener: TcpListener,
        _shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        todo!()
    }
}

/// Why a server stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("the server failed")]
pub struct ServeError(#[source] tonic::transport::Error);

/// Is cancelled when the server that took `request` begins to shut down: a stream must end then.
#[must_use]
pub fn shutdown_signal<T>(_request: &tonic::Request<T>) -> CancellationToken {
    todo!()
}

/// Binds `addr`; port 0 takes a free one.
///
/// # Errors
/// A sentence that names the address and what to do.
#[expect(clippy::unused_async, reason = "filled in soon")]
pub async fn bind(_addr: SocketAddr) -> Result<TcpListener, BindError> {
    todo!()
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("port {} is taken: stop what listens on {addr}, or choose another port", addr.port())]
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {addr}")]
    Other {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
