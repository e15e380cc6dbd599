//! Readiness: asked of the service every [`PERIOD`], answered by gRPC health.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time;
use tonic_health::{ServingStatus, server::HealthReporter};

const PERIOD: Duration = Duration::from_secs(2);

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) type Check = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// The health of the whole server, under the empty name, and of each of its services.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) reporter: HealthReporter,
    pub(super) names: Vec<&'static str>,
}

impl Health {
    pub(super) async fn set(&self, is_ready: bool) {
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in self.all() {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Ends the streams of those who watch.
    pub(super) async fn end(&self) {
        let mut reporter = self.reporter.clone();
        for name in self.all() {
            reporter.clear_service_status(name).await;
        }
    }

    /// Keeps health up to date, until it is dropped.
    pub(super) async fn follow(&self, check: Check) {
        let mut was_ready = None;
        loop {
            let is_ready = time::timeout(CHECK_TIMEOUT, check()).await.unwrap_or(false);
            if was_ready != Some(is_ready) {
                tracing::info!(is_ready, "readiness changed");
                self.set(is_ready).await;
                was_ready = Some(is_ready);
            }
            time::sleep(PERIOD).await;
        }
    }

    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied().chain([""])
    }
}
