//! Calls to other services.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tonic::{Status, body::Body};
use tower::Service;

use crate::source::Sources;

/// A channel to one service. Connects when the first call is made.
#[derive(Debug, Clone)]
pub struct Outbound {}

/// Why a service's URL is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{url} is not the URL of a service: it must read http://HOST:PORT or https://HOST:PORT")]
pub struct InvalidUrl {
    url: String,
}

/// A channel to the service at `url`.
///
/// # Errors
/// [`InvalidUrl`].
pub fn connect(_url: &str) -> Result<Outbound, InvalidUrl> {
    todo!()
}

impl Service<http::Request<Body>> for Outbound {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        todo!()
    }

    fn call(&mut self, _request: http::Request<Body>) -> Self::Future {
        todo!()
    }
}

/// Tries an idempotent call up to 3 times.
///
/// # Errors
/// The last status.
pub async fn retry<T>(
    _sources: &Sources,
    mut call: impl AsyncFnMut() -> Result<T, Status>,
) -> Result<T, Status> {
    call().await
}
