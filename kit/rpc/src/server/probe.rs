//! Asks a server of ours for its health, as a container's health check does.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use kit_service::run;
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

/// Asks the server of the process `name` on `listen` for its health: exits with 0 if it is ready, and
/// otherwise with 1 and one sentence that says why. For a container's health check, which runs the
/// service's own program: its image holds no other.
#[must_use]
pub fn check_health(name: &str, listen: SocketAddr) -> ExitCode {
    run::run_task(name, probe(listen))
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
