//! A gRPC channel that spreads calls over all addresses of a service.
//!
//! Each address has a connection of its own, opened with the first call and kept. A call goes to the
//! less busy of two connected addresses, and is sent to another one by itself only if it was certainly
//! not begun. What a server may have seen is never repeated: only the caller knows what may be.

mod backend;
mod balance;
mod error;
mod link;
mod random;
mod replay;
mod resolve;
pub mod timeout;
mod unsent;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response, Uri};
use tokio::time::{self, Instant};
use tonic::{
    body::Body,
    transport::{ClientTlsConfig, Endpoint},
};

pub use self::error::{Error, InvalidUrl};
use self::{balance::Balancer, resolve::Resolver};

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel to one service, over all its addresses. It connects when the first call is made, and
/// again when it must; a clone shares the connections.
#[derive(Debug, Clone)]
pub struct Channel {
    balancer: Arc<Balancer>,
}

impl Channel {
    /// A channel to the service at `url`. Use it inside the runtime.
    ///
    /// If the host is a name, it is resolved again every one to two seconds: new addresses get calls,
    /// those that are gone get none. A name that does not resolve for now keeps its addresses.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let (endpoint, default_port) = endpoint(url)?;
        let resolver = Resolver::of(endpoint.uri(), default_port);
        Ok(Self { balancer: Arc::new(Balancer::new(endpoint, resolver)) })
    }

    /// As [`Self::new`], but the addresses are those that `resolve` finds, asked as often as a name
    /// would be. The host of `url` is still what the servers are told, and what their certificates must
    /// name.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn with_resolver<F>(
        url: &str,
        resolve: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<Self, InvalidUrl>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let (endpoint, _) = endpoint(url)?;
        let balancer = Balancer::new(endpoint, Resolver::asking(resolve));
        Ok(Self { balancer: Arc::new(balancer) })
    }

    /// The service's URL.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.balancer.uri()
    }

    /// Makes a call, which fails if it is not answered before `until`. The server is told what is left
    /// of that time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn call(
        &self,
        request: Request<Body>,
        until: Instant,
    ) -> Result<Response<Body>, Error> {
        let answered = time::timeout_at(until, self.balancer.call(request, until)).await;
        answered.unwrap_or(Err(Error::DeadlineExceeded))
    }
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
    let tls = ClientTlsConfig::new().with_webpki_roots();
    Ok((endpoint.tls_config(tls).map_err(|_| invalid())?, 443))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_not_a_services_is_refused_by_name() {
        for url in ["", "localhost:1", "ftp://a:1", "http://a:1/path", "http://", "http://a b"] {
            let refused = Channel::new(url).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains("must read http://HOST")), "{url:?}");
        }
        assert!(Channel::new("http://127.0.0.1:1").is_ok());
        assert!(Channel::new("https://example.com:443").is_ok());
    }

    #[tokio::test]
    async fn a_password_in_a_url_is_refused_and_not_repeated() {
        let refused = Channel::new("http://user:hunter2@localhost:1").unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
