//! Calls to other services.
//!
//! Every call carries the trace, and a deadline: what is left of the current call's time minus a
//! margin, so that the answer to "too late" still arrives in time. Deliberately absent: retries by
//! themselves; only the caller knows what may be repeated, and says so with [`retry`].

use std::{
    error::Error,
    iter, mem,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use tokio::time;
use tonic::{
    Status, TimeoutExpired,
    body::Body,
    transport::{self, Channel, ClientTlsConfig, Endpoint},
};
use tower::Service;

use crate::{
    deadline,
    error::{Reason, Refusal, is_transient, retry_delay},
    source::Sources,
    telemetry,
};

/// What is kept back of the current call's time for our own answer.
const MARGIN: Duration = Duration::from_millis(20);

/// The time of a call that is made outside of any other and states none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause before each further try, in milliseconds.
const PAUSES_MS: [u64; 2] = [200, 400];

/// A server that wants us to stay away for longer is not tried again.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A channel to one service. It connects when the first call is made, and again when it must; a
/// clone shares the connection.
#[derive(Debug, Clone)]
pub struct Outbound {
    channel: Channel,
}

/// Why a service's URL is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{url} must read http://HOST:PORT or https://HOST:PORT")]
pub struct InvalidUrl {
    url: String,
}

/// A channel to the service at `url`. Call it inside the runtime.
///
/// # Errors
/// [`InvalidUrl`].
pub fn connect(url: &str) -> Result<Outbound, InvalidUrl> {
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
    let mut endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if is_https {
        crate::auth::install_crypto();
        let tls = ClientTlsConfig::new().with_webpki_roots();
        endpoint = endpoint.tls_config(tls).map_err(|_| invalid())?;
    }
    Ok(Outbound { channel: endpoint.connect_lazy() })
}

impl Service<Request<Body>> for Outbound {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(status)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let left = deadline::remaining().map(|left| left.saturating_sub(MARGIN));
        let asked = deadline::read(request.headers());
        let limit = left.into_iter().chain(asked).min().unwrap_or(DEFAULT_DEADLINE);
        if limit.is_zero() {
            return Box::pin(async { Err(too_late()) });
        }
        deadline::write(request.headers_mut(), limit);
        telemetry::pass_trace_on(request.headers_mut());
        // The channel that was polled ready makes the call; its clone takes its place.
        let clone = self.channel.clone();
        let mut channel = mem::replace(&mut self.channel, clone);
        Box::pin(async move {
            match time::timeout(limit, channel.call(request)).await {
                Ok(answered) => answered.map_err(status),
                Err(_) => Err(too_late()),
            }
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
    sources: &Sources,
    mut call: impl AsyncFnMut() -> Result<T, Status>,
) -> Result<T, Status> {
    for longest_pause_ms in PAUSES_MS {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        let asked = retry_delay(&status).unwrap_or_default();
        let jittered = sources.jitter(Duration::from_millis(longest_pause_ms), 0.25, 1.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_not_a_services_is_refused_by_name() {
        for url in ["", "localhost:1", "ftp://a:1", "http://a:1/path", "http://", "http://a b"] {
            let refused = connect(url).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains("must read http://HOST")), "{url:?}");
        }
        assert!(connect("http://127.0.0.1:1").is_ok());
        assert!(connect("https://example.com:443").is_ok());
    }

    #[tokio::test]
    async fn a_password_in_a_url_is_refused_and_not_repeated() {
        let refused = connect("http://user:hunter2@localhost:1").unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }

    fn sources() -> Sources {
        Sources::seeded(1, ::time::OffsetDateTime::UNIX_EPOCH)
    }

    async fn tries(status: impl Fn() -> Status) -> usize {
        let mut count = 0;
        let sources = sources();
        let ended = retry(&sources, async || {
            count += 1;
            Err::<(), _>(status())
        });
        assert_eq!(ended.await.unwrap_err().code(), status().code());
        count
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        assert_eq!(tries(|| Status::unavailable("tcp connect error")).await, 3);
        assert_eq!(tries(|| Refusal::new(Reason::Unavailable, "").into()).await, 3);
        assert_eq!(tries(|| Refusal::new(Reason::CartNotFound, "").into()).await, 1);
        assert_eq!(tries(|| Refusal::new(Reason::DeadlineExceeded, "").into()).await, 1);
    }

    #[tokio::test]
    async fn no_pause_outlasts_the_current_call() {
        let shed = |after: Duration| {
            tries(move || Refusal::new(Reason::Overloaded, "").retry_after(after).into())
        };
        let second = Duration::from_secs(1);
        assert_eq!(deadline::within(second, shed(2 * second)).await, 1);
        assert_eq!(shed(Duration::from_millis(10)).await, 3);
    }

    #[tokio::test]
    async fn a_server_that_wants_to_be_left_alone_is() {
        let later = Duration::from_mins(1);
        assert_eq!(
            tries(|| Refusal::new(Reason::Overloaded, "").retry_after(later).into()).await,
            1
        );
    }
}
