//! Calls to other services.
//!
//! Calls are spread over all addresses of a service. Every call carries the trace, and a deadline:
//! what is left of the current call's time minus a margin, so that the answer to "too late" still
//! arrives in time. Deliberately absent: repeating by itself what a server may have seen; only the
//! caller knows what may be repeated, and says so with [`retry`].

mod backend;
mod balance;
mod link;
mod replay;
mod resolve;
#[cfg(test)]
mod tests;
mod unsent;

use std::{
    error::Error,
    future::Future,
    io, iter,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use tokio::time::{self, Instant};
use tonic::{
    Status, TimeoutExpired,
    body::Body,
    transport::{self, ClientTlsConfig, Endpoint},
};
use tower::Service;

use self::{balance::Balancer, resolve::Resolver};
use crate::{
    deadline,
    env::Env,
    error::{Reason, Refusal, is_transient, retry_delay},
    metrics::rpc::Call,
    telemetry::calls::Made,
};

/// What is kept back of the current call's time for our own answer.
const MARGIN: Duration = Duration::from_millis(20);

/// The time of a call that is made outside of any other and states none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause before each further try, in milliseconds.
const PAUSES_MS: [u64; 2] = [200, 400];

/// A server that wants us to stay away for longer is not tried again.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A channel to one service, over all its addresses. It connects when the first call is made, and
/// again when it must; a clone shares the connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    balancer: Arc<Balancer>,
}

/// Why a service's URL is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{url} must read http://HOST:PORT or https://HOST:PORT")]
pub struct InvalidUrl {
    url: String,
}

/// A channel to the service at `url`. Use it inside the runtime.
///
/// If the host is a name, it is resolved again every one to two seconds: new addresses get calls,
/// those that are gone get none. A name that does not resolve for now keeps its addresses.
///
/// # Errors
/// [`InvalidUrl`].
pub fn connect(url: &str) -> Result<Outbound, InvalidUrl> {
    let (endpoint, default_port) = endpoint(url)?;
    let resolver = Resolver::of(endpoint.uri(), default_port);
    Ok(Outbound { balancer: Arc::new(Balancer::new(endpoint, resolver)) })
}

/// As [`connect`], but the addresses are those that `resolve` finds, asked as often as a name would be.
/// The host of `url` is still what the servers are told, and what their certificates must name.
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
    let (endpoint, _) = endpoint(url)?;
    let balancer = Balancer::new(endpoint, Resolver::asking(resolve));
    Ok(Outbound { balancer: Arc::new(balancer) })
}

/// How to connect, and to which port if `url` names none.
fn endpoint(url: &str) -> Result<(Endpoint, u16), InvalidUrl> {
    let invalid = || InvalidUrl { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| invalid())?;
    let is_root = matches!(uri.path_and_query().map_or("/", |path| path.as_str()), "" | "/");
    let is_https = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid()),
    };
    // A URL with a user's name or a password in it is refused unseen by the log.
    if uri.authority().is_none_or(|host| host.as_str().contains('@')) || !is_root {
        return Err(InvalidUrl { url: "the service's URL".to_owned() });
    }
    let endpoint = Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if !is_https {
        return Ok((endpoint, 80));
    }
    crate::auth::install_crypto();
    let tls = ClientTlsConfig::new().with_webpki_roots();
    Ok((endpoint.tls_config(tls).map_err(|_| invalid())?, 443))
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
        let asked = deadline::read(request.headers());
        let limit = left.into_iter().chain(asked).min().unwrap_or(DEFAULT_DEADLINE);
        let mut traced = Made::begin(call.method(), self.balancer.uri(), request.headers_mut());
        let balancer = Arc::clone(&self.balancer);
        let until = Instant::now() + limit;
        Box::pin(async move {
            let answer = if limit.is_zero() {
                Err(too_late())
            } else {
                let answered = time::timeout_at(until, balancer.call(request, until)).await;
                answered.unwrap_or_else(|_| Err(too_late()))
            };
            call.answered(&answer);
            traced.answered(&answer);
            answer
        })
    }
}

/// tonic calls its own timer's end CANCELLED; every other failure keeps the code it gives.
fn status(failure: transport::Error) -> Status {
    let outermost: &(dyn Error + 'static) = &failure;
    let mut causes = iter::successors(Some(outermost), |cause| (*cause).source());
    if causes.any(<dyn Error>::is::<TimeoutExpired>) {
        return too_late();
    }
    Status::from_error(Box::new(failure))
}

fn too_late() -> Status {
    Refusal::new(Reason::DeadlineExceeded, "the call's time was over before the answer came").into()
}

/// Makes an idempotent call, and up to twice more if it fails in a way that is likely to pass: the
/// service said so, or a transport failed. Pauses between tries, with full jitter or as long as the
/// service asks; stops when the pause would outlast the current call's time.
///
/// # Errors
/// The status of the last try.
pub async fn retry<T>(
    env: &Env,
    mut call: impl AsyncFnMut() -> Result<T, Status>,
) -> Result<T, Status> {
    for longest_pause_ms in PAUSES_MS {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        let asked = retry_delay(&status).unwrap_or_default();
        let jittered = env.jitter(Duration::from_millis(longest_pause_ms), 0.25, 1.0);
        let pause = jittered.max(asked);
        let is_too_long = deadline::remaining().is_some_and(|left| left <= pause + MARGIN);
        if !is_transient(&status) || asked > LONGEST_RETRY_DELAY || is_too_long {
            return Err(status);
        }
        tracing::debug!(code = ?status.code(), pause_ms = pause.as_millis(), "trying again");
        time::sleep(pause).await;
    }
    call().await
}
