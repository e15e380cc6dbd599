//! A small identity provider for development and tests: users sign in by password, services by
//! their client credentials, and everybody verifies its tokens by the keys that it publishes.
//!
//! Speaks gRPC for tours and tests, and over HTTP the part of `OpenID` Connect that the services
//! use, so that any other issuer can take its place by configuration alone. Deliberately absent:
//! what a real provider has besides, such as registration, consent, second factors and key rotation.
//! Its private keys lie in its database as they are.

pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use kit_database::{Database, metrics};
use kit_rpc::{
    server::Server,
    service::{CommonArgs, RunError, Service},
};
use kit_service::{Env, chain, listen::bind};
use oxcart_proto::idp::idp_service_server::IdpServiceServer;
use tokio::{net::TcpListener, time::interval};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tracing::{info, warn};

use crate::{
    api::IdpApi,
    app::{Idp, Passwords, Policy, Seed},
    store::{IdpStore, MIGRATIONS},
};

pub use config::Config;

/// Names the SQLite file and the PostgreSQL schema, unless the configuration does.
const DATABASE: &str = "idp";

/// How often expired tokens and codes are forgotten.
const PURGE_EVERY: Duration = Duration::from_mins(10);

impl Service for Config {
    const NAME: &'static str = "idp-stub";

    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn prepare(&self, shutdown: &CancellationToken) -> Result<ControlFlow<()>, RunError> {
        let prepared = self.database.prepare(DATABASE, &MIGRATIONS, shutdown).await;
        prepared.map_err(RunError::cannot("use the database"))
    }

    async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        env: Env,
    ) -> Result<(), RunError> {
        let http = bind(self.http_listen).await?;
        serve(self, listener, http, shutdown, env).await
    }
}

/// Serves gRPC and HTTP until `shutdown`, then finishes what is in flight.
///
/// # Errors
/// [`RunError`].
pub async fn serve(
    config: Config,
    grpc_listener: TcpListener,
    http_listener: TcpListener,
    shutdown: CancellationToken,
    env: Env,
) -> Result<(), RunError> {
    if config.user_audience == config.service_audience {
        let why = "--user-audience and --service-audience must differ";
        return Err(RunError::cannot("issue tokens")(why));
    }
    let database = config.database.open(DATABASE, &MIGRATIONS).await;
    let database = database.map_err(RunError::cannot("use the database"))?;
    let _shown = metrics::watch(Config::NAME, &database);
    let idp = Arc::new(open_idp(&config, &database, &env).await?);
    info!(issuer = config.issuer, "issuing tokens as {}", config.issuer);

    let stop = shutdown.child_token();
    let service = IdpServiceServer::new(IdpApi::new(Arc::clone(&idp)))
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(config.common.server.max_message_bytes);
    let grpc = Server::new(Config::NAME, &config.common.server, env)
        .add_service(service)
        .ready_when(database.readiness())
        .serve(grpc_listener, stop.clone());
    // HTTP goes on for as long as gRPC takes calls.
    let stop_http = CancellationToken::new();
    let lame_duck = async {
        stop.cancelled().await;
        tokio::time::sleep(config.common.server.lame_duck()).await;
        stop_http.cancel();
    };
    let drain = Duration::from_secs(config.common.server.drain_seconds);
    let http = api::serve_http(Arc::clone(&idp), http_listener, stop_http.clone(), drain);
    let served = tokio::select! {
        served = async {
            // A server that ends by itself ends the other.
            let grpc = async {
                let _stop = stop.clone().drop_guard();
                grpc.await.map_err(RunError::Serve)
            };
            tokio::join!(grpc, http, lame_duck).0
        } => served,
        () = purge(&idp) => Ok(()),
    };
    database.close().await;
    served
}

async fn open_idp(config: &Config, database: &Database, env: &Env) -> Result<Idp, RunError> {
    let store: Arc<dyn IdpStore> = store::open(database);
    let policy = config.policy();
    let passwords = Passwords::new(config.password_checks(), env.clone());
    let passwords = passwords.map_err(RunError::cannot("hash passwords"))?;
    let seed = read_seed(config, &policy).await?;
    let stored = seed.store(store.as_ref(), &passwords).await;
    stored.map_err(RunError::cannot("use the seed"))?;
    let idp = Idp::new(policy, store, passwords, env.clone()).await;
    idp.map_err(RunError::cannot("get the signing keys"))
}

async fn read_seed(config: &Config, policy: &Policy) -> Result<Seed, RunError> {
    let Some(path) = &config.seed else {
        warn!(
            "USING THE BUILT-IN USERS AND CLIENTS, WHOSE PASSWORDS EVERYBODY KNOWS: \
             for development only, otherwise give --seed"
        );
        return Seed::development(policy).map_err(RunError::cannot("use the seed"));
    };
    let text = tokio::fs::read_to_string(path).await;
    let cannot_read = RunError::cannot(format!("read the seed file {}", path.display()));
    Seed::parse(&text.map_err(cannot_read)?, policy).map_err(RunError::cannot("use the seed"))
}

/// Deletes what has expired, again and again, until it is stopped.
async fn purge(idp: &Idp) {
    let mut ticks = interval(PURGE_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = idp.purge().await {
            warn!(error = chain(&error), "expired tokens could not be forgotten, trying again");
        }
    }
}
