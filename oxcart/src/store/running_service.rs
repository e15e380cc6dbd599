//! One running service: a runtime of its own, so that it can end without the others.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    sync::oneshot,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Cause, Service, StartError};

/// How long a service may take to become healthy.
const START_SECONDS: u64 = 30;

/// How long a service may take to end: its drain, and a margin.
const STOP_SECONDS: u64 = 20;

/// How long to wait for the threads of a killed service.
const KILL_WAIT: Duration = Duration::from_secs(5);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A service that runs.
pub(super) struct RunningService {
    service: Service,
    /// None only while it is taken down.
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    ended: oneshot::Receiver<Result<(), Cause>>,
}

impl RunningService {
    /// Runs what `serve` makes until it ends or the member is stopped.
    pub(super) fn spawn<F>(
        service: Service,
        runtime: Runtime,
        serve: impl FnOnce(CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let (tell, ended) = oneshot::channel();
        let serving = serve(shutdown.clone());
        runtime.spawn(async move {
            // Nobody listens any more if the member was killed meanwhile.
            let _ = tell.send(serving.await);
        });
        Self { service, runtime: Some(runtime), shutdown, ended }
    }

    /// Waits until the service says that it is healthy.
    pub(super) async fn healthy(&mut self, address: SocketAddr) -> Result<(), StartError> {
        let service = self.service;
        tokio::select! {
            ended = &mut self.ended => Err(failed(service, ended)),
            healthy = timeout(Duration::from_secs(START_SECONDS), until_serving(address)) => {
                healthy.map_err(|_| StartError::Slow {
                    service,
                    what: "become healthy",
                    seconds: START_SECONDS,
                })
            }
        }
    }

    pub(super) async fn stop(mut self) -> Result<(), StartError> {
        self.shutdown.cancel();
        let ended = timeout(Duration::from_secs(STOP_SECONDS), &mut self.ended).await;
        let service = self.service;
        self.kill().await;
        match ended {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(ended) => Err(failed(service, ended)),
            Err(_) => Err(StartError::Slow { service, what: "stop", seconds: STOP_SECONDS }),
        }
    }

    pub(super) async fn kill(mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // Waiting for the threads makes sure that the port and the files are free afterwards.
        let down = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(KILL_WAIT));
        if down.await.is_err() {
            tracing::warn!("a thread of the {} service panicked while it was killed", self.service);
        }
    }

    pub(super) fn poll_failure(&mut self, context: &mut Context<'_>) -> Poll<StartError> {
        Pin::new(&mut self.ended).poll(context).map(|ended| failed(self.service, ended))
    }
}

impl Drop for RunningService {
    /// A runtime must not be dropped where blocking is not allowed, as in a test that fails.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn failed(
    service: Service,
    ended: Result<Result<(), Cause>, oneshot::error::RecvError>,
) -> StartError {
    let source = match ended {
        Ok(Err(cause)) => cause,
        Ok(Ok(())) => "it ended without being told to".into(),
        Err(_) => "it panicked".into(),
    };
    StartError::Failed { service, source }
}

/// Waits, for ever if need be, until the service at `address` says that it is healthy.
pub async fn until_serving(address: SocketAddr) {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if is_serving(address).await == Some(true) {
            return;
        }
    }
}

async fn is_serving(address: SocketAddr) -> Option<bool> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
    let channel = endpoint.connect().await.ok()?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.ok()?;
    Some(answer.into_inner().status() == ServingStatus::Serving)
}
