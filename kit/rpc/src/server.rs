//! A gRPC server with health, reflection, limits, deadlines and a bounded drain.
//!
//! Deliberately absent: TLS and rate limits per caller, which belong to what stands before it.

mod args;
mod health;
mod layers;
mod normalize;
mod preface;
mod probe;
mod trace;

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use axum::middleware::from_fn_with_state;
use futures_util::TryStreamExt as _;
use kit_service::Env;
use tokio::{net::TcpListener, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{self, server::TcpIncoming},
};
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use tower::Service;

use crate::auth::Authenticator;
use health::{Check, Health};
use layers::{Completion, ConcurrencyLimit, Shutdown};
use preface::PrefaceTimeout;

pub use args::ServerArgs;
pub use probe::{Unhealthy, check_health, probe};
pub use trace::quiet;

/// How often a connection is pinged, and how long the answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server in the making.
#[must_use]
pub struct Server {
    name: &'static str,
    args: ServerArgs,
    env: Env,
    authenticator: Option<Authenticator>,
    check: Check,
    routes: Routes,
    services: Vec<&'static str>,
}

/// Why a server ended before it was told to, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("the server failed")]
    Transport(#[source] transport::Error),
    /// The contract's descriptors do not decode: a broken build.
    #[error("reflection cannot be set up")]
    Reflection(#[source] tonic_reflection::server::Error),
}

impl Server {
    /// A server of the process `name`, ready as soon as it serves.
    pub fn new(name: &'static str, args: &ServerArgs, env: Env) -> Self {
        Self {
            name,
            args: args.clone(),
            env,
            authenticator: None,
            check: Arc::new(|| Box::pin(async { true })),
            routes: Routes::default(),
            services: Vec::new(),
        }
    }

    /// Verifies the tokens of calls; a handler asks [`Caller::of`](crate::auth::Caller::of).
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// Adds a generated service. Its own limit of message bytes is the service's to set, from
    /// [`ServerArgs::max_message_bytes`].
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(service);
        self.services.push(S::NAME);
        self
    }

    /// Asks `check` every 2 s whether the service can do its work; health answers that.
    pub fn ready_when<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.check = Arc::new(move || Box::pin(check()));
        self
    }

    /// Serves until `shutdown` is cancelled. Then health says `NOT_SERVING`, for
    /// [`ServerArgs::lame_duck_seconds`] all goes on as before; after that no more calls are taken, and
    /// those at work have [`ServerArgs::drain_seconds`]. Whoever is not done then is left behind, and
    /// the log says so.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr();
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = Health { reporter, names: self.services.clone() };
        health.set(false).await;
        let stop = CancellationToken::new();
        let completion = Completion::new(&self.args, stop.clone());
        let work = completion.tracker.clone();
        let (name, lame_duck, drain_limit) = (self.name, self.args.lame_duck(), self.args.drain());
        let check = Arc::clone(&self.check);
        let mut builder = builder(&self.args);
        let routes = self.routes(completion, health_service)?.prepare();
        let serving = builder.add_routes(routes).serve_with_incoming_shutdown(
            TcpIncoming::from(listener)
                .with_nodelay(Some(true))
                .map_ok(|stream| PrefaceTimeout::new(stream, preface::LIMIT)),
            stop.clone().cancelled_owned(),
        );
        let mut serving = pin!(serving);
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(service = name, address, "{name} serves on {address}");
        tokio::select! {
            ended = &mut serving => return ended.map_err(ServeError::Transport),
            () = health.follow(check) => {}
            () = shutdown.cancelled() => {}
        }
        health.set(false).await;
        if let Some(ended) = linger(name, &mut serving, lame_duck).await {
            return ended.map_err(ServeError::Transport);
        }
        tracing::info!("{name} drains");
        stop.cancel();
        // Bounded here: the drain of a connection may never end by itself (hyperium/hyper#4170).
        let drained = time::timeout(drain_limit, drain(serving, &work, &health)).await;
        drained.unwrap_or_else(|_| {
            tracing::warn!(calls_at_work = work.len(), "{name} stops with calls still open");
            Ok(())
        })
    }

    fn routes<H: HealthService>(
        self,
        completion: Completion,
        health: HealthServer<H>,
    ) -> Result<Routes, ServeError> {
        let (v1, v1alpha) = (self.reflection().build_v1(), self.reflection().build_v1alpha());
        let limit = ConcurrencyLimit::new(self.name, &self.args, self.env);
        let router = self
            .routes
            .into_axum_router()
            .layer(from_fn_with_state(self.authenticator, layers::authenticate))
            .layer(from_fn_with_state(limit, layers::limit_in_flight))
            .layer(from_fn_with_state(completion, layers::run_to_completion))
            .layer(from_fn_with_state(self.name, trace::trace));
        // Health and reflection stay outside: they are answered under load, and to anybody.
        Ok(Routes::from(router)
            .add_service(v1.map_err(ServeError::Reflection)?)
            .add_service(v1alpha.map_err(ServeError::Reflection)?)
            .add_service(health))
    }

    /// Names only what this server serves: the contract holds all services. The messages of error
    /// details come along, so that clients without the contract can show them.
    fn reflection(&self) -> tonic_reflection::server::Builder<'static> {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(oxcart_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        self.services.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    }
}

/// Goes on as before for so long; says how the server ended if it did so meanwhile.
async fn linger<T>(name: &str, serving: impl Future<Output = T>, lame_duck: Duration) -> Option<T> {
    if lame_duck.is_zero() {
        return None;
    }
    tracing::info!("{name} takes calls for {lame_duck:?} more, and says that it is not ready");
    time::timeout(lame_duck, serving).await.ok()
}

/// Waits for the connections, and for the work whose client is gone already.
async fn drain(
    serving: impl Future<Output = Result<(), transport::Error>>,
    work: &TaskTracker,
    health: &Health,
) -> Result<(), ServeError> {
    work.close();
    let finish = async {
        work.wait().await;
        health.end().await;
    };
    let (ended, ()) = tokio::join!(serving, finish);
    work.wait().await;
    ended.map_err(ServeError::Transport)
}

fn builder(args: &ServerArgs) -> transport::Server {
    // Without max_connection_age_grace: tonic 0.14.9 then leaves out the graceful end, and cuts the
    // connection in the middle of calls. No call lasts longer than the longest deadline anyway.
    transport::Server::builder()
        .max_concurrent_streams(args.max_concurrent_streams)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(Duration::from_secs(args.max_connection_age_seconds))
}

/// Is cancelled when the server that took `request` begins to drain. A stream must end then: the drain
/// waits for it.
#[must_use]
pub fn shutdown_signal<T>(request: &tonic::Request<T>) -> CancellationToken {
    let found = request.extensions().get::<Shutdown>();
    found.map_or_else(CancellationToken::new, |shutdown| shutdown.0.clone())
}
