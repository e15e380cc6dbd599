//! Asks a server of ours for its health, as a container's health check does.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    channel::{self, InvalidUrl},
    deadline,
};

/// The longest that the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a server does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// It says so itself.
    #[error("the server on {listen} is not ready")]
    NotServing {
        /// Where it listens.
        listen: SocketAddr,
    },
    /// It gives no answer, or not in time.
    #[error("the server on {listen} does not answer: {}", .source.message())]
    Silent {
        /// Where it listens.
        listen: SocketAddr,
        /// What came instead.
        source: Box<Status>,
    },
    /// There is no URL for the address.
    #[error("the server on {listen} cannot be asked")]
    Address {
        /// Where it listens.
        listen: SocketAddr,
        /// What is wrong with it.
        source: InvalidUrl,
    },
}

/// Whether the server that listens on `listen` of this machine is ready, for all it serves; asks its
/// gRPC health service, for 2 s at most.
///
/// # Errors
/// [`Unhealthy`].
pub async fn probe(listen: SocketAddr) -> Result<(), Unhealthy> {
    let addresses = reachable(listen);
    let resolve = move || {
        let addresses = addresses.clone();
        async move { Ok(addresses) }
    };
    let channel = channel::connect_by(&format!("http://{listen}"), resolve)
        .map_err(|source| Unhealthy::Address { listen, source })?;
    let mut client = HealthClient::new(channel);
    let answer = deadline::within(PATIENCE, client.check(HealthCheckRequest::default())).await;
    let answer = answer.map_err(|source| Unhealthy::Silent { listen, source: Box::new(source) })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(Unhealthy::NotServing { listen }),
    }
}

/// Where a server on `listen` is reached from this machine.
fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let hosts = match listen.ip() {
        ip if !ip.is_unspecified() => vec![ip],
        IpAddr::V4(_) => vec![v4],
        // Where IPv6 is switched off, "all addresses" means those of IPv4.
        IpAddr::V6(_) => vec![v6, v4],
    };
    hosts.into_iter().map(|host| SocketAddr::new(host, listen.port())).collect()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        error::chain,
        harness::{BOUND, Echo, server_with},
        server::{Server, ServerArgs},
    };

    fn server(is_ready: bool) -> Server {
        let echo = Echo::new(|_| async { Ok(String::new()) });
        server_with(&ServerArgs::default(), echo).ready_when(move || async move { is_ready })
    }

    /// Asks until the answer is as wanted: a server is not ready in the instant that it starts.
    async fn until(listen: SocketAddr, wanted: impl Fn(&Result<(), Unhealthy>) -> bool) {
        let asking = async {
            while !wanted(&probe(listen).await) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(BOUND, asking).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_is_asked_over_loopback_wherever_it_listens() {
        for host in ["127.0.0.1", "0.0.0.0", "[::]"] {
            let listener = TcpListener::bind(format!("{host}:0")).await.unwrap();
            let listen = listener.local_addr().unwrap();
            let task = tokio::spawn(server(true).serve(listener, CancellationToken::new()));
            until(listen, Result::is_ok).await;
            task.abort();
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_ready_is_told_from_one_that_is_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let task = tokio::spawn(server(false).serve(listener, CancellationToken::new()));
        until(listen, |asked| matches!(asked, Err(Unhealthy::NotServing { .. }))).await;
        task.abort();
        until(listen, |asked| matches!(asked, Err(Unhealthy::Silent { .. }))).await;
        let text = chain(&probe(listen).await.unwrap_err());
        assert!(text.starts_with(&format!("the server on {listen} does not answer")), "{text}");
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let asked = probe(listener.local_addr().unwrap());
        let asked = tokio::time::timeout(BOUND, asked).await.unwrap();
        assert!(matches!(asked, Err(Unhealthy::Silent { .. })), "{asked:?}");
    }
}
