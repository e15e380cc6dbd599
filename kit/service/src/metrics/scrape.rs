//! A small HTTP server that Prometheus reads. It has no authentication: it belongs on a network that
//! clients do not reach.

use std::net::SocketAddr;

use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::text;
use crate::{
    http,
    listen::{BindError, bind},
};

/// Version 0.0.4 of the format is the text that every version of Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The server, until it is dropped.
#[must_use]
pub(crate) struct Scrape {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Scrape {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers `GET /metrics` on `addr`, also while the process drains.
///
/// # Errors
/// [`BindError`].
pub(crate) async fn serve(addr: SocketAddr) -> Result<Scrape, BindError> {
    let listener = bind(addr).await?;
    let addr = listener.local_addr().unwrap_or(addr);
    let router = Router::new().route("/metrics", get(metrics));
    let task = tokio::spawn(http::serve(listener, router, CancellationToken::new()));
    Ok(Scrape { addr, task })
}

async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, FORMAT)], text())
}
