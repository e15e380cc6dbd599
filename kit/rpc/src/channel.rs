//! Calls to other services.
//!
//! Calls are spread over all addresses of a service. Every call carries the trace, and a deadline:
//! what is left of the current call's time minus a margin, so that the answer to "too late" still
//! arrives in time. Nothing is repeated here that a server may have seen: only the caller knows what
//! may be, and says so with [`retry`](crate::retry).

use std::{
    future::Future,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use kit_balance::{Channel, timeout};
use oxcart_proto::{Reason, Refusal};
use tokio::time::Instant;
use tonic::{Status, body::Body};
use tower::Service;

use crate::{calls::Made, deadline, metrics::Call};

/// What is kept back of the current call's time for our own answer.
pub(crate) const MARGIN: Duration = Duration::from_millis(20);

/// The time of a call that is made outside of any other and states none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// A channel to one service, over all its addresses. It connects when the first call is made, and
/// again when it must; a clone shares the connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    channel: Channel,
}

/// Why a service's URL is wrong.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidUrl(#[from] kit_balance::InvalidUrl);

/// A channel to the service at `url`; see [`Channel::new`].
///
/// # Errors
/// [`InvalidUrl`].
pub fn connect(url: &str) -> Result<Outbound, InvalidUrl> {
    Ok(Outbound { channel: Channel::new(url)? })
}

/// As [`connect`], but the addresses are those that `resolve` finds; see [`Channel::with_resolver`].
///
/// # Errors
/// [`InvalidUrl`].
pub fn connect_by<F>(
    url: &str,
    resolve: impl Fn() -> F + Send + Sync + 'static,
) -> Result<Outbound, InvalidUrl>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
{
    Ok(Outbound { channel: Channel::with_resolver(url, resolve)? })
}

impl Service<Request<Body>> for Outbound {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut call = Call::made(request.uri().path());
        let left = deadline::remaining().map(|left| left.saturating_sub(MARGIN));
        let asked = timeout::read(request.headers());
        let limit = left.into_iter().chain(asked).min().unwrap_or(DEFAULT_DEADLINE);
        let mut traced = Made::begin(call.method(), self.channel.uri(), request.headers_mut());
        let channel = self.channel.clone();
        let until = Instant::now() + limit;
        Box::pin(async move {
            let answer = if limit.is_zero() {
                Err(too_late())
            } else {
                channel.call(request, until).await.map_err(status)
            };
            call.answered(&answer);
            traced.answered(&answer);
            answer
        })
    }
}

fn status(error: kit_balance::Error) -> Status {
    match error {
        kit_balance::Error::DeadlineExceeded => too_late(),
        error => error.into(),
    }
}

fn too_late() -> Status {
    Refusal::new(Reason::DeadlineExceeded, "the call's time was over before the answer came").into()
}
