//! Taking a port.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// Listens on `addr`; port 0 takes a free one.
///
/// # Errors
/// [`BindError::Taken`] if another process listens there.
pub async fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { addr },
        _ => BindError::Other { addr, source },
    })
}

/// Why an address could not be taken.
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let addr = taken.local_addr().unwrap();
        let refused = bind(addr).await.unwrap_err().to_string();
        assert!(refused.starts_with(&format!("port {} is taken", addr.port())), "{refused}");
    }
}
