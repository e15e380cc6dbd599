//! A small identity provider for development and tests: users sign in by password, services by
//! their client credentials, and everybody verifies its tokens by the keys that it publishes.
//!
//! Speaks gRPC for tours and tests, and over HTTP the part of `OpenID` Connect that the services
//! use, so that any other issuer can take its place by configuration alone. Deliberately absent:
//! what a real provider has besides, such as registration, consent, second factors and key rotation.
//! Its private keys lie in its database as they are.

pub mod api;
pub mod app;
mod config;
pub mod domain;
pub mod store;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use kit_database::{Database, OpenError, metrics};
use kit_rpc::server::{ServeError, Server};
use kit_service::{
    Env, chain,
    listen::{BindError, bind},
};
use tokio::{net::TcpListener, time::interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    api::IdpRpc,
    app::{Idp, IdpError, Passwords, PasswordsError, Policy, Seed, SeedError},
    store::IdpStore,
};

pub use config::Config;

/// The service's name, in logs and as the default of its file's and schema's name.
pub const NAME: &str = "idp";

/// How often expired tokens and codes are forgotten.
const PURGE_EVERY: Duration = Duration::from_mins(10);

/// Why the identity provider could not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum IdpServeError {
    /// The two audiences are one: then a user's token would pass for a service's.
    #[error("--user-audience and --service-audience must differ")]
    SameAudience,
    /// An address could not be bound.
    #[error("cannot listen")]
    Bind(#[from] BindError),
    /// The database could not be opened or migrated.
    #[error("cannot use the database")]
    Database(#[from] OpenError),
    /// The seed file could not be read.
    #[error("cannot read the seed file {path}")]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The seed was refused or could not be stored.
    #[error("cannot use the seed")]
    Seed(#[from] SeedError),
    /// Passwords cannot be hashed.
    #[error("cannot hash passwords")]
    Passwords(#[from] PasswordsError),
    /// The keys could not be made or read.
    #[error("cannot get the signing keys")]
    Idp(#[from] IdpError),
    /// The gRPC server failed.
    #[error("the grpc server failed")]
    Grpc(#[from] ServeError),
}

/// Binds both addresses of `config` and serves; with `migrate_only` brings the database up to date
/// instead.
///
/// # Errors
/// [`IdpServeError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), IdpServeError> {
    config.database.wait(&shutdown).await?;
    if config.migrate_only {
        open_database(&config).await?.close().await;
        return Ok(());
    }
    let grpc = bind(config.listen).await?;
    let http = bind(config.http_listen).await?;
    serve(config, grpc, http, shutdown, Env::system()).await
}

/// Serves gRPC and HTTP until `shutdown`, then finishes what is in flight.
///
/// # Errors
/// [`IdpServeError`].
pub async fn serve(
    config: Config,
    grpc_listener: TcpListener,
    http_listener: TcpListener,
    shutdown: CancellationToken,
    env: Env,
) -> Result<(), IdpServeError> {
    if config.user_audience == config.service_audience {
        return Err(IdpServeError::SameAudience);
    }
    let database = open_database(&config).await?;
    let _shown = metrics::watch(NAME, &database);
    let idp = Arc::new(open_idp(&config, &database, &env).await?);
    info!(issuer = config.issuer, "issuing tokens as {}", config.issuer);

    let stop = shutdown.child_token();
    let grpc = Server::new(NAME, &config.server, env)
        .add_service(IdpRpc::service(Arc::clone(&idp)))
        .ready_when(database.readiness())
        .serve(grpc_listener, stop.clone());
    // HTTP goes on for as long as gRPC takes calls.
    let stop_http = CancellationToken::new();
    let lame_duck = async {
        stop.cancelled().await;
        tokio::time::sleep(config.server.lame_duck()).await;
        stop_http.cancel();
    };
    let drain = Duration::from_secs(config.server.drain_seconds);
    let http = api::serve_http(Arc::clone(&idp), http_listener, stop_http.clone(), drain);
    let served = tokio::select! {
        served = async {
            // A server that ends by itself ends the other.
            let grpc = async {
                let _stop = stop.clone().drop_guard();
                grpc.await.map_err(IdpServeError::Grpc)
            };
            tokio::join!(grpc, http, lame_duck).0
        } => served,
        () = purge(&idp) => Ok(()),
    };
    database.close().await;
    served
}

async fn open_database(config: &Config) -> Result<Database, IdpServeError> {
    let database = config.database.open(NAME).await?;
    database.migrate(&store::MIGRATIONS).await?;
    Ok(database)
}

async fn open_idp(config: &Config, database: &Database, env: &Env) -> Result<Idp, IdpServeError> {
    let store: Arc<dyn IdpStore> = store::open(database);
    let policy = config.policy();
    let passwords = Passwords::new(env.clone())?;
    let seed = read_seed(config, &policy).await?;
    seed.store(store.as_ref(), &passwords).await?;
    Ok(Idp::new(policy, store, passwords, env.clone()).await?)
}

async fn read_seed(config: &Config, policy: &Policy) -> Result<Seed, IdpServeError> {
    let Some(path) = &config.seed else {
        warn!(
            "USING THE BUILT-IN USERS AND CLIENTS, WHOSE PASSWORDS EVERYBODY KNOWS: \
             for development only, otherwise give --seed"
        );
        return Ok(Seed::development(policy)?);
    };
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|source| IdpServeError::SeedFile { path: path.clone(), source })?;
    Ok(Seed::parse(&text, policy)?)
}

/// Forgets what has expired, for ever.
async fn purge(idp: &Idp) {
    let mut ticks = interval(PURGE_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = idp.purge().await {
            warn!(error = chain(&error), "expired tokens could not be forgotten, trying again");
        }
    }
}
