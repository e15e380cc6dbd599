//! The catalogue: which items are for sale, at what price.
//!
//! Anyone may look items up, list and search them; importing, changing and deleting takes a service's
//! token with the scope `catalog:write`. Deliberately absent: stock, and prices that depend on who
//! asks.

pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use kit_database::{Database, OpenError, metrics};
use kit_rpc::{
    auth::Authenticator,
    server::{ServeError, Server},
};
use kit_service::{Env, listen::BindError};
use oxcart_proto::catalog::catalog_service_server::CatalogServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{
    api::CatalogApi,
    app::{Catalog, CatalogError},
    config::Config,
    store::MIGRATIONS,
};

/// A small store to begin with, in the format that an import takes. Its prices name no currency, and
/// are meant in pounds; one with less than two decimals refuses them.
pub const BUILT_IN_CATALOG: &str = include_str!("../data/builtin.csv");

/// Names the SQLite file and the PostgreSQL schema, unless the configuration does.
const NAME: &str = "catalog";

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The database cannot be opened or migrated.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The built-in catalogue could not be loaded.
    #[error("cannot load the built-in catalogue")]
    LoadBuiltIn(#[source] CatalogError),
    /// The server stopped by itself.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs the service as `config` says, until `shutdown`; or migrates its database, if it says so.
///
/// # Errors
/// See [`RunError`].
pub async fn run(config: Config, shutdown: CancellationToken, env: Env) -> Result<(), RunError> {
    config.database.wait(&shutdown).await?;
    if config.migrate_only {
        open(&config).await?.close().await;
        return Ok(());
    }
    let listener = kit_service::listen::bind(config.listen).await?;
    serve(config, listener, shutdown, env).await
}

/// Serves on `listener` until `shutdown`, then drains.
///
/// # Errors
/// Any [`RunError`] but [`RunError::Bind`].
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    env: Env,
) -> Result<(), RunError> {
    let database = open(&config).await?;
    let _shown = metrics::watch("catalog-svc", &database);
    let catalog = Catalog::new(store::open(&database));
    if config.load_built_in {
        let loaded = catalog.import_if_empty(BUILT_IN_CATALOG, config.default_currency);
        loaded.await.map_err(RunError::LoadBuiltIn)?;
    }
    let api = CatalogServiceServer::new(CatalogApi::new(catalog, config.default_currency))
        .max_decoding_message_size(config.server.max_message_bytes);
    Server::new("catalog-svc", &config.server, env.clone())
        .authenticator(Authenticator::new(&config.auth, env))
        .add_service(api)
        .ready_when(database.readiness())
        .serve(listener, shutdown)
        .await?;
    database.close().await;
    Ok(())
}

async fn open(config: &Config) -> Result<Database, OpenError> {
    let database = config.database.open(NAME).await?;
    database.migrate(&MIGRATIONS).await?;
    Ok(database)
}
