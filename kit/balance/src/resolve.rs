//! Which addresses a service has, asked again and again.

use std::{future::Future, io, net::IpAddr, net::SocketAddr, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::Uri;
use tokio::net::lookup_host;

/// Asks for the addresses.
pub(crate) type Ask =
    Arc<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// How the addresses of a service are found.
#[derive(Clone)]
pub(crate) enum Resolver {
    /// The URL names the one address.
    Fixed(SocketAddr),
    /// They are asked for, and may change.
    Asked(Ask),
}

impl Resolver {
    /// The system's resolver, for the host that `uri` names.
    pub(crate) fn of(uri: &Uri, default_port: u16) -> Self {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(default_port);
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self::Fixed(SocketAddr::new(ip, port));
        }
        Self::asking(move || {
            let host = host.clone();
            async move { Ok(lookup_host((host, port)).await?.collect()) }
        })
    }

    pub(crate) fn asking<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self::Asked(Arc::new(move || ask().boxed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(url: &str) -> Option<String> {
        match Resolver::of(&url.parse().unwrap(), 443) {
            Resolver::Fixed(address) => Some(address.to_string()),
            Resolver::Asked(_) => None,
        }
    }

    #[tokio::test]
    async fn an_address_is_taken_as_it_is_and_a_name_is_asked_for() {
        assert_eq!(fixed("http://127.0.0.1:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(fixed("https://[::1]").as_deref(), Some("[::1]:443"));
        assert_eq!(fixed("http://cart-svc:50052"), None);
        let Resolver::Asked(ask) = Resolver::of(&Uri::from_static("http://localhost:7"), 80) else {
            panic!("localhost is a name")
        };
        let found = ask().await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        assert!(!found.is_empty());
    }
}
